"""Confidences other than the plain softmax against their definitions."""

import math

import numpy as np
import pytest
from scipy.special import expit, softmax

from lira_jax.attacks.soft_margin import taylor_confidence, taylor_soft_margin, tempered_phi
from lira_jax.errors import UserError


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tempered_phi_equals_its_definition(temperature):
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(0, 6, (3, 7, 4)).astype(np.float32), rng.integers(4, size=7)
    phi = tempered_phi(logits, labels, temperature)
    p = softmax(logits.astype(float) / temperature, -1)[:, np.arange(7), labels]
    np.testing.assert_allclose(expit(phi), p, rtol=1e-9)


def test_tempered_phi_keeps_its_digits_where_the_softmax_rounds_to_1():
    phi = tempered_phi(np.array([[[300.0, 0.0, 0.0]]]), np.array([0]), 2.0)
    assert phi[0, 0] == pytest.approx(150 - math.log(2), rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_taylor_soft_margin_equals_its_definition(temperature):
    rng = np.random.default_rng(5)
    logits, labels = rng.normal(0, 6, (3, 7, 4)).astype(np.float32), rng.integers(4, size=7)
    phi = taylor_soft_margin(logits, labels, temperature)
    for (m, i), value in np.ndenumerate(phi):
        z = [float(v) / temperature for v in logits[m, i]]
        z[labels[i]] -= 0.6
        terms = [sum(v**k / math.factorial(k) for k in range(5)) for v in z]
        assert expit(value) == pytest.approx(terms[labels[i]] / sum(terms), rel=1e-12)


def test_taylor_softmax_of_high_order_without_margin_is_the_softmax():
    rng = np.random.default_rng(6)
    logits, labels = rng.normal(0, 2, (2, 9, 5)), rng.integers(5, size=9)
    phi = taylor_soft_margin(logits, labels, temperature=1.0, margin=0.0, order=40)
    expected = softmax(logits, -1)[:, np.arange(9), labels]
    np.testing.assert_allclose(expit(phi), expected, rtol=1e-9)


def test_taylor_confidence_of_unlikely_classes_is_positive():
    logits = np.array(
        [[[-3.2, -9.0, -40.0]]]
    )  # halved, the cubic 1 + z + z^2 / 2 + z^3 / 6 is negative at each
    assert np.isfinite(taylor_soft_margin(logits, np.array([0]))).all()


@pytest.mark.parametrize("options", [dict(order=3), dict(order=0), dict(temperature=0.0)])
def test_unusable_taylor_options_are_refused(options):
    with pytest.raises(UserError, match=next(iter(options))):
        taylor_soft_margin(np.zeros((1, 2, 3)), np.array([0, 1]), **options)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_unusable_temperatures_are_refused(temperature):
    for function in (taylor_soft_margin, tempered_phi):
        with pytest.raises(UserError, match="temperature="):
            function(np.zeros((1, 2, 3)), np.array([0, 1]), temperature)


def test_taylor_confidence_of_an_even_order_is_that_of_the_scaled_logit():
    rng = np.random.default_rng(7)
    logits, labels = rng.normal(0, 6, (3, 7, 4)), rng.integers(4, size=7)
    p = taylor_confidence(logits, labels, 2.0, 0.6, 4)
    np.testing.assert_allclose(p, expit(taylor_soft_margin(logits, labels)), rtol=1e-12)
    assert np.any(taylor_confidence(logits, labels, 2.0, 0.6, 3) < 0)
