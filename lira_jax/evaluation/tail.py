"""The two ends of an attack's scores: who is surely a member, and who surely is not."""

import dataclasses

import numpy as np

from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.intervals import rate
from lira_jax.evaluation.pooled_threshold import at_fpr

FNR = 0.001
SHARE = 0.01
"""Of a target's examples at either end (Carlini et al. 2022, III-B)."""


@dataclasses.dataclass(frozen=True)
class Extremes:
    """How often an attack is right about the examples that it is surest of.

    Carlini et al. 2022, III-B (https://arxiv.org/abs/2112.03570): of the loss, the highest score is
    the lowest loss. Guessing is right as often as the share of members, or of non-members.

    Attributes:
      highest: precision among the 1 % of each target's examples with the highest scores: the share
        of them that are members.
      lowest: among the 1 % with the lowest scores, the share that are non-members.
    """

    highest: Estimate
    lowest: Estimate


def extremes(scores: np.ndarray, members: np.ndarray, share: float = SHARE) -> Extremes:
    """The precision at either end of each target's scores, over all targets.

    Of examples with the score at which an end begins, it holds as many as there is room for, drawn
    at random: the expected number of members among them counts.

    Args:
      scores: [targets, examples], higher = more likely a member; NaN is no score.
      members: bool [targets, examples].
      share: of a target's scores at either end; a target with fewer than 1 / share says nothing.

    Returns:
      Both shares with their intervals over targets; NaN where no target has enough scores.
    """
    ends = [_ends(s, m, share) for s, m in zip(scores, members, strict=True)]
    sizes, high, low = np.array(ends, np.float64).reshape(-1, 3).T
    return Extremes(rate(high, sizes), rate(sizes - low, sizes))


def _ends(scores: np.ndarray, members: np.ndarray, share: float) -> tuple[int, float, float]:
    """The size of an end of one target's scores; members at the highest and at the lowest end."""
    known = ~np.isnan(scores)
    scores, members = scores[known], members[known]
    # .07 * 100 is 7 however it is rounded.
    size = int(share * scores.size * (1 + 1e-12))
    if not size:
        return 0, 0.0, 0.0
    return size, _members_on_top(scores, members, size), _members_on_top(-scores, members, size)


def _members_on_top(scores: np.ndarray, members: np.ndarray, size: int) -> float:
    place = scores.size - size
    limit = np.partition(scores, place)[place]
    above, tied = scores > limit, scores == limit
    return np.count_nonzero(members[above]) + float(members[tied].mean()) * (
        size - np.count_nonzero(above)
    )


def tnr_at_fnr(scores: np.ndarray, members: np.ndarray, fnr: float = FNR) -> Estimate:
    """The true negative rate at a false negative rate.

    Of the loss, this needs no shadow model and follows the TPR that LiRA would have at a low FPR
    ("The Tail Tells All", https://arxiv.org/abs/2510.19773): so it can be watched in training.

    Args:
      scores: [targets, examples], higher = more likely a member; NaN is no score.
      members: bool [targets, examples].
      fnr: largest share of the members that may be called non-members, at one threshold for all.

    Returns:
      The share of the non-members that are called so, with its interval over targets; NaN where
      there are fewer than 1 / fnr members or no non-members.
    """
    known = ~np.isnan(scores)
    inside, outside = known & members, known & ~members
    if np.count_nonzero(inside) * fnr < 1:
        return Estimate(np.nan)
    cleared = -scores >= at_fpr(-scores[inside], fnr)
    return rate((cleared & outside).sum(1), outside.sum(1))
