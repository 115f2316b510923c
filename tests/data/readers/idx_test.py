import gzip

import numpy as np
import pytest

from lira_jax.data.readers import idx
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (5, 4, 3), np.uint8), np.array([3, 1, 4, 1, 5], np.uint8)


def _idx(array):
    """The format's definition, byte by byte."""
    header = [0, 0, 8, array.ndim]
    for size in array.shape:
        header += [size >> 24, size >> 16 & 255, size >> 8 & 255, size & 255]
    return bytes(header) + bytes(array.ravel().tolist())


def _write(folder, suffix="", dot="-", parts=("train", "t10k")):
    pack = gzip.compress if suffix else bytes
    for part, count in (("train", 5), ("t10k", 2)):
        if part in parts:
            (folder / f"{part}-images{dot}idx3-ubyte{suffix}").write_bytes(pack(_idx(X[:count])))
            (folder / f"{part}-labels{dot}idx1-ubyte{suffix}").write_bytes(pack(_idx(Y[:count])))
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_arrays_come_back(tmp_path, suffix, dot):
    data = idx.read(_write(tmp_path, suffix, dot))
    for got, want in ((data.x, X), (data.y, Y), (data.x_test, X[:2]), (data.y_test, Y[:2])):
        np.testing.assert_array_equal(got, want)


def test_a_folder_without_test_files_has_no_test_set(tmp_path):
    data = idx.read(_write(tmp_path, parts=("train",)))
    assert data.x_test is None
    assert data.y_test is None


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_truncation_is_one_line_that_names_the_file(tmp_path, suffix):
    file = _write(tmp_path, suffix) / f"train-images-idx3-ubyte{suffix}"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match=file.name) as error:
            idx.read(tmp_path)
        assert "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path):
    _write(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    for content in (
        b"P5 4 3 255\n" + bytes(60),
        bytes([0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
        _idx(X) + b"!",
    ):
        file.write_bytes(content)
        with pytest.raises(UserError, match=file.name):
            idx.read(tmp_path)
    file.write_bytes(bytes([0, 0, 8, 8]) + b"\xff" * 32)
    with pytest.raises(UserError, match="0 values, but its header promises"):
        idx.read(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        UserError, match=r"no train-images-idx3-ubyte \(or train-images-idx3-ubyte.gz\) in it"
    ):
        idx.read(tmp_path)
    file = _write(tmp_path) / "train-labels-idx1-ubyte"
    file.unlink()
    with pytest.raises(UserError, match="no train-labels-idx1-ubyte"):
        idx.read(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        idx.read(tmp_path / "train-images-idx3-ubyte")
