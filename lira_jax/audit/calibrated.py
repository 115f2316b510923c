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
        try:
            values = statistic.read(evidence.signals)
            p = p_values(values, evidence.keep, **evidence.targets.arguments(statistic.read))
        except UserError as error:
            progress.note(f"left out calibrated decisions on {statistic.name}: {error}")
            continue
        if np.isnan(p).all():
            progress.note(
                f"left out calibrated decisions on {statistic.name}: no example has 2 out models "
                "left without the target and its partner: use more models (--num_models)"
            )
            continue
        found[statistic.name] = evaluation.calibrated(p, members, values, evidence.keep, fdr)
    return found


def statistics(attacks: Iterable[Attack]) -> list[Scalar]:
    """The statistics that attacks judge by, each once."""
    return list({a.statistic.name: a.statistic for a in attacks if a.statistic}.values())
