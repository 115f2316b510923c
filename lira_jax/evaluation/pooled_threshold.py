"""Thresholds that allow a given share of the non-members to be called members."""

import numpy as np


def at_fpr(nonmember_scores: np.ndarray, fpr: float) -> float:
    """The lowest threshold t such that at most a share `fpr` of these scores is >= t.

    Its decisions are those of the ROC step at the largest FPR <= fpr; it depends on non-members
    alone. Below 1 / scores it is just above the highest of them.

    Args:
      nonmember_scores: [non-members], without NaN.
      fpr: in [0, 1).

    Returns:
      A threshold for `score >= t`; inf where only that allows so few.
    """
    # .07 * 100 is 7 however it is rounded.
    allowed = int(fpr * nonmember_scores.size * (1 + 1e-12))
    place = nonmember_scores.size - 1 - allowed
    return float(_above(np.partition(nonmember_scores, place)[place]))


def of_targets(scores: np.ndarray, members: np.ndarray, fpr: float) -> np.ndarray:
    """`at_fpr` of each target's own non-members.

    Args:
      scores: [targets, examples]; NaN is no score.
      members: bool [targets, examples].
      fpr: in [0, 1).

    Returns:
      float64 [targets]; NaN for a target without non-members.
    """
    outside = ~members & ~np.isnan(scores)
    return np.array(
        [at_fpr(s[o], fpr) if o.any() else np.nan for s, o in zip(scores, outside, strict=True)]
    )


def _above(score: np.floating) -> np.floating:
    """The next number above it, of its own type."""
    return np.nextafter(score, np.inf, dtype=score.dtype)
