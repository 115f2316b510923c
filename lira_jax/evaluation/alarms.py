"""Whose false alarms one threshold for all examples gives, and whether targets agree.

Two sides of the same decisions: over the targets that did not train on an example, how often it is
called a member wrongly; over those that did, whether the answer is always the same.
"""

import dataclasses

import numpy as np
import scipy

from lira_jax.evaluation.pooled_threshold import at_fpr
from lira_jax.evaluation.ranked import Ranked

FPR = 0.01
"""Of the pooled threshold, the lowest that most runs resolve."""
MOST_ALARMED = 0.05
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


@dataclasses.dataclass(frozen=True)
class FalseAlarms:
    """How unequally one threshold for all examples shares out false alarms (Jalko et al. 2026).

    Attributes:
      never: share of the examples that never raise one, over the targets that did not train on
        them.
      never_if_equal: what it would be if all examples had one false positive rate and raised alarms
        independently.
      top: share of all false alarms that come from the 5 % of the examples that raise most.
      top_if_equal: what it would be then.
    """

    never: float
    never_if_equal: float
    top: float
    top_if_equal: float


@dataclasses.dataclass(frozen=True)
class Instability:
    """How often two targets that trained on an example disagree about it.

    Hayes et al. 2025, https://arxiv.org/abs/2505.18773: flip = 2 k (B - k) / (B (B - 1)), where k
    of B targets that trained on it call it a member.

    Attributes:
      mean: over examples that at least 2 targets trained on.
      quantiles: of the flips, at QUANTILES.
      ever: share of the examples that are called a member by some and not by others.
    """

    mean: float
    quantiles: tuple[float, ...]
    ever: float


def decided(ranked: Ranked, fpr: float = FPR) -> np.ndarray | None:
    """Decisions at one threshold for all pairs, that of a false positive rate.

    Args:
      ranked: the scores.
      fpr: of all pairs together.

    Returns:
      bool [targets, examples], False where a pair does not count; None where the non-members do not
      resolve the FPR.
    """
    outside = np.concatenate([pairs.outside for pairs in ranked.rows])
    if outside.size * fpr < 1:
        return None
    return ranked.at_least(at_fpr(outside, fpr))


def false_alarms(decisions: np.ndarray, ranked: Ranked) -> FalseAlarms | None:
    """Which examples raise the false alarms.

    Args:
      decisions: bool [targets, examples].
      ranked: the pairs that count.

    Returns:
      None without a false alarm, or where no example has two targets that did not train on it.
    """
    outside = ranked.outside
    trials = outside.sum(0)
    alarms = (decisions & outside).sum(0)[trials > 0]
    trials = trials[trials > 0]
    if not alarms.any() or trials.max() < 2:
        return None
    fpr = alarms.sum() / trials.sum()
    numbers, how_often = np.unique(trials, return_counts=True)
    counts = np.arange(numbers.max() + 1)
    if_equal = how_often / trials.size @ scipy.stats.binom.pmf(counts, numbers[:, None], fpr)
    observed = np.bincount(alarms, minlength=counts.size) / trials.size
    return FalseAlarms(
        never=float(observed[0]),
        never_if_equal=float(if_equal[0]),
        top=_share_of_top(observed, MOST_ALARMED),
        top_if_equal=_share_of_top(if_equal, MOST_ALARMED),
    )


def instability(decisions: np.ndarray, ranked: Ranked) -> Instability | None:
    """How often two targets that trained on an example disagree about it.

    Args:
      decisions: bool [targets, examples].
      ranked: the pairs that count.

    Returns:
      None where no example is in the training sets of two targets.
    """
    flips = flip(decisions, ranked.inside)
    flips = flips[~np.isnan(flips)]
    if not flips.size:
        return None
    return Instability(
        mean=float(flips.mean()),
        quantiles=tuple(np.quantile(flips, QUANTILES, method="inverted_cdf").tolist()),
        ever=float(np.mean(flips > 0)),
    )


def flip(decisions: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The chance that two of the targets that count, drawn at random, disagree.

    Args:
      decisions: bool [targets, examples].
      counted: bool [targets, examples], the targets that count for an example.

    Returns:
      float64 [examples], at most 1; NaN where fewer than 2 targets count.
    """
    b = counted.sum(0).astype(np.float64)
    b[b < 2] = np.nan
    k = (decisions & counted).sum(0)
    return 2 * k * (b - k) / (b * (b - 1))


def _share_of_top(fractions: np.ndarray, top: float) -> float:
    """Share of all alarms that the examples with most of them raise.

    Args:
      fractions: of the examples that raise 0, 1, 2, ... alarms.
      top: share of the examples that is meant; of those at its border as many as it holds.
    """
    counts = np.arange(fractions.size)[::-1]
    reached = np.minimum(np.cumsum(fractions[::-1]), top)
    return float(np.diff(reached, prepend=0) @ counts / (fractions[::-1] @ counts))
