import decimal
import itertools
import math

import numpy as np
import pytest

from lira_jax.attacks.shared import statistics
from lira_jax.evaluation.roc import auc, roc

EXTREMES = [
    [1000.0, -1000.0, 0.0],
    [-1000.0, 1000.0, 0.0],
    [1000.0, 1000.0, -1000.0],
    [0.0, 0.0, 0.0],
    [40.0, 0.0, 0.0],
    [0.0, 40.0, 39.0],
    [1e4, 1e4 - 200, -1e4],
    [-120.0, 3.0, 3.0],
]


STATISTICS = {
    name: getattr(statistics, name)
    for name in (
        "log_confidence",
        "correctness",
        "entropy",
        "modified_entropy",
        "maximum_score",
        "zero_r",
    )
}


def _exact(logits, label):
    """Each metric by its definition, in 500 decimal digits: 1 - p is as small as exp(-1000)."""
    with decimal.localcontext(
        decimal.Context(prec=500, Emin=-decimal.MAX_EMAX, Emax=decimal.MAX_EMAX)
    ):
        masses = [decimal.Decimal(z).exp() for z in logits]
        p = [mass / sum(masses) for mass in masses]
        others = [q for j, q in enumerate(p) if j != label]
        values = {
            "log_confidence": p[label].ln(),
            "entropy": sum(q * q.ln() for q in p),
            "modified_entropy": (1 - p[label]) * p[label].ln()
            + sum(q * (1 - q).ln() for q in others),
            "maximum_score": max(p).ln(),
        }
        return {name: float(value) for name, value in values.items()}


def _moderate():
    rng = np.random.default_rng(0)
    logits = np.concatenate([rng.normal(0, scale, (4, 3)) for scale in (0.1, 3, 30)])
    return logits.astype(np.float32).tolist()


@pytest.mark.parametrize("logits", _moderate() + EXTREMES)
def test_every_metric_has_the_digits_of_its_definition(logits):
    for label in range(3):
        for name, expected in _exact(logits, label).items():
            value = STATISTICS[name](np.array(logits, np.float32), label)
            assert value == pytest.approx(expected, rel=1e-12, abs=1e-300), (name, label)


@pytest.mark.parametrize("name", STATISTICS)
def test_every_metric_is_finite_for_extreme_logits(name):
    logits = np.array(list(itertools.product([-1000, -30, 0, 30, 1000], repeat=3)), np.float32)
    for label in range(3):
        assert np.all(np.isfinite(STATISTICS[name](logits, label)))


def _growing(phi):
    """Logits of three classes whose label, class 0, has the given scaled logits."""
    return np.stack([phi, np.full_like(phi, -math.log(2)), np.full_like(phi, -math.log(2))], -1)


def test_confidence_orders_as_phi_where_the_probability_has_rounded_to_0_or_1():
    phi = np.linspace(-1000, 700, 5000)
    values = statistics.log_confidence(_growing(phi), 0)
    assert np.exp(values[0]) == 0
    assert np.exp(values[-1]) == 1
    assert np.all(np.diff(values) > 0)
    np.testing.assert_allclose(values, -np.logaddexp(0, -phi), rtol=1e-12)


def test_modified_entropy_orders_as_phi_where_the_probability_has_rounded_to_0_or_1():
    phi = np.linspace(-1000, 370, 5000)
    assert np.all(np.diff(statistics.modified_entropy(_growing(phi), 0)) > 0)
    assert np.all(
        np.diff(statistics.modified_entropy(_growing(np.linspace(300, 1000, 500)), 0)) >= 0
    )


@pytest.mark.parametrize("name", ["entropy", "maximum_score"])
def test_label_free_metrics_order_as_the_gap_of_the_top_class(name):
    assert np.all(np.diff(STATISTICS[name](_growing(np.linspace(1, 700, 2000)), 2)) > 0)


def test_entropy_is_least_for_equal_probabilities():
    assert statistics.entropy(np.zeros(7), 0) == pytest.approx(-math.log(7))


def test_modified_entropy_tells_a_certain_error_from_a_certain_success_and_entropy_does_not():
    right, wrong = np.array([9.0, 0, 0]), np.array([0, 9.0, 0])
    assert statistics.entropy(right, 0) == statistics.entropy(wrong, 0)
    assert statistics.maximum_score(right, 0) == statistics.maximum_score(wrong, 0)
    unsure = statistics.modified_entropy(np.zeros(3), 0)
    assert statistics.modified_entropy(wrong, 0) < unsure < statistics.modified_entropy(right, 0)


def test_correctness_is_whether_the_prediction_is_the_label():
    logits = np.array([[3.0, 1, 2], [1, 3, 2], [0, 1, 5]])
    np.testing.assert_array_equal(statistics.correctness(logits, np.array([0, 2, 2])), [1, 0, 1])


@pytest.mark.parametrize("name", STATISTICS)
def test_adding_a_constant_to_the_logits_changes_nothing(name):
    logits = np.random.default_rng(1).normal(0, 3, (50, 4)).round(3)
    labels = np.arange(50) % 4
    metric = STATISTICS[name]
    np.testing.assert_allclose(metric(logits + 256, labels), metric(logits, labels), rtol=1e-9)


def _overfitted(seed=2, num_models=6, num_examples=2000, num_classes=5):
    """Logits whose label's entry is raised in members."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_examples)
    keep = rng.random((num_models, num_examples)) < 0.5
    logits = rng.normal(0, 2, (num_models, num_examples, num_classes))
    logits[:, np.arange(num_examples), labels] += 2 + 3 * keep
    return logits.astype(np.float32), labels, keep


@pytest.mark.parametrize("name", STATISTICS)
def test_members_of_an_overfitted_model_score_higher(name):
    logits, labels, keep = _overfitted()
    area = auc(roc(STATISTICS[name](logits, labels).ravel(), keep.ravel()))
    assert area == 0.5 if name == "zero_r" else area > 0.6


@pytest.mark.parametrize("name", STATISTICS)
def test_block_by_block_equals_all_at_once(name):
    logits, labels, _ = _overfitted(num_models=7, num_examples=5003)
    metric = STATISTICS[name]
    result = statistics.of_models(metric, logits, labels)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, metric(logits, labels))
