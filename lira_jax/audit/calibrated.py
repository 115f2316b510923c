"""Decisions with a threshold for each example, on every statistic that the attacks judge by."""

import collections
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack, Scalar
from lira_jax.attacks.p_values import p_values
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.errors import UserError
from lira_jax.evaluation import calibrated as evaluation
from lira_jax.evaluation.calibrated import ALPHA, Calibrated

_TOLD = "1e-2"  # the nominal rate, one of ALPHA, that a note speaks of
_TOO_FEW = "no example has 2 out shadow scores: use more models (--num_models)"


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
    return {
        statistic.name: (evaluation.accuse(p, fdr), p)
        for statistic, p in _p_values(evidence, attacks)
    }


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
    # No others have a say: an accusation needs a p-value of at most one of these.
    at_most = max(*ALPHA.values(), fdr or 0)
    for statistic, p in _p_values(evidence, attacks, at_most):
        values = statistic.read(evidence.signals)
        found[statistic.name] = evaluation.calibrated(p, members, values, evidence.keep, fdr)
    _tell_of_false_alarms(found)
    return found


def _tell_of_false_alarms(found: Mapping[str, Calibrated]) -> None:
    """A note where non-members are accused more often than the test is meant to accuse them."""
    fprs = {name: calibrated.at[_TOLD].fpr for name, calibrated in found.items()}
    above = {name: fpr for name, fpr in fprs.items() if fpr.low > ALPHA[_TOLD]}
    if above:
        worst = max(above, key=lambda name: above[name].value)
        fpr = above[worst]
        progress.note(
            f"the test of single examples, meant to accuse {ALPHA[_TOLD]:.0%} of the non-members, "
            f"accuses more by {', '.join(above)} ({worst}: {fpr.value:.1%} [{fpr.low:.1%}, "
            f"{fpr.high:.1%}]): targets vary more than their shadow models, as where those share "
            "a pool that is not the targets'; --fdr bounds too little then"
        )


def _p_values(
    evidence: Evidence, attacks: Iterable[Attack], at_most: float = 1.0
) -> Iterator[tuple[Scalar, np.ndarray]]:
    """The statistics of attacks, each with its p-values of the targets on all examples, 1 where
    they are more than that; notes tell of those that have none."""
    left_out = collections.defaultdict(list)
    for statistic in statistics(attacks):
        try:
            values = statistic.read(evidence.signals)
            targets = evidence.targets.arguments(statistic.read)
            p = p_values(values, evidence.keep, **targets, at_most=at_most)
        except UserError as error:
            left_out[str(error)].append(statistic.name)
            continue
        if np.isnan(p).all():
            left_out[_TOO_FEW].append(statistic.name)
        else:
            yield statistic, p
    for why, names in left_out.items():
        progress.note(f"left out calibrated decisions on {', '.join(names)}: {why}")


def statistics(attacks: Iterable[Attack]) -> list[Scalar]:
    """The statistics that attacks judge by, each once."""
    return list({a.statistic.name: a.statistic for a in attacks if a.statistic}.values())
