import numpy as np
import pytest

from lira_jax.evaluation.finite_pool import spread_factor


@pytest.mark.parametrize("size", [20, 50, 80])
def test_the_factor_is_that_of_means_of_a_pool_against_fresh_data(size):
    rng = np.random.default_rng(size)
    pools, sets, others = 2000, 20, 100  # one more example is the one that is attacked
    values = rng.normal(size=(pools, others))
    drawn = rng.random((sets, pools, others)).argsort(-1) < size
    means = (drawn * values).sum(-1) / size
    spread = np.sqrt(means.var(0, ddof=1).mean())
    keep = np.zeros((4, others + 1), bool)
    for row in keep:
        row[1 + rng.permutation(others)[:size]] = True
    assert spread_factor(keep) == pytest.approx(1 / np.sqrt(size) / spread, rel=0.03)


def test_half_the_pool_gives_the_square_root_of_two():
    keep = np.random.default_rng(0).random((8, 50001)).argsort(0) < 4
    assert spread_factor(keep) == pytest.approx(np.sqrt(2), rel=1e-3)


def test_training_sets_that_are_no_random_parts_have_no_factor():
    same = np.tile(np.arange(10) < 5, (4, 1))
    assert np.isnan(spread_factor(same))
    most = ~np.eye(4, 10, dtype=bool)
    assert np.isnan(spread_factor(most))
    assert np.isnan(spread_factor(np.zeros((3, 10), bool)))
