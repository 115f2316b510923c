"""Decisions with a threshold for each example, on every statistic that the attacks judge by."""

import collections
from collections.abc import Iterable

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack, Scalar
from lira_jax.attacks.p_values import p_values
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.errors import UserError
from lira_jax.evaluation import calibrated as evaluation
from lira_jax.evaluation.calibrated import Calibrated

_TOO_FEW = "no example has 2 out shadow scores: use more models (--num_models)"


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
    found, left_out = {}, collections.defaultdict(list)
    for statistic in statistics(attacks):
        try:
            values = statistic.read(evidence.signals)
            p = p_values(values, evidence.keep, **evidence.targets.arguments(statistic.read))
        except UserError as error:
            left_out[str(error)].append(statistic.name)
            continue
        if np.isnan(p).all():
            left_out[_TOO_FEW].append(statistic.name)
            continue
        found[statistic.name] = evaluation.calibrated(p, members, values, evidence.keep, fdr)
    for why, names in left_out.items():
        progress.note(f"left out calibrated decisions on {', '.join(names)}: {why}")
    return found


def statistics(attacks: Iterable[Attack]) -> list[Scalar]:
    """The statistics that attacks judge by, each once."""
    return list({a.statistic.name: a.statistic for a in attacks if a.statistic}.values())
