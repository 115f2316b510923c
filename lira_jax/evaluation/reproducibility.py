"""Whether an attack finds the same examples again in another target.

"Realistic evaluation" of PoPETs 2026, https://arxiv.org/abs/2603.07567.
"""

import dataclasses

import numpy as np
import scipy

from lira_jax.evaluation import pooled_threshold
from lira_jax.evaluation.ranked import Ranked

TOP = 0.01
"""The share of an order that counts as its top."""
MOST_PAIRS = 16


@dataclasses.dataclass(frozen=True)
class Reproducibility:
    """How far targets agree on who is exposed.

    Pairs of targets are compared on the examples that both trained on: of the others, one of the
    two could not know. Agreement is no power: a threshold on the loss orders examples alike in all
    models, members or not.

    Attributes:
      pairs: pairs of targets that were compared, neighbours in the order of the targets.
      jaccard: mean over pairs of |A and B| / |A or B|, A and B the highest 1 % of each.
      jaccard_by_chance: what it is if the two orders have nothing to do with each other.
      spearman: mean over pairs of the rank correlation; NaN where scores do not vary.
      support: in how many targets an example is found without a single false alarm among that
        target's non-members: how many examples are found in 0, 1, 2, ... targets.
    """

    pairs: int
    jaccard: float
    jaccard_by_chance: float
    spearman: float
    support: tuple[int, ...]


def reproducibility(ranked: Ranked, top: float = TOP) -> Reproducibility | None:
    """How far targets agree on who is exposed.

    Args:
      ranked: the scores.
      top: share of an order that counts as its top.

    Returns:
      None where no two neighbouring targets have 1 / top members in common.
    """
    inside = ranked.inside
    jaccards, chances, correlations = [], [], []
    for t in np.unique(np.linspace(0, ranked.num_targets - 2, MOST_PAIRS).round().astype(int)):
        if ranked.num_targets < 2:
            break
        both = np.flatnonzero(inside[t] & inside[t + 1])
        if both.size * top < 1:
            continue
        own, other = ranked.codes[t, both], ranked.codes[t + 1, both]  # ordered as ranks are
        jaccards.append(jaccard(own, other, top))
        share = round(top * both.size) / both.size
        chances.append(share / (2 - share))
        correlations.append(_spearman(own, other))
    if not jaccards:
        return None
    known = [r for r in correlations if not np.isnan(r)]
    return Reproducibility(
        pairs=len(jaccards),
        jaccard=float(np.mean(jaccards)),
        jaccard_by_chance=float(np.mean(chances)),
        spearman=float(np.mean(known)) if known else np.nan,
        support=tuple(np.bincount(support(ranked)).tolist()),
    )


def jaccard(a: np.ndarray, b: np.ndarray, top: float) -> float:
    """Jaccard index of the highest scores of two lists of the same examples.

    Equal scores at the border share its places: the index is that of the expected intersection if
    each list broke its ties by lot.

    Args:
      a, b: [examples], of the same examples.
      top: share that is compared.
    """
    number = round(top * a.size)
    common = np.sum(_in_top(a, number) * _in_top(b, number))
    return float(common / (2 * number - common))


def support(ranked: Ranked) -> np.ndarray:
    """In how many targets an example is a true positive at 0 false positives.

    Args:
      ranked: the scores.

    Returns:
      int [examples]: targets that trained on it in which it scores above every non-member of that
      target.
    """
    limits = pooled_threshold.of_targets(ranked.rows, 0)
    return (ranked.inside & ranked.at_least(limits)).sum(0)


def _in_top(scores: np.ndarray, number: int) -> np.ndarray:
    """The chance of each example to be among the highest so many, 0 or 1 without ties."""
    border = np.partition(scores, scores.size - number)[scores.size - number]
    above, at = scores > border, scores == border
    return above + at * ((number - above.sum()) / at.sum())


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    ranks = [scipy.stats.rankdata(values) for values in (a, b)]
    if any(np.ptp(r) == 0 for r in ranks):
        return np.nan
    return float(np.corrcoef(*ranks)[0, 1])
