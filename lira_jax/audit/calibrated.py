"""Decisions with a threshold for each example, on every statistic that the attacks judge by."""

from collections.abc import Iterable

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack, Scalar
from lira_jax.attacks.p_values import p_values
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.errors import UserError
from lira_jax.evaluation import calibrated as evaluation
from lira_jax.evaluation.calibrated import Calibrated


def accused(
    evidence: Evidence, attacks: Iterable[Attack], fdr: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Whom to accuse of being members under a bound on the share of false accusations.

    It needs nobody's membership of the targets, only that of the shadow models.

    Args:
      evidence: with any targets.
      attacks: those that were run.
      fdr: the bound (evaluation/calibrated.py, `accuse`).

    Returns:
      Name of a statistic -> who is accused, bool [targets, examples], and the p-values, float64
      [targets, examples]; without those that the evidence does not suffice for, which a note tells.
    """
    found = {}
    for statistic in statistics(attacks):
        p = _p_values(evidence, statistic)
        if p is not None:
            found[statistic.name] = evaluation.accuse(p, fdr), p
    return found


def calibrated(
    evidence: Evidence, attacks: Iterable[Attack], fdr: float | None = None
) -> dict[str, Calibrated]:
    """What p-values of the attacks' statistics find.

    Args:
      evidence: with targets of known membership.
      attacks: those that were run.
      fdr: also accuse under this bound on the share of false accusations.

    Returns:
      Name of a statistic -> what is found, in the order of the attacks; without those that the
      evidence does not suffice for, which a note tells.
    """
    members = evidence.members
    assert members is not None, "the membership is known"
    found = {}
    for statistic in statistics(attacks):
        p = _p_values(evidence, statistic)
        if p is None:
            continue
        values = statistic.read(evidence.signals)
        found[statistic.name] = evaluation.calibrated(p, members, values, evidence.keep, fdr)
    return found


def _p_values(evidence: Evidence, statistic: Scalar) -> np.ndarray | None:
    """Of the targets on all examples; None where none can be had, which a note tells."""
    try:
        values = statistic.read(evidence.signals)
        p = p_values(values, evidence.keep, **evidence.targets.arguments(statistic.read))
    except UserError as error:
        progress.note(f"left out calibrated decisions on {statistic.name}: {error}")
        return None
    if np.isnan(p).all():
        progress.note(
            f"left out calibrated decisions on {statistic.name}: no example has 2 out models "
            "left without the target and its partner: use more models (--num_models)"
        )
        return None
    return p


def statistics(attacks: Iterable[Attack]) -> list[Scalar]:
    """The statistics that attacks judge by, each once."""
    return list({a.statistic.name: a.statistic for a in attacks if a.statistic}.values())
