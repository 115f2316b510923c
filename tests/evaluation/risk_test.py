import math

import numpy as np
import pytest
from scipy import stats

from lira_jax.errors import UserError
from lira_jax.evaluation import risk as risk_lib


def _calibrated(seed=0, shape=(4, 5000)):
    """Risks uniform in [0, 1] (in hundredths) and members drawn with just these probabilities."""
    rng = np.random.default_rng(seed)
    risk = rng.integers(0, 101, shape) / 100
    return risk, rng.random(shape) < risk


def test_cumulative_distribution_equals_counting_members():
    risk, members = _calibrated(shape=(2, 60))
    curve = risk_lib.cumulative_distribution(risk, members, steps=20)
    assert len(curve.risk) == 21
    assert curve.fraction[-1] == 1
    known = risk[members].tolist()
    for at, fraction in zip(curve.risk, curve.fraction, strict=True):
        assert fraction == sum(r <= at for r in known) / len(known)


def test_calibration_equals_counting():
    risk, members = _calibrated(shape=(2, 80))
    result = risk_lib.calibration(risk, members, bins=10)
    square = 0
    for k in range(10):
        own = [
            (r, m)
            for r, m in zip(risk.ravel().tolist(), members.ravel().tolist(), strict=True)
            if k / 10 < r <= (k + 1) / 10 or (k == 0 and r == 0)
        ]
        predicted, actual = (sum(column) / len(own) for column in zip(*own, strict=True))
        assert result.count[k] == len(own)
        assert result.predicted[k] == pytest.approx(predicted)
        assert result.actual[k] == pytest.approx(actual)
        square += len(own) * (predicted - actual) ** 2
    assert result.rmse == pytest.approx(math.sqrt(square / risk.size))


def test_rmse_is_small_for_calibrated_risks_and_the_bias_for_biased_ones():
    risk, members = _calibrated()
    # 2000 pairs a bin: a standard error of at most .011.
    assert risk_lib.calibration(risk, members).rmse < 0.02
    biased = np.full(risk.shape, 0.9)
    assert risk_lib.calibration(biased, members).rmse == pytest.approx(abs(0.9 - members.mean()))


def test_a_prior_weights_the_pairs_as_leaving_out_members_would():
    risk, members = _calibrated(shape=(1, 4000))
    half = np.flatnonzero(members[0])[::2]
    fewer = np.delete(members, half, axis=1)
    prior = fewer.mean()
    left = risk_lib.precision_recall(np.delete(risk, half, axis=1), fewer)
    weighted = risk_lib.precision_recall(risk, members, prior=prior)
    np.testing.assert_allclose(weighted.precision, left.precision, atol=0.05)
    np.testing.assert_allclose(weighted.recall, risk_lib.precision_recall(risk, members).recall)
    # Exactly: each pair of members repeated or not makes the same share as the weight.
    doubled = np.tile(risk[members], 2), np.ones(2 * members.sum(), bool)
    risk2, members2 = (
        np.append(risk, doubled[0][: members.sum()]),
        np.append(members, doubled[1][: members.sum()]),
    )
    for function in (risk_lib.calibration, risk_lib.precision_recall):
        expected = vars(function(risk2, members2))
        got = vars(function(risk, members, prior=members2.mean()))
        for key in set(expected) - {"count"}:
            np.testing.assert_allclose(got[key], expected[key])


def test_precision_and_recall_equal_counting():
    risk, members = _calibrated(shape=(3, 70))
    result = risk_lib.precision_recall(risk, members)
    assert result.threshold == (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    pairs = list(zip(risk.ravel(), members.ravel(), strict=True))
    for k, threshold in enumerate(result.threshold):
        called = [m for r, m in pairs if r >= threshold]
        assert result.precision[k] == pytest.approx(sum(called) / len(called))
        assert result.recall[k] == pytest.approx(sum(called) / members.sum())


def test_ratios_of_nothing_are_nan():
    risk = np.full((1, 4), 0.55)
    nobody = np.zeros((1, 4), bool)
    result = risk_lib.precision_recall(risk, nobody)
    assert np.isnan(result.precision[:5]).all()
    assert result.precision[5] == 0
    assert np.isnan(result.recall).all()
    assert np.isnan(risk_lib.cumulative_distribution(risk, nobody).fraction).all()
    assert np.isnan(risk_lib.calibration(risk, nobody).actual).sum() == 9


def test_risk_by_class_equals_counting():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 60)
    risk, members = _calibrated(shape=(3, 60))
    correct = rng.random(risk.shape) < 0.4 + 0.5 * members
    result = risk_lib.risk_by_class(risk, members, correct, labels)
    mean_risk, gap = [], []
    for label in range(4):
        own = [(t, i) for t in range(3) for i in range(60) if labels[i] == label]
        inside, outside = [p for p in own if members[p]], [p for p in own if not members[p]]
        mean_risk.append(sum(risk[p] for p in inside) / len(inside))
        gap.append(
            sum(correct[p] for p in inside) / len(inside)
            - sum(correct[p] for p in outside) / len(outside)
        )
    np.testing.assert_allclose(result.risk, mean_risk)
    np.testing.assert_allclose(result.generalization_gap, gap)
    assert result.pearson == pytest.approx(stats.pearsonr(mean_risk, gap).statistic)
    assert result.spearman == pytest.approx(stats.spearmanr(mean_risk, gap).statistic)


def test_classes_with_one_kind_of_pairs_are_left_out_of_the_correlation():
    labels = np.repeat(np.arange(4), 4)
    members = np.tile([True, True, False, False], 4)[None]
    members[0, 12:] = True
    correct = members.copy()
    correct[0, 4] = False
    correct[0, 8:10] = False
    result = risk_lib.risk_by_class(
        np.repeat([0.9, 0.8, 0.7, 0.1], 4)[None], members, correct, labels
    )
    np.testing.assert_allclose(result.generalization_gap, [1, 0.5, 0, np.nan])
    assert result.pearson == pytest.approx(1)
    assert result.spearman == pytest.approx(1)


def test_risks_that_differ_by_rounding_alone_have_no_correlation():
    labels = np.arange(30) % 3
    members = np.arange(60).reshape(2, 30) % 4 < 2
    correct = members & (labels != 1)
    result = risk_lib.risk_by_class(np.full((2, 30), 0.3), members, correct, labels)
    assert np.isnan([result.pearson, result.spearman]).all()


@pytest.mark.parametrize("bad", [1.5, -0.1, np.nan])
def test_risks_that_are_no_probabilities_are_refused(bad):
    with pytest.raises(UserError, match="probabilities"):
        risk_lib.calibration(np.array([[0.5, bad]]), np.array([[True, False]]))


def test_shapes_that_differ_are_refused():
    with pytest.raises(UserError, match="shape"):
        risk_lib.precision_recall(np.zeros((2, 3)), np.zeros((3, 2), bool))
