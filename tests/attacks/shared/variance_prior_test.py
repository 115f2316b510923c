import numpy as np
import pytest
from scipy.special import polygamma

from lira_jax.attacks.shared import variance_prior
from lira_jax.attacks.shared.student import LARGEST_FREEDOM

FLOOR = 1e-12


def sums(counts, ss):
    """Of lists of one target and query: counts [examples], ss [examples]."""
    used, e, noise = variance_prior.list_terms(counts, ss[None, :, None], FLOOR)
    return variance_prior.Sums(used.sum(), e.sum(), (e**2).sum(), noise.sum())


def drawn(rng, counts, d0, s02):
    """Sums of squares of lists whose variances are draws of the prior."""
    variances = s02 * d0 / rng.chisquare(d0, len(counts)) if np.isfinite(d0) else s02
    return variances * rng.chisquare(np.maximum(counts - 1, 1)) * (counts > 1)


@pytest.mark.parametrize("d0", [2.0, 8.0, 30.0, np.inf])
@pytest.mark.parametrize("lengths", [[4], [2, 5, 30], [1, 2, 3]])
def test_the_prior_that_variances_were_drawn_from_is_found(d0, lengths):
    rng = np.random.default_rng(0)
    counts = rng.choice(lengths, 200_000)
    found = variance_prior.fit(sums(counts, drawn(rng, counts, d0, 3.0)), FLOOR)
    assert 1 / found.freedom == pytest.approx(1 / d0, rel=0.1, abs=0.01)
    assert found.variance == pytest.approx(3.0, rel=0.05)


def test_equal_variances_leave_no_doubt_of_the_pooled_one():
    counts = np.full(50, 6)
    found = variance_prior.fit(sums(counts, np.full(50, 10.0)), FLOOR)
    assert found.freedom == LARGEST_FREEDOM
    degrees = found.degrees(np.array([2, 6]))
    np.testing.assert_array_equal(degrees, LARGEST_FREEDOM)
    # Whatever an example's own spread, its variance is that of all.
    np.testing.assert_allclose(found.moderated(np.array([0.0, 100.0]), degrees), found.variance)


def test_the_moderated_variance_lies_between_the_examples_and_the_pooled_one():
    prior = variance_prior.VariancePrior(np.float64(6), np.float64(2), FLOOR)
    counts, ss = np.array([4, 4, 10**9]), np.array([1.5, 30.0, 5e9])
    degrees = prior.degrees(counts)
    np.testing.assert_allclose(degrees[:2], 9)
    found = prior.moderated(ss, degrees)
    np.testing.assert_allclose(found[:2], [(6 * 2 + 1.5) / 9, (6 * 2 + 30) / 9])
    assert found[2] == pytest.approx(5.0)  # so many scores need no prior
    assert prior.moderated(np.zeros(1), np.full(1, 1e30)) == FLOOR


@pytest.mark.parametrize("freedom", [0.0, 5.0, np.inf])
def test_a_given_freedom_is_taken(freedom):
    rng = np.random.default_rng(1)
    counts = np.full(10_000, 7)
    found = variance_prior.fit(sums(counts, drawn(rng, counts, np.inf, 3.0)), FLOOR, freedom)
    assert found.freedom == min(freedom, LARGEST_FREEDOM)
    if freedom:
        assert np.isfinite(found.variance)


def test_lists_of_one_score_have_no_say():
    counts = np.array([5, 1, 9, 0, 3])
    ss = np.array([4.0, 0.0, 9.0, 0.0, 1.0])
    used = counts > 1
    one, other = sums(counts, ss), sums(counts[used], ss[used])
    for name in ("count", "first", "second", "noise"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_a_single_list_gives_its_own_variance_without_doubt():
    found = variance_prior.fit(sums(np.array([9]), np.array([16.0])), FLOOR)
    assert found.freedom == LARGEST_FREEDOM
    assert 1 < found.variance < 3  # 16 / 8, but for the bias of a logarithm


def test_inverse_trigamma_inverts_it():
    x = np.geomspace(1e-5, 1e9, 200)
    np.testing.assert_allclose(variance_prior.inverse_trigamma(polygamma(1, x)), x, rtol=1e-6)
    assert variance_prior.inverse_trigamma(0.0) == variance_prior.inverse_trigamma(-1.0) == np.inf
