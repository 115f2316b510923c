import numpy as np
import pytest
from scipy import stats

from lira_jax.attacks.shared import student


@pytest.mark.parametrize("freedom", [0.03, 1.0, 2.5, 31.0, 1e4, 1e8])
def test_log_density_is_scipys(freedom):
    distance, variance = np.linspace(-40, 40, 81), 2.5
    expected = stats.t.logpdf(distance, freedom, scale=np.sqrt(variance))
    constant = student.log_constant(np.float64(freedom))
    found = student.log_density(distance, variance, freedom, constant)
    # scipy's constant is a difference of two log Gammas, which costs digits for a large freedom.
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-16 * freedom + 1e-12)


def test_of_the_largest_freedom_it_is_the_normal_density():
    distance, freedom = np.linspace(-30, 30, 61), np.float64(student.LARGEST_FREEDOM)
    expected = stats.norm.logpdf(distance, scale=3.0)
    found = student.log_density(distance, 9.0, freedom, student.log_constant(freedom))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_density_of_huge_distances_is_finite_and_falls():
    distance = np.geomspace(1, 1e44, 100)
    for freedom in (0.5, 5.0, student.LARGEST_FREEDOM):
        constant = student.log_constant(np.float64(freedom))
        found = student.log_density(distance.copy(), 1e-12, freedom, constant)
        assert np.isfinite(found).all()
        assert (np.diff(found) < 0).all()


@pytest.mark.parametrize(("freedom", "error"), [(1, 0.07), (3, 0.02), (10, 0.005), (100, 0.0005)])
def test_deviate_has_nearly_the_tail_of_t(freedom, error):
    t = np.linspace(-12, 12, 97)
    exact = stats.norm.isf(stats.t.sf(np.abs(t), freedom)) * np.sign(t)
    np.testing.assert_allclose(student.deviate(t, freedom), exact, rtol=error)


def test_deviate_rises_everywhere_and_is_t_itself_in_the_limit():
    t = np.concatenate([-np.geomspace(1e40, 1e-9, 99), [0], np.geomspace(1e-9, 1e40, 99)])
    for freedom in (0.5, 4.0, 1e12):
        assert (np.diff(student.deviate(t, freedom)) > 0).all()
    some = np.linspace(-9, 9, 19)
    np.testing.assert_allclose(student.deviate(some, student.LARGEST_FREEDOM), some, rtol=1e-9)
