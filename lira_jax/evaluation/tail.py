"""The two ends of an attack's scores: who is surely a member, and who surely is not."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.evaluation import pooled_threshold
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.intervals import rate
from lira_jax.evaluation.ranked import Pairs

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


def extremes(targets: Sequence[Pairs], share: float = SHARE) -> Extremes:
    """The precision at either end of each target's scores, over all targets.

    Of examples with the score at which an end begins, it holds as many as there is room for, drawn
    at random: the expected number of members among them counts.

    Args:
      targets: the pairs of each.
      share: of a target's scores at either end; a target with fewer than 1 / share says nothing.

    Returns:
      Both shares with their intervals over targets; NaN where no target has enough scores.
    """
    sizes = np.array([pooled_threshold.allowed(pairs.size, share) for pairs in targets])
    ends = [_ends(pairs, size) for pairs, size in zip(targets, sizes, strict=True)]
    high, low = np.array(ends, np.float64).reshape(-1, 2).T
    return Extremes(rate(high, sizes), rate(sizes - low, sizes))


def _ends(pairs: Pairs, size: int) -> tuple[float, float]:
    """Members among so many of the highest and of the lowest scores of a target."""
    if not size:
        return 0.0, 0.0
    ranks, members = pairs.ranks, pairs.is_member
    first, last = (np.searchsorted(ranks, ranks[-size], side) for side in ("left", "right"))
    high = _expected(members[last:], members[first:last], size)
    first, last = (np.searchsorted(ranks, ranks[size - 1], side) for side in ("left", "right"))
    return high, _expected(members[:first], members[first:last], size)


def _expected(beyond: np.ndarray, tied: np.ndarray, size: int) -> float:
    """Members among so many: all that are beyond the border, and some of those that lie on it."""
    return np.count_nonzero(beyond) + float(tied.mean()) * (size - beyond.size)


def tnr_at_fnr(targets: Sequence[Pairs], fnr: float = FNR) -> Estimate:
    """The true negative rate at a false negative rate.

    Of the loss, this needs no shadow model and follows the TPR that LiRA would have at a low FPR
    ("The Tail Tells All", https://arxiv.org/abs/2510.19773): so it can be watched in training.

    Args:
      targets: the pairs of each.
      fnr: largest share of the members that may be called non-members, at one threshold for all.

    Returns:
      The share of the non-members that are called so, with its interval over targets; NaN where
      there are fewer than 1 / fnr members or no non-members.
    """
    inside = np.concatenate([pairs.inside for pairs in targets])
    if inside.size * fnr < 1:
        return Estimate(np.nan)
    place = pooled_threshold.allowed(inside.size, fnr)
    limit = np.partition(inside, place)[place]
    cleared = [np.searchsorted(pairs.outside, limit) for pairs in targets]
    return rate(np.array(cleared), np.array([pairs.outside.size for pairs in targets]))
