import numpy as np

from lira_jax.data import normalize


def test_pixels_go_from_minus_one_to_one():
    x = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(normalize.fit(x, "auto")(x).ravel(), [-1, 1], atol=1e-6)


def test_standard_features_have_zero_mean_and_unit_variance_and_constants_stay_finite():
    x = np.random.default_rng(0).normal(5, 3, (1000, 4)).astype(np.float32)
    x[:, 2] = 7
    z = normalize.fit(x, "auto")(x)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0), [1, 1, 0, 1], atol=1e-4)


def test_standard_images_are_scaled_by_channel():
    x = np.random.default_rng(0).normal([0, 10], [1, 5], (50, 4, 4, 2)).astype(np.float32)
    z = normalize.fit(x, "standard")(x)
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, atol=1e-4)


def test_none_changes_nothing():
    x = np.array([[0, 1], [1, 0]], np.uint8)
    np.testing.assert_array_equal(normalize.fit(x, "none")(x), x)
