import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.signals import phi as statistics


@pytest.mark.slow
@settings(max_examples=50)
@given(
    st.lists(st.floats(-80, 80, width=32), min_size=2, max_size=12),
    st.integers(0, 11),
)
def test_phi_equals_float64(logits, label):
    label %= len(logits)
    z = np.array(logits, np.float64)
    expected = z[label] - scipy.special.logsumexp(np.delete(z, label))
    assert float(statistics.phi(np.float32(logits), label)) == pytest.approx(
        expected, rel=1e-5, abs=2e-5
    )


def test_phi_is_the_log_odds_of_the_label():
    logits = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], np.float32)
    p = scipy.special.softmax(logits.astype(np.float64), -1)[[0, 1], [2, 0]]
    np.testing.assert_allclose(
        statistics.phi(logits, np.array([2, 0])), np.log(p / (1 - p)), rtol=1e-5
    )


def test_phi_keeps_its_precision_where_a_rounded_softmax_has_none():
    assert float(statistics.phi(np.array([60.0, 0.0, 0.0], np.float32), 0)) == pytest.approx(
        60 - np.log(2), rel=1e-6
    )
    assert float(statistics.phi(np.array([-300.0, 0.0, 0.0], np.float32), 0)) == pytest.approx(
        -300 - np.log(2)
    )


def test_higher_means_more_confident_in_the_label():
    logits = np.zeros((5, 3), np.float32)
    logits[:, 1] = [-2, -1, 0, 1, 2]
    assert (np.diff(statistics.phi(logits, np.full(5, 1))) > 0).all()
