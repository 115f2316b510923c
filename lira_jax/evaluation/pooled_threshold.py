"""Thresholds that allow a given share of the non-members to be called members."""

from collections.abc import Iterable

import numpy as np

from lira_jax.evaluation.ranked import Pairs


def at_fpr(nonmember_scores: np.ndarray, fpr: float) -> np.ndarray:
    """The lowest threshold t such that at most a share `fpr` of these scores is >= t.

    Its decisions are those of the ROC step at the largest FPR <= fpr; it depends on non-members
    alone. Below 1 / scores it is just above the highest of them.

    Args:
      nonmember_scores: [non-members], without NaN, or their ranks.
      fpr: in [0, 1).

    Returns:
      A threshold for `score >= t`, of the type of the scores, [] (no dimension); inf where only
      that allows so few.
    """
    place = nonmember_scores.size - 1 - allowed(nonmember_scores.size, fpr)
    return above(np.partition(nonmember_scores, place)[place])


def of_targets(targets: Iterable[Pairs], fpr: float) -> np.ndarray:
    """`at_fpr` of each target's own non-members, as ranks.

    Args:
      targets: the pairs of each.
      fpr: in [0, 1).

    Returns:
      float64 [targets]; NaN for a target without non-members.
    """
    outside = [pairs.outside for pairs in targets]
    return np.array(
        [above(o[-1 - allowed(o.size, fpr)]) if o.size else np.nan for o in outside], np.float64
    )


def allowed(number: int, share: float) -> int:
    """How many of a number are at most a share of it."""
    return int(share * number * (1 + 1e-12))  # .07 * 100 is 7 however it is rounded


def above(score: np.ndarray) -> np.ndarray:
    """The next number above a score, or a rank, of its own type; of any shape."""
    if np.issubdtype(score.dtype, np.integer):
        return score + score.dtype.type(1)
    return np.nextafter(score, np.inf, dtype=score.dtype)
