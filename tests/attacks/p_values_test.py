import null_scores
import numpy as np
import pytest
from scipy import stats

from lira_jax.attacks.p_values import p_values
from lira_jax.errors import UserError


def naive(x, keep, targets):
    """scipy's own prediction by Student's distribution, list by list."""
    found = np.full((len(targets), x.shape[1]), np.nan)
    rule = null_scores.has_partner(keep)
    for row, target in enumerate(targets):
        for i in range(x.shape[1]):
            _, out = null_scores.lists(keep[:, i], target, rule)
            values = x[out, i]
            if len(values) > 1:
                scale = values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
                found[row, i] = stats.t.sf(x[target, i], len(values) - 1, values.mean(), scale)
    return found


@pytest.mark.parametrize("masks", [null_scores.balanced, null_scores.coin_flips])
def test_p_values_equal_the_naive_test_without_target_and_partner(masks):
    rng = np.random.default_rng(0)
    keep = masks(rng, 10, 40)
    x = rng.normal(rng.normal(0, 30, 40), 2, keep.shape)
    targets = [0, 7, 9]
    found = p_values(x, keep, targets)
    np.testing.assert_allclose(found, naive(x, keep, targets), rtol=1e-9, equal_nan=True)
    np.testing.assert_allclose(p_values(x, keep)[targets], found)


def test_a_target_from_outside_has_all_models_for_shadows():
    rng = np.random.default_rng(1)
    keep = null_scores.balanced(rng, 12, 30)
    x, observed = rng.normal(size=keep.shape), rng.normal(size=(2, 30))
    found = p_values(x, keep, observed=observed)
    for i in range(30):
        out = x[~keep[:, i], i]
        scale = out.std(ddof=1) * np.sqrt(1 + 1 / 6)
        assert found[:, i] == pytest.approx(stats.t.sf(observed[:, i], 5, out.mean(), scale))


def test_the_mean_of_several_queries_is_the_statistic():
    rng = np.random.default_rng(2)
    keep = null_scores.balanced(rng, 8, 20)
    phi = rng.normal(size=(8, 20, 3)).astype(np.float32)
    mean = phi.mean(2, dtype=np.float64)
    np.testing.assert_allclose(p_values(phi, keep), p_values(mean, keep), rtol=1e-12)
    outside = p_values(phi, keep, observed=phi[:1])
    np.testing.assert_allclose(outside, p_values(mean, keep, observed=mean[:1]), rtol=1e-12)


def test_a_list_of_one_has_no_p_value_and_a_constant_one_no_division_by_zero():
    keep = null_scores.balanced(np.random.default_rng(4), 6, 9)
    keep[:, 0] = [1, 1, 1, 1, 0, 0]
    x = np.ones((6, 9))
    found = p_values(x, keep)
    assert np.isnan(found[:, 0]).all()  # of two out models one goes with each target
    np.testing.assert_array_equal(found[:, 1:], 0.5)


def test_a_value_that_is_no_number_is_a_user_error():
    with pytest.raises(UserError, match="NaN or infinite"):
        p_values(np.array([[0.0], [np.nan], [1.0], [2.0]]), np.array([[1], [1], [0], [0]], bool))


@pytest.mark.parametrize("num_models", [8, 16, 64, 256])
def test_noise_gives_false_alarms_at_the_nominal_rate(num_models):
    rng = np.random.default_rng(num_models)
    keep = null_scores.balanced(rng, num_models, 160000 // num_models)
    hardness = rng.normal(1, 3, keep.shape[1]), rng.uniform(0.5, 2, keep.shape[1])
    p = p_values(rng.normal(*hardness, keep.shape), keep)
    for kind in (keep, ~keep):
        for alpha in (0.3, 1e-2, 1e-3):
            # The tests of one example share models, so examples are the independent units.
            counts = ((p <= alpha) & kind).sum(0)
            error = counts.std() * np.sqrt(kind.shape[1]) / kind.sum()
            assert abs(((p <= alpha) & kind).sum() / kind.sum() - alpha) < 4 * error


@pytest.mark.parametrize("at_most", [0.3, 1e-2, 1e-5])
def test_p_values_that_are_asked_for_are_those_of_all(at_most):
    rng = np.random.default_rng(5)
    keep = rng.random((12, 4000)) < 0.7  # out lists of all lengths, of none and one too
    x = rng.normal(size=keep.shape) + 3 * keep
    whole, few = p_values(x, keep), p_values(x, keep, at_most=at_most)
    np.testing.assert_array_equal(np.isnan(few), np.isnan(whole))
    asked = whole <= at_most
    assert asked.any()
    np.testing.assert_array_equal(few[asked], whole[asked])
    assert (few[~asked & ~np.isnan(whole)] > at_most).all()
