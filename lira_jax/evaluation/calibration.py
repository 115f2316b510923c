"""How far a target's maximum prediction scores can be trusted, and what membership does to them.

Hintersdorf, Struppek and Kersting (2022), "To Trust or Not To Trust Prediction Scores for
Membership Inference Attacks", https://arxiv.org/abs/2111.09076.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

_KINDS = ("true_negatives", "false_negatives", "false_positives", "true_positives")
"""Of pairs, by number: 1 of a member, and 2 more of one that is called so."""


@dataclasses.dataclass(frozen=True)
class MaximumScores:
    """Mean maximum prediction scores (MMPS) by what an attack said and what is true (table 3).

    False positives well above true negatives say that the attack takes confident non-members for
    members. NaN where there are none.

    Attributes:
      true_positives: of members called members.
      false_positives: of non-members called members.
      true_negatives: of non-members called non-members.
      false_negatives: of members called non-members.
    """

    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How far maximum scores can be trusted (tables 2 and 3); NaN where nothing is to be averaged.

    Attributes:
      ece: expected calibration error on non-members, for on them it shows whether a model is
        calibrated.
      oe: overconfidence error on non-members.
      score_shift: earth mover's distance between members' and non-members' maximum scores.
      true_positives: mean maximum score of members called members by the maximum score attack.
      false_positives: of non-members called members.
      true_negatives: of non-members called non-members.
      false_negatives: of members called non-members.
    """

    ece: float
    oe: float
    score_shift: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> float:
    """ECE: mean over examples of |accuracy - confidence| of the bin.

    Naeini et al. 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    https://doi.org/10.1609/aaai.v29i1.9602.

    Args:
      confidence: [examples] in [0, 1].
      correct: bool [examples].
      bins: of equal width, (0, 1 / bins], ..., (1 - 1 / bins, 1].
    """
    weight, mean_confidence, accuracy = _binned(confidence, correct, bins)
    return float(weight @ np.abs(mean_confidence - accuracy))


def overconfidence_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """OE: sum over bins of weight * confidence * max(confidence - accuracy, 0).

    Thulasidasan et al. 2019, On Mixup Training, https://arxiv.org/abs/1905.11001.

    Args:
      confidence: [examples] in [0, 1].
      correct: bool [examples].
      bins: as for `expected_calibration_error`.
    """
    weight, mean_confidence, accuracy = _binned(confidence, correct, bins)
    return float(weight @ (mean_confidence * np.maximum(mean_confidence - accuracy, 0)))


def mean_maximum_score(
    confidence: np.ndarray, decisions: np.ndarray, members: np.ndarray
) -> dict[str, float]:
    """Mean maximum score by what an attack said and what is true; NaN for a group without examples.

    Args:
      confidence: [examples].
      decisions: bool [examples]: "member", says the attack.
      members: bool [examples].

    Returns:
      true_positives, false_positives, true_negatives, false_negatives. False positives well above
      true negatives say that the attack takes confident non-members for members.
    """
    groups = {
        "true_positives": decisions & members,
        "false_positives": decisions & ~members,
        "true_negatives": ~decisions & ~members,
        "false_negatives": ~decisions & members,
    }
    return {
        name: float(np.mean(confidence[group])) if group.any() else np.nan
        for name, group in groups.items()
    }


def maximum_scores(
    confidence: np.ndarray, decisions: np.ndarray, members: np.ndarray, counted: np.ndarray
) -> MaximumScores:
    """`mean_maximum_score` of each target, and its mean over those targets that have any.

    Args:
      confidence: [targets, examples].
      decisions: bool [targets, examples]: "member", says the attack.
      members: bool [targets, examples].
      counted: bool [targets, examples], the pairs with a decision.
    """
    kinds = 2 * decisions.astype(np.uint8) + members
    kinds[~counted] = len(_KINDS)
    sizes = np.array([np.bincount(own, minlength=len(_KINDS) + 1) for own in kinds])
    sums = [np.bincount(k, c, len(_KINDS) + 1) for k, c in zip(kinds, confidence, strict=True)]
    means = np.divide(sums, sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    return MaximumScores(**{n: mean_known(means[:, kind]) for kind, n in enumerate(_KINDS)})


def mean_known(values: Sequence[float] | np.ndarray) -> float:
    """The mean of those that are not NaN; NaN without any."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def score_shift(confidence: np.ndarray, members: np.ndarray) -> float:
    """Earth mover's distance between members' and non-members' maximum scores, in [0, 1].

    Args:
      confidence: [examples].
      members: bool [examples], with both kinds.
    """
    return earth_movers_distance(confidence[members], confidence[~members])


def earth_movers_distance(members: np.ndarray, others: np.ndarray) -> float:
    """Between the maximum scores of members [members] and of others [others], such as probes.

    Hintersdorf et al. 2022, figure 4, has it of sets of one size; it needs none. The area between
    the two distribution functions, by one sort (scipy.stats.wasserstein_distance makes three).
    """
    both = np.concatenate([members, others]).astype(np.float64)
    order = both.argsort()
    # Whole numbers, so that nothing is lost in the sum: the difference of the distribution
    # functions times both sizes.
    apart = np.cumsum(np.where(order < len(members), len(others), -len(members)))[:-1]
    return float(np.abs(apart) @ np.diff(both[order]) / (len(members) * len(others)))


def _binned(confidence, correct, bins):
    """Weight, mean confidence and accuracy of each bin that has examples, [bins]."""
    # k / bins is rounded once, so that 0.28 lies on an edge of 25 bins; ceil(0.28 * 25) would be 8.
    which = np.searchsorted(np.arange(1, bins) / bins, confidence)
    count = np.bincount(which, minlength=bins)
    used = count > 0
    count = count[used]
    mean_confidence = np.bincount(which, confidence, minlength=bins)[used] / count
    accuracy = np.bincount(which, correct, minlength=bins)[used] / count
    return count / count.sum(), mean_confidence, accuracy
