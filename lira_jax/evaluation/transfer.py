"""Thresholds from other models, and what an accusation is worth at a prior.

"Realistic evaluation" of PoPETs 2026, https://arxiv.org/abs/2603.07567: a real attacker has no
non-members of the target whose scores would give a threshold, but has those of the shadow models.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.evaluation import pooled_threshold
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.intervals import rate
from lira_jax.evaluation.ranked import Ranked

ALPHA = {"1e-3": 1e-3, "1e-5": 1e-5}
"""The false positive rates of the paper."""
PRIORS = (0.01, 0.1, 0.5)


@dataclasses.dataclass(frozen=True)
class Transferred:
    """What is found at the median of other models' thresholds.

    Attributes:
      tpr: fraction of the members that are called so, with its interval over targets.
      fpr: fraction of the non-members called members: what the threshold really gives.
      ppv: prior, as text such as 0.01, -> probability that an accused is a member, where this share
        of the examples are members.
    """

    tpr: Estimate
    fpr: Estimate
    ppv: dict[str, Estimate]


def transferred(
    ranked: Ranked,
    priors: Sequence[float] = PRIORS,
    others: np.ndarray | None = None,
) -> dict[str, Transferred]:
    """TPR, FPR and PPV of each target at thresholds that other models give.

    Args:
      ranked: the scores.
      priors: shares of the examples that are members.
      others: [models, alphas], the thresholds of other models at each of ALPHA, for all targets;
        None takes those of the other targets.

    Returns:
      One of ALPHA -> what is found, as far as all non-members together resolve it; empty for a
      single target without `others`.
    """
    kinds = [[pairs.inside for pairs in ranked.rows], [pairs.outside for pairs in ranked.rows]]
    sizes = [np.array([own.size for own in kind]) for kind in kinds]
    found = {}
    for number, (name, alpha) in enumerate(ALPHA.items()):
        if alpha * sizes[1].sum() < 1:
            continue
        if others is None:
            limits = of_others(pooled_threshold.of_targets(ranked.rows, alpha))
        else:
            limits = np.full(ranked.num_targets, ranked.rank_of(_median(others[:, number])))
        if np.isnan(limits).all():
            continue
        usable = ~np.isnan(limits)
        tpr, fpr = (
            rate(_called(kind, limits) * usable, size * usable)
            for kind, size in zip(kinds, sizes, strict=True)
        )
        found[name] = Transferred(
            tpr, fpr, {f"{prior:g}": ppv(tpr, fpr, prior) for prior in priors}
        )
    return found


def _called(targets: Sequence[np.ndarray], limits: np.ndarray) -> np.ndarray:
    """How many of each target's sorted ranks reach its limit, int [targets]."""
    each = zip(targets, limits, strict=True)
    return np.array([own.size - np.searchsorted(own, limit) for own, limit in each])


def of_others(thresholds: np.ndarray) -> np.ndarray:
    """For each model, the median of the thresholds of all others; of two in the middle the higher.

    Args:
      thresholds: [models]; NaN is none.

    Returns:
      [models]; NaN where no other model has one.
    """
    return np.array([_median(np.delete(thresholds, t)) for t in range(len(thresholds))])


def ppv(tpr: Estimate, fpr: Estimate, prior: float) -> Estimate:
    """The positive predictive value, prior TPR / (prior TPR + (1 - prior) FPR).

    Its ends are those of the two rates that push it: it covers in at least 90 % of the cases, and
    it tells how little is known where no false alarm was seen.

    Args:
      tpr: with its interval.
      fpr: with its interval.
      prior: probability of membership, in (0, 1).

    Returns:
      NaN where nobody is accused.
    """

    def at(hits: float, alarms: float) -> float:
        accused = prior * hits + (1 - prior) * alarms
        return prior * hits / accused if accused > 0 else np.nan

    value = at(tpr.value, fpr.value)
    if np.isnan(value):
        return Estimate(np.nan)
    high = at(tpr.high, fpr.low)
    return Estimate(value, at(tpr.low, fpr.high), high)


def _median(thresholds: np.ndarray) -> float:
    known = np.sort(thresholds[~np.isnan(thresholds)])
    return float(known[known.size // 2]) if known.size else np.nan
