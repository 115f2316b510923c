"""What privacy risk scores say and whether they are right.

Song and Mittal 2021, "Systematic Evaluation of Privacy Risks of Machine Learning Models", section
4. A risk score is a probability of membership, see attacks/privacy_risk.py.
"""

import dataclasses

import numpy as np
import scipy

from lira_jax.errors import UserError

THRESHOLDS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclasses.dataclass(frozen=True)
class RiskDistribution:
    """The cumulative distribution of the members' risk scores (figure 1).

    Attributes:
      risk: the grid from 0 to 1.
      fraction: of the members, with at most this risk; NaN without members.
    """

    risk: tuple[float, ...]
    fraction: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class RiskCalibration:
    """Predicted risk against the fraction of members among pairs of about this risk (figure 3).

    Attributes:
      count: pairs in each bin of the risk, [bins].
      predicted: their mean risk, NaN in empty bins.
      actual: the fraction of them that are members, NaN in empty bins.
      rmse: root mean square over the pairs of their bin's predicted - actual.
    """

    count: tuple[int, ...]
    predicted: tuple[float, ...]
    actual: tuple[float, ...]
    rmse: float


@dataclasses.dataclass(frozen=True)
class PrecisionRecall:
    """Calling everybody a member whose risk is at least a threshold (table 6).

    Attributes:
      threshold: on the risk.
      precision: NaN where nobody's risk is so high.
      recall: NaN without members.
    """

    threshold: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class RiskByClass:
    """Risk and generalisation of each class (figure 8); NaN in classes without such pairs.

    Attributes:
      risk: mean over the class's members, [classes].
      generalization_gap: accuracy on its members minus accuracy on its non-members, [classes].
      pearson: correlation of the two over classes that have both; NaN with fewer than 2 of them or
        where either does not vary.
      spearman: rank correlation of the same.
    """

    risk: tuple[float, ...]
    generalization_gap: tuple[float, ...]
    pearson: float
    spearman: float


def cumulative_distribution(
    risk: np.ndarray, members: np.ndarray, steps: int = 100
) -> RiskDistribution:
    """The cumulative distribution of the members' risk scores (figure 1).

    Args:
      risk: [targets, examples] in [0, 1].
      members: bool [targets, examples].
      steps: between risk 0 and 1.
    """
    risk, members = _pairs(risk, members)
    grid = np.arange(steps + 1) / steps
    known = np.sort(risk[members])
    below = np.searchsorted(known, grid, side="right").astype(np.float64)
    fraction = _ratio(below, np.full(grid.shape, known.size))
    return RiskDistribution(tuple(grid.tolist()), tuple(fraction.tolist()))


def calibration(
    risk: np.ndarray, members: np.ndarray, *, bins: int = 10, prior: float | None = None
) -> RiskCalibration:
    """Predicted risk against the fraction of members among pairs of about this risk (figure 3).

    Args:
      risk: [targets, examples] in [0, 1].
      members: bool [targets, examples].
      bins: of equal width, [0, 1 / bins], (1 / bins, 2 / bins], ..., (1 - 1 / bins, 1].
      prior: weights members and non-members so that this fraction are members: the prior that the
        scores were made for; None counts the pairs as they are.
    """
    risk, members = _pairs(risk, members)
    weights = _weights(members, prior)
    # k / bins is rounded once, so a risk such as 0.7 lies on its edge; ceil(0.7 * bins) might not.
    which = np.searchsorted(np.arange(1, bins) / bins, risk)
    count = np.bincount(which, minlength=bins)
    weight = np.bincount(which, weights, minlength=bins)
    predicted = _ratio(np.bincount(which, weights * risk, minlength=bins), weight)
    actual = _ratio(np.bincount(which, weights * members, minlength=bins), weight)
    used = weight > 0
    square = np.sum(weight[used] * (predicted - actual)[used] ** 2)
    return RiskCalibration(
        count=tuple(count.tolist()),
        predicted=tuple(predicted.tolist()),
        actual=tuple(actual.tolist()),
        rmse=float(np.sqrt(_ratio(square, weight.sum()))),
    )


def precision_recall(
    risk: np.ndarray,
    members: np.ndarray,
    thresholds: tuple[float, ...] = THRESHOLDS,
    *,
    prior: float | None = None,
) -> PrecisionRecall:
    """Precision and recall of calling members those whose risk reaches a threshold (table 6).

    Args:
      risk: [targets, examples] in [0, 1].
      members: bool [targets, examples].
      thresholds: on the risk.
      prior: as for `calibration`.
    """
    risk, members = _pairs(risk, members)
    weights = _weights(members, prior)
    member_weight = weights * members
    alarms = [risk >= threshold for threshold in thresholds]
    tp = np.array([member_weight[alarm].sum() for alarm in alarms])
    called = np.array([weights[alarm].sum() for alarm in alarms])
    return PrecisionRecall(
        threshold=tuple(thresholds),
        precision=tuple(_ratio(tp, called).tolist()),
        recall=tuple(_ratio(tp, np.full(tp.shape, member_weight.sum())).tolist()),
    )


def risk_by_class(
    risk: np.ndarray, members: np.ndarray, correct: np.ndarray, labels: np.ndarray
) -> RiskByClass:
    """Whether classes that the targets generalize worse to are at higher risk (figure 8).

    Args:
      risk: [targets, examples] in [0, 1].
      members: bool [targets, examples].
      correct: bool [targets, examples], whether the target's prediction is the label.
      labels: int [examples].

    Raises:
      UserError: shapes differ.
    """
    risk, members, correct = np.asarray(risk), np.asarray(members, bool), np.asarray(correct, bool)
    if (
        risk.ndim != 2
        or not risk.shape == members.shape == correct.shape
        or np.shape(labels) != risk.shape[1:]
    ):
        raise UserError(
            f"risk {risk.shape}, members {members.shape}, correct {correct.shape} and labels "
            f"{np.shape(labels)}: give three arrays [targets, examples] and one [examples]"
        )

    def by_class(of_examples: np.ndarray) -> np.ndarray:
        return np.bincount(labels, of_examples)

    num_in, num_out = by_class(members.sum(0)), by_class((~members).sum(0))
    mean_risk = _ratio(by_class(risk.sum(axis=0, where=members, dtype=np.float64)), num_in)
    train = _ratio(by_class((correct & members).sum(0)), num_in)
    test = _ratio(by_class((correct & ~members).sum(0)), num_out)
    gap = train - test
    known = ~np.isnan(mean_risk) & ~np.isnan(gap)
    x, y = mean_risk[known], gap[known]
    # Means of equal risks differ by rounding, and that must not be correlated with anything.
    varies = x.size >= 2 and min(np.ptp(x), np.ptp(y)) > 1e-12
    return RiskByClass(
        risk=tuple(mean_risk.tolist()),
        generalization_gap=tuple(gap.tolist()),
        pearson=float(scipy.stats.pearsonr(x, y).statistic) if varies else np.nan,
        spearman=float(scipy.stats.spearmanr(x, y).statistic) if varies else np.nan,
    )


def _pairs(risk: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    risk, members = np.asarray(risk, np.float64), np.asarray(members, bool)
    if risk.shape != members.shape:
        raise UserError(
            f"risk {risk.shape} and members {members.shape}: give two arrays of one shape"
        )
    if not np.all((risk >= 0) & (risk <= 1)):
        raise UserError(
            f"risk scores from {risk.min()} to {risk.max()}: give probabilities, from 0 to 1"
        )
    return risk.ravel(), members.ravel()


def _weights(members: np.ndarray, prior: float | None) -> np.ndarray:
    if prior is None:
        return np.ones(members.shape)
    if not 0 < prior < 1:
        raise UserError(f"prior={prior}: give a probability between 0 and 1, such as 0.5")
    fraction = np.mean(members) if members.size else 0.5
    if fraction in (0, 1):
        raise UserError(
            f"prior={prior}: pairs of one kind alone cannot be weighted to it, leave it out"
        )
    return np.where(members, prior / fraction, (1 - prior) / (1 - fraction))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
