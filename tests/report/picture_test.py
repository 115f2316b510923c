import base64
import io

import numpy as np
import PIL.Image
import pytest

from lira_jax.report import picture


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1)])
def test_the_png_holds_the_pixels_as_they_are(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for pixels in (image, image[:, ::-1]):  # the second is not contiguous in memory
        uri = picture.data_uri(pixels)
        assert uri.startswith("data:image/png;base64,")
        with PIL.Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as decoded:
            assert decoded.format == "PNG"
            np.testing.assert_array_equal(np.asarray(decoded), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_one_range_for_the_whole_data_set(dtype):
    dark = np.zeros((1, 4, 4, 1), dtype)
    bright = np.full((1, 4, 4, 1), 200, dtype)
    x = np.concatenate([dark, bright])
    assert picture.thumbnail(x[1], picture.value_range(x)).max() == 200
    assert picture.thumbnail(x[0], picture.value_range(x)).max() == 0


def test_floats_of_zero_to_one_and_of_any_range_fill_black_to_white():
    for low, high in ((0, 1), (-2.5, 3.0)):
        x = np.linspace(low, high, 32).reshape(2, 4, 4, 1)
        shown = picture.thumbnail(x[1], picture.value_range(x))
        assert shown.max() == 255
        assert shown.min() == pytest.approx(255 * 16 / 31, abs=1)


@pytest.mark.parametrize(("channels", "shape"), [(1, ()), (2, ()), (3, (3,)), (4, (3,)), (7, ())])
def test_channels_become_grey_or_colour(channels, shape):
    image = np.random.default_rng(0).integers(0, 256, (6, 6, channels)).astype(np.uint8)
    shown = picture.thumbnail(image, (0, 255))
    assert shown.shape == (6, 6, *shape)
    np.testing.assert_array_equal(shown, image[..., : shape[0]] if shape else image[..., 0])


def test_a_large_image_shrinks_by_averaging_blocks():
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 1)).astype(np.uint8)
    shown = picture.thumbnail(image, (0, 255))
    assert shown.shape == (50, 75)  # blocks of 4 x 4
    assert shown[3, 5] == round(image[12:16, 20:24].mean())
    assert picture.thumbnail(image[:2], (0, 255)).shape == (1, 75)
