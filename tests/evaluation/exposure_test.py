import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.evaluation.exposure import SourceExposure, by_source, densities, exposure


def _dump(num_models=8, num_examples=20, queries=3, seed=0):
    rng = np.random.default_rng(seed)
    keep = rng.random((num_models, num_examples)).argsort(0) < num_models // 2
    phi = rng.normal(size=(num_models, num_examples, queries)) + keep[:, :, None] * rng.exponential(
        size=(num_examples, 1)
    )
    return phi.astype(np.float32), keep


def _naive(phi, keep):
    result = []
    for i in range(phi.shape[1]):
        inside = [float(phi[m, i]) for m in range(len(phi)) if keep[m, i]]
        outside = [float(phi[m, i]) for m in range(len(phi)) if not keep[m, i]]
        mean_in, mean_out = sum(inside) / len(inside), sum(outside) / len(outside)
        std_in = (sum((x - mean_in) ** 2 for x in inside) / len(inside)) ** 0.5
        std_out = (sum((x - mean_out) ** 2 for x in outside) / len(outside)) ** 0.5
        result.append(abs(mean_in - mean_out) / (std_in + std_out))
    return result


def test_exposure_equals_the_loop_on_query_0():
    phi, keep = _dump()
    np.testing.assert_allclose(exposure(phi, keep), _naive(phi[:, :, 0], keep))


def test_average_queries_equals_the_loop_on_their_mean():
    phi, keep = _dump()
    expected = _naive(phi.astype(float).mean(2), keep)
    np.testing.assert_allclose(exposure(phi, keep, average_queries=True), expected)


def test_exposure_ignores_shift_scale_model_order_and_which_side_is_in():
    phi, keep = _dump()
    expected = exposure(phi, keep)
    order = np.random.default_rng(1).permutation(len(phi))
    np.testing.assert_allclose(exposure(phi * 8 - 16, keep), expected, rtol=1e-5)
    np.testing.assert_allclose(exposure(phi[order], keep[order]), expected)
    np.testing.assert_allclose(exposure(phi, ~keep), expected)


def test_gaussian_scores_have_the_exposure_of_their_parameters():
    rng = np.random.default_rng(2)
    keep = np.tile(np.arange(4000) < 2000, (3, 1)).T
    phi = np.where(keep, rng.normal(5, 1, keep.shape), rng.normal(2, 0.5, keep.shape))[:, :, None]
    np.testing.assert_allclose(exposure(phi, keep), 3 / 1.5, rtol=0.05)


def test_constant_scores_are_no_nan():
    keep = np.array([[True, True], [True, True], [False, False], [False, False]])
    phi = np.array([[1, 1], [1, 1], [1, 0], [1, 0]], np.float32)[:, :, None]
    assert exposure(phi, keep).tolist() == [0, np.inf]


@pytest.mark.parametrize("average_queries", [True, False])
def test_an_example_with_fewer_than_two_models_on_a_side_has_none(average_queries):
    phi, keep = _dump()
    keep[:, 7] = np.arange(8) == 3
    rest = np.arange(20) != 7
    for own in (keep, ~keep):
        found = exposure(phi, own, average_queries=average_queries)
        assert np.isnan(found[7])
        expected = exposure(phi[:, rest], own[:, rest], average_queries=average_queries)
        np.testing.assert_array_equal(found[rest], expected)
    with pytest.raises(UserError, match="an example with 2 models in and 2 out"):
        exposure(phi[:, 7:8], keep[:, 7:8])


def test_by_source_gives_the_quartiles_of_each():
    exposed = np.array([1.0, 5.0, 2.0, np.inf, 3.0, np.inf, 4.0, 7.0, np.nan, np.nan])
    sources = np.array([0, 1, 0, 1, 0, 1, 0, 0, 0, 3])
    found = by_source(exposed, sources, ["pool", "npz:x.npz", "absent", "unknown"])
    assert list(found) == ["pool", "npz:x.npz"]
    assert found["pool"] == SourceExposure(5, 2.0, 3.0, 4.0)
    assert found["npz:x.npz"] == SourceExposure(3, 5.0, np.inf, np.inf)


def test_densities_have_equal_area_and_common_bins():
    exposed = np.array([0.0, 1.0, 1.0, 3.9, 4.0, np.inf, np.nan])
    sources = np.array([0, 0, 0, 0, 1, 1, 1])
    edges, found = densities(exposed, sources, ["pool", "a", "absent"], bins=4)
    np.testing.assert_allclose(edges, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(found["pool"], [1 / 4, 2 / 4, 0, 1 / 4])
    np.testing.assert_allclose(found["a"], [0, 0, 0, 1])
    assert list(found) == ["pool", "a"]
    edges, found = densities(np.array([np.inf, 0]), np.zeros(2, int), ["pool"], bins=2)
    np.testing.assert_allclose(found["pool"] * np.diff(edges), [0.5, 0.5])
