"""Sums of confidences by deletion keep their digits whatever is deleted."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.attacks.shared.confidence import PHI_FLOOR, list_sum, log_confidence


@pytest.mark.parametrize("phi", [-650.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0])
def test_log_confidence_is_the_log_of_the_sigmoid(phi):
    expected = phi - math.log1p(math.exp(phi)) if phi < 0 else -math.log1p(math.exp(-phi))
    assert log_confidence(np.float32(phi)) == pytest.approx(expected, rel=1e-14)
    assert log_confidence(np.array([phi, phi + 1])).dtype == np.float64


def test_no_confidence_is_zero():
    assert np.exp(log_confidence(np.array([-1e4], np.float32))) == np.exp(PHI_FLOOR) > 0


@settings(max_examples=200)
@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.sampled_from([1, 30, 300]),
)
def test_sum_without_any_score_equals_the_sum_of_the_others(
    num_models, num_examples, num_queries, seed, spread
):
    rng = np.random.default_rng(seed)
    p = np.exp(
        -spread * rng.integers(0, 3, (num_models, num_examples, num_queries)) * rng.uniform(0.5, 1)
    )
    member = rng.random((num_models, num_examples)) < 0.7
    sums = list_sum(p, member)
    np.testing.assert_array_equal(sums.count, member.sum(0))
    np.testing.assert_allclose(sums.total, np.where(member[..., None], p, 0).sum(0), rtol=1e-14)
    for i in range(num_examples):
        for m in np.flatnonzero(member[:, i]):
            others = [k for k in np.flatnonzero(member[:, i]) if k != m]
            expected = [math.fsum(p[others, i, a]) for a in range(num_queries)]
            np.testing.assert_allclose(sums.total_without(p[m])[i], expected, rtol=1e-13)
