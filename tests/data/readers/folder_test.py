import os

import numpy as np
import PIL.Image
import pytest

from lira_jax import progress
from lira_jax.data.dataset import check
from lira_jax.data.load import load
from lira_jax.data.readers import folder, image
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)


@pytest.fixture
def remarks(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "remark", lines.append)
    return lines


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
        UserError, match=r"b/1\.png: 4x5 pixels, but 1\.png has 5x4; make all .* --image_size=32"
    ):
        folder.read(tmp_path)


def test_images_of_all_sizes_get_one_whose_middle_is_theirs(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200  # the square in the middle
    _save(tmp_path / "a" / "1.png", wide)
    _save(tmp_path / "a" / "2.png", np.full((33, 9), 7, np.uint8))  # grey
    same = _save(tmp_path / "b" / "1.png", _colour(8, 8))
    x = folder.read(tmp_path, 8).x
    assert (x.shape, x.dtype) == ((3, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(x[0], 200)
    np.testing.assert_array_equal(x[1], 7)
    np.testing.assert_array_equal(x[2], same)


def test_a_size_is_for_folders_alone(tmp_path):
    for name in ("digits", "npz", "tfds:mnist"):
        with pytest.raises(UserError, match=r"--image_size=8: .* has no use for it"):
            load(name, "" if name != "npz" else str(tmp_path), image_size=8)


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
    _save(tmp_path / "b" / "1.png", _colour())
    with pytest.raises(UserError, match=r"a/1\.png: pixels of mode I;16.*; save it with 8 bits"):
        folder.read(tmp_path)


def test_images_out_of_the_ordinary_are_counted(tmp_path, remarks):
    _tree(tmp_path, "a/1.png a/2.png b/1.png")
    faint = np.concatenate([_colour(), np.full((4, 5, 1), 7, np.uint8)], 2)
    for name in ("a/3.png", "b/2.png"):
        _save(tmp_path / name, faint)
    folder.read(tmp_path)
    (line,) = remarks
    assert line == f"--data_path={tmp_path}: of 2 of 5 images {image.ALPHA}"


def test_folders_that_hold_no_classes_are_refused(tmp_path):
    with pytest.raises(UserError, match="no folders in it"):
        folder.read(tmp_path)
    _save(tmp_path / "a" / "1.png", _colour())
    with pytest.raises(UserError, match="not a folder"):
        folder.read(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"no images in .*/b; add some"):
        folder.read(tmp_path)
    (tmp_path / "b" / "1.heic").write_bytes(b"")
    with pytest.raises(UserError, match=r"no images in .*/b \(1 \.heic\); add some"):
        folder.read(tmp_path)


def test_a_class_only_the_test_folder_has_is_named(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "test/c/1.png"):
        _save(tmp_path / name, _colour())
    with pytest.raises(UserError, match="test/c is no class of train/"):
        folder.read(tmp_path)


def _tree(root, names):
    return {name: _save(root / name, _colour()) for name in names.split()}


@pytest.mark.parametrize(
    ("names", "train", "test", "remark"),
    [
        ("Train/a/1.png Train/b/1.png Test/a/1.png", "Train", "Test", None),
        ("TRAIN/a/1.png TRAIN/b/1.png test/a/1.png", "TRAIN", "test", None),
        ("training/a/1.png training/b/1.png testing/b/1.png", "training", "testing", None),
        ("train/a/1.png train/b/1.png val/a/1.png", "train", "val", None),
        ("train/a/1.png train/b/1.png valid/a/1.png", "train", "valid", None),
        (
            "Train/a/1.png Train/b/1.png Validation/a/1.png Test/b/1.png",
            "Train",
            "Test",
            "Validation beside the splits is passed over",
        ),
        (
            "train/a/1.png train/b/1.png extra/a/1.png",
            "train",
            None,
            "extra beside the splits is passed over",
        ),
        ("train/a/1.png train/b/1.png", "train", None, None),
    ],
)
def test_splits_have_several_names(tmp_path, remarks, names, train, test, remark):
    want = _tree(tmp_path, names)
    data = folder.read(tmp_path)
    assert data.class_names == ("a", "b")
    np.testing.assert_array_equal(data.x, [want[f"{train}/a/1.png"], want[f"{train}/b/1.png"]])
    assert (data.x_test is None) == (test is None)
    if test is not None:
        (name,) = [name for name in want if name.startswith(f"{test}/")]
        np.testing.assert_array_equal(data.x_test, [want[name]])
    assert [line.partition(": ")[2] for line in remarks] == ([remark] if remark else [])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "Train/1.png Test/1.png",
            "holds Test and Train without a folder for each class in them; put",
        ),
        (
            "train/1.png val/1.png test/1.png",
            "holds test and train and val without a folder for each",
        ),
        (
            "Test/a/1.png Test/b/1.png",
            "it holds Test without a train beside it; put the images into",
        ),
        ("val/a/1.png val/b/1.png test/a/1.png", "it holds test and val without a train beside it"),
        ("train/a/1.png Training/a/1.png", "both Training and train in it; remove one"),
        ("train/a/1.png train/b/1.png val/a/1.png valid/a/1.png", "both val and valid in it"),
        ("a/1.png b/1.png test/a/1.png test/b/1.png", "both a and test/a in it; put the classes"),
        ("train/a/1.png test/a/1.png", "only one folder, a, in .*/train; put each class into its"),
        ("faces/1.png", "only one folder, faces, in .*; put each class into its own"),
        ("cars/a/1.png cars/b/1.png", "only one folder, cars, in .*; give --data_path=.*/cars$"),
        ("cars/train/a/1.png cars/train/b/1.png", "only one folder, cars, .*; give --data_path=.*"),
    ],
)
def test_folders_that_are_no_classes_are_refused_in_one_line(tmp_path, names, message):
    _tree(tmp_path, names)
    with pytest.raises(UserError, match=message) as error:
        folder.read(tmp_path)
    assert str(error.value).startswith(f"--data_path={tmp_path}: ")
    assert "\n" not in str(error.value)


def test_what_is_passed_over_is_counted_in_one_line(tmp_path, remarks):
    _tree(tmp_path, "a/1.png a/2.png b/deep/1.png 9.png")
    for name in ("a/1.txt", "a/2.txt", "b/deep/1.HEIC", "b/README", "labels.csv", ".DS_Store"):
        (tmp_path / name).write_text("")
    (tmp_path / "__MACOSX" / "a").mkdir(parents=True)
    assert len(folder.read(tmp_path).x) == 3
    (line,) = remarks
    assert line.startswith(f"--data_path={tmp_path}: 6 files are passed over (2 .txt, ")
    for part in (
        "1 .HEIC",
        "1 without suffix",
        "1 .png outside of class folders",
        "1 .csv outside",
    ):
        assert part in line


def test_links_to_images_and_folders_are_followed_but_not_in_circles(tmp_path, remarks):
    want = _tree(tmp_path, "data/a/1.png data/b/1.png disk/c/1.png disk/x/2.png")
    (tmp_path / "data/c").symlink_to(tmp_path / "disk/c")
    (tmp_path / "data/b/more").symlink_to(tmp_path / "disk/x")
    (tmp_path / "data/b/up").symlink_to(tmp_path / "data/b")
    (tmp_path / "data/a/2.png").symlink_to(tmp_path / "disk/x/2.png")
    data = folder.read(tmp_path / "data")
    assert data.class_names == ("a", "b", "c")
    order = ["data/a/1.png", "disk/x/2.png", "data/b/1.png", "disk/x/2.png", "disk/c/1.png"]
    np.testing.assert_array_equal(data.x, [want[name] for name in order])
    (tmp_path / "data/a/3.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(UserError, match=r"a/3\.png: No such file"):
        folder.read(tmp_path / "data")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_are_not_waited_for_and_circular_links_are_named(tmp_path, remarks):
    _tree(tmp_path, "a/1.png b/1.png")
    os.mkfifo(tmp_path / "a/pipe.png")
    (tmp_path / "a/link.png").symlink_to(tmp_path / "a/pipe.png")
    (tmp_path / "c").symlink_to(tmp_path / "c")
    assert folder.read(tmp_path).class_names == ("a", "b")
    assert "2 files are passed over (2 .png that are no files)" in remarks[0]
    (tmp_path / "b/self.png").symlink_to(tmp_path / "b/self.png")
    with pytest.raises(UserError, match=r"b/self\.png: Too many levels of symbolic links"):
        folder.read(tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    _tree(tmp_path, "a/1.png b/1.png b/deep/2.png")
    scandir = os.scandir

    def closed(path):
        if os.fspath(path).endswith(name):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    for name in ("/b", "/deep"):
        with pytest.raises(UserError, match=f"{name}: Permission denied; make the folder readable"):
            folder.read(tmp_path)


def test_names_of_classes_can_be_written_whatever_bytes_they_are(tmp_path):
    _tree(tmp_path, "a/1.png ü/1.png")
    try:
        os.rename(tmp_path / "a", os.fsencode(tmp_path) + b"/\xff")
    except OSError:
        pytest.skip("names of files are UTF-8 here")
    names = folder.read(tmp_path).class_names
    assert sorted(names) == sorted(["ü", "\\xff"])
    "".join(names).encode()


def test_splits_that_are_read_can_be_trained_on(tmp_path):
    _tree(tmp_path, "Train/a/1.png Train/a/2.png Train/b/1.png Train/b/2.png Val/b/3.png")
    data = check(folder.read(tmp_path))
    assert data.num_classes == 2
    assert data.x_test.shape == (1, 4, 5, 3)
