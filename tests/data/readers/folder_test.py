import numpy as np
import PIL.Image
import pytest

from lira_jax.data.readers import folder
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)


def _save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, **options)
    return pixels


def _colour(height=4, width=5):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def test_classes_are_folders_in_the_order_of_their_names(tmp_path):
    want = {
        name: _save(tmp_path / name, _colour())
        for name in ("b/2.png", "a/1.PNG", "b/1.bmp", "c/deep/1.png")
    }
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "._1.png").write_bytes(b"what macOS leaves behind")
    _save(tmp_path / ".cache" / "1.png", _colour())
    _save(tmp_path / "a" / ".cache" / "1.png", _colour())
    data = folder.read(tmp_path)
    assert data.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(data.y, [0, 1, 1, 2])
    for got, name in zip(data.x, ("a/1.PNG", "b/1.bmp", "b/2.png", "c/deep/1.png"), strict=True):
        np.testing.assert_array_equal(got, want[name])
    assert data.x_test is None


def test_train_and_test_folders_are_told_apart(tmp_path):
    want = {
        name: _save(tmp_path / name, _colour())
        for name in ("train/a/1.png", "train/b/1.png", "test/b/1.png")
    }
    data = folder.read(tmp_path)
    np.testing.assert_array_equal(data.x, [want["train/a/1.png"], want["train/b/1.png"]])
    np.testing.assert_array_equal(data.x_test, [want["test/b/1.png"]])
    np.testing.assert_array_equal(data.y_test, [1])


def test_train_and_test_may_be_names_of_classes(tmp_path):
    for name in ("plane/1.png", "train/1.png", "test/deep/1.png"):
        _save(tmp_path / name, _colour())
    data = folder.read(tmp_path)
    assert data.class_names == ("plane", "test", "train")
    assert data.x_test is None


def test_grey_images_have_one_channel_unless_mixed_with_colour(tmp_path):
    grey = _save(tmp_path / "a" / "1.png", RNG.integers(0, 256, (4, 5), np.uint8))
    _save(tmp_path / "b" / "1.png", grey)
    np.testing.assert_array_equal(folder.read(tmp_path).x, np.stack([grey, grey])[..., None])
    colour = _save(tmp_path / "b" / "2.png", _colour())
    data = folder.read(tmp_path)
    np.testing.assert_array_equal(data.x[0], np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(data.x[2], colour)


def test_palettes_and_alpha_become_colour(tmp_path):
    colour = np.zeros((4, 5, 3), np.uint8)
    colour[1:3, :2] = (255, 0, 9)
    (tmp_path / "a").mkdir()
    PIL.Image.fromarray(colour).quantize(2).save(tmp_path / "a" / "palette.png")
    _save(
        tmp_path / "b" / "alpha.png", np.concatenate([colour, np.full((4, 5, 1), 7, np.uint8)], 2)
    )
    np.testing.assert_array_equal(folder.read(tmp_path).x, [colour, colour])


def test_the_first_image_of_another_size_is_named(tmp_path):
    _save(tmp_path / "a" / "1.png", _colour())
    _save(tmp_path / "b" / "1.png", _colour(5, 4))
    _save(tmp_path / "b" / "2.png", _colour(6, 6))
    with pytest.raises(
        UserError, match=r"b/1\.png: 4x5 pixels, but 1\.png has 5x4; make all images one size"
    ):
        folder.read(tmp_path)


def test_test_images_must_have_the_size_of_training_images(tmp_path):
    for name, pixels in (
        ("train/a/1.png", _colour()),
        ("train/b/1.png", _colour()),
        ("test/a/9.png", _colour(8, 8)),
    ):
        _save(tmp_path / name, pixels)
    with pytest.raises(UserError, match=r"test/a/9\.png: 8x8"):
        folder.read(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp"])
def test_truncated_images_are_named_in_one_line(tmp_path, suffix):
    _save(tmp_path / "a" / "1.png", _colour(16, 16))
    file = tmp_path / "b" / f"1{suffix}"
    _save(file, _colour(16, 16))
    whole = file.read_bytes()
    for length in range(0, len(whole) * 3 // 4, 11):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"b/1{suffix}") as error:
            folder.read(tmp_path)
        assert "\n" not in str(error.value)


def test_sixteen_bit_images_are_refused(tmp_path):
    _save(tmp_path / "a" / "1.png", RNG.integers(0, 60000, (4, 5), np.uint16))
    with pytest.raises(UserError, match="8 bits a channel"):
        folder.read(tmp_path)


def test_folders_that_hold_no_classes_are_refused(tmp_path):
    with pytest.raises(UserError, match="no folders in it"):
        folder.read(tmp_path)
    _save(tmp_path / "a" / "1.png", _colour())
    with pytest.raises(UserError, match="not a folder"):
        folder.read(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"no images in .*/b"):
        folder.read(tmp_path)


def test_a_class_only_the_test_folder_has_is_named(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "test/c/1.png"):
        _save(tmp_path / name, _colour())
    with pytest.raises(UserError, match="test/c is no class of train/"):
        folder.read(tmp_path)
