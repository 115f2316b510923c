import numpy as np
import pytest

from lira_jax.data import normalize
from lira_jax.errors import UserError


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


BITS = np.random.default_rng(0).random((200, 8, 8, 1)) > 0.5
BYTES = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("x", "kind", "seen"),
    [
        (BYTES, "pixel", "for uint8 images 0..255"),
        (np.minimum(BYTES, 130), "pixel", "for uint8 images 0..130"),
        (BITS.astype(np.uint8), "standard", "for uint8 images 0..1"),
        (BITS * np.uint8(16), "standard", "for uint8 images 0..16"),
        (BITS * np.uint8(255), "pixel", "for uint8 images 0..255"),
        (BYTES * np.float32(257), "standard", "for float32 images 0..65535"),
        (BYTES.astype(np.float32), "standard", "for float32 images 0..255"),
        (BYTES / np.float32(255), "standard", "for float32 images 0..1"),
        (BYTES.reshape(200, -1), "standard", "for features"),
    ],
)
def test_auto_looks_at_the_range_and_every_model_sees_inputs_that_spread(x, kind, seen):
    assert normalize.choose(x) == (kind, seen)
    z = normalize.fit(x, kind)(x)
    assert 0.25 < z.std() < 2  # of bytes that just reach 128, pixel makes a range of 1
    assert abs(z).max() < 10


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, -3.3e-9, 0, 1e30])
def test_a_constant_column_is_centred_in_spite_of_rounding(value):
    x = np.full((997, 2), value, np.float32)
    x[:, 1] = np.arange(997)
    normalizer = normalize.fit(x, "standard")
    assert normalizer.scale[0] == 1
    assert abs(normalizer(x)[:, 0]).max() <= 1e-6 * abs(value)


@pytest.mark.parametrize("scale", [1e-45, 1e-37, 1e-30, 1e-9, 1e9, 1e30])
def test_tiny_and_large_ranges_stay_finite(scale):
    x = (np.arange(20) / 20 * scale).astype(np.float32)[:, None]
    z = normalize.fit(x, "standard")(x)
    assert np.isfinite(z).all()
    if scale >= 1e-30:
        np.testing.assert_allclose(z.std(), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "kind", "doubtful"),
    [
        (BYTES, "pixel", False),
        (BYTES.astype(np.float32), "pixel", False),
        (BYTES / np.float32(255), "pixel", True),
        (BITS.astype(np.uint8), "pixel", True),
        (BYTES * np.float32(257), "pixel", True),
        (BYTES - np.float32(128), "pixel", True),
        (BITS.astype(np.uint8), "standard", False),
        (BITS.astype(np.uint8), "none", False),
    ],
)
def test_pixel_for_other_values_than_bytes_is_told(x, kind, doubtful):
    told = normalize.doubt(x, kind)
    assert (told is not None) == doubtful
    if doubtful:
        assert f"those of the data are {normalize.span(x)}" in told


def test_another_kind_is_refused():
    with pytest.raises(UserError, match="--normalize=pixl: did you mean pixel"):
        normalize.fit(BYTES, "pixl")
