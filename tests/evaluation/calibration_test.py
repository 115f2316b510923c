import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.evaluation.calibration import (
    earth_movers_distance,
    expected_calibration_error,
    mean_maximum_score,
    overconfidence_error,
    score_shift,
)


def _naive_errors(confidence, correct, bins):
    ece = oe = 0.0
    for b in range(bins):
        inside = [
            i
            for i, c in enumerate(confidence)
            if b / bins < c <= (b + 1) / bins or (b == 0 and c == 0)
        ]
        if inside:
            mean = sum(confidence[i] for i in inside) / len(inside)
            accuracy = sum(correct[i] for i in inside) / len(inside)
            ece += len(inside) / len(confidence) * abs(mean - accuracy)
            oe += len(inside) / len(confidence) * mean * max(mean - accuracy, 0)
    return ece, oe


@pytest.mark.parametrize("bins", [1, 5, 15, 25])
def test_errors_equal_the_loop_with_confidences_on_the_edges(bins):
    rng = np.random.default_rng(0)
    confidence = np.concatenate([rng.random(300), np.arange(26) / 25, [0.28, 0.56, 1.0, 0.0]])
    correct = rng.random(confidence.size) < confidence**2
    ece, oe = _naive_errors(confidence.tolist(), correct.tolist(), bins)
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(ece)
    assert overconfidence_error(confidence, correct, bins) == pytest.approx(oe)


def test_always_sure_and_right_three_times_in_four():
    confidence, correct = np.ones(8), np.arange(8) < 6
    assert expected_calibration_error(confidence, correct) == 0.25
    assert overconfidence_error(confidence, correct) == 0.25


def test_underconfidence_counts_in_ece_alone():
    confidence, correct = np.full(10, 0.6), np.ones(10, bool)
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.4)
    assert overconfidence_error(confidence, correct) == 0


def test_calibrated_scores_have_small_errors():
    rng = np.random.default_rng(1)
    confidence = rng.random(400_000)
    correct = rng.random(confidence.size) < confidence
    assert expected_calibration_error(confidence, correct) < 0.005
    assert overconfidence_error(confidence, correct) < 0.005


def test_mean_maximum_score_by_decision_and_truth():
    confidence = np.array([0.9, 0.8, 0.6, 0.4, 0.5])
    decisions = np.array([True, True, True, False, False])
    members = np.array([True, False, False, False, False])
    means = mean_maximum_score(confidence, decisions, members)
    assert np.isnan(means.pop("false_negatives"))
    assert means == pytest.approx(
        {"true_positives": 0.9, "false_positives": 0.7, "true_negatives": 0.45}
    )


def test_score_shift_is_the_distance_moved():
    rng = np.random.default_rng(4)
    scores = rng.random(500) / 2
    confidence, members = np.concatenate([scores + 0.3, scores]), np.arange(1000) < 500
    assert score_shift(confidence, members) == pytest.approx(0.3)
    # Equal sizes: the distance is the mean gap of the sorted scores.
    other = np.concatenate([rng.random(500), rng.random(500) ** 2])
    expected = np.mean(np.abs(np.sort(other[:500]) - np.sort(other[500:])))
    assert score_shift(other, members) == pytest.approx(expected)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
)
def test_the_distance_is_scipys(members, others):
    members, others = np.array(members) / 10, np.array(others) / 10
    expected = scipy.stats.wasserstein_distance(members, others)
    assert earth_movers_distance(members, others) == pytest.approx(expected, abs=1e-12)
