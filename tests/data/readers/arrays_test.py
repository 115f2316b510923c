import io
import pickle

import numpy as np
import pytest

from lira_jax.data.dataset import check
from lira_jax.data.readers import arrays
from lira_jax.errors import UserError

X = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


def _npz(tmp_path, **named):
    np.savez(tmp_path / "data.npz", **named)
    return tmp_path / "data.npz"


def _npy(tmp_path, **named):
    for name, array in named.items():
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


FORMATS = pytest.mark.parametrize(
    ("save", "read"), [(_npz, arrays.read_npz), (_npy, arrays.read_npy)]
)


@FORMATS
@pytest.mark.parametrize("names", [("x", "y"), ("x_train", "y_train"), ("features", "labels")])
def test_examples_and_labels_are_found_by_name(tmp_path, save, read, names):
    data = read(save(tmp_path, **dict(zip(names, (X, Y), strict=True)), other=np.zeros(3)))
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    assert data.x_test is None
    assert data.y_test is None


@FORMATS
def test_test_set_and_class_names_are_found(tmp_path, save, read):
    path = save(
        tmp_path,
        x_train=X,
        y_train=Y,
        x_test=X[:2],
        y_test=Y[:2],
        label_names=np.array(["a", "b", "c"]),
    )
    data = read(path)
    np.testing.assert_array_equal(data.x_test, X[:2])
    np.testing.assert_array_equal(data.y_test, Y[:2])
    assert data.class_names == ("a", "b", "c")


@FORMATS
@pytest.mark.parametrize("names", [np.array([b"a", b"b", b"c"]), np.array(["a", "b", "c"])])
def test_class_names_may_be_bytes(tmp_path, save, read, names):
    assert read(save(tmp_path, x=X, y=Y, class_names=names)).class_names == ("a", "b", "c")


@FORMATS
def test_one_hot_labels_become_numbers_and_count_the_classes(tmp_path, save, read):
    data = read(save(tmp_path, features=X, labels=np.eye(5)[Y]))
    np.testing.assert_array_equal(data.y, Y)
    assert data.num_classes == 5


@FORMATS
def test_one_hot_labels_of_other_numbers_of_classes_are_refused(tmp_path, save, read):
    path = save(tmp_path, x=X, y=np.eye(5)[Y], x_test=X, y_test=np.eye(4)[Y])
    with pytest.raises(UserError, match="y has 5 columns, one for each class, y_test 4"):
        read(path)


@FORMATS
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:5], "x has 6 examples but y 5 labels"),
        (Y - 1, r"y\[0\] is -1"),
        (Y + 0.25, r"not whole numbers \(dtype float64\), such as 0.25; number"),
        (np.eye(3)[Y] * 0.9, r"y has shape \(6, 3\)"),
        (np.array([[1, 1, 0]] * 6), r"y has shape \(6, 3\)"),
        (Y[None], r"y has shape \(1, 6\)"),
        (Y.astype(str), "numbers as text, such as '0'"),
        (Y.astype("datetime64[D]"), "dtype datetime64"),
        (np.arange(6), "6 different labels for 6 examples"),
        (np.zeros(6, int), "all labels in y are 0"),
        (np.zeros(6, bool), "all labels in y are 0"),
        (np.where(Y == 2, np.nan, Y), "not whole numbers .*, such as nan"),
        (Y * 100_000, "only 3 of the labels 0..200000 occur"),
    ],
)
def test_labels_that_are_none_are_refused_in_one_line(tmp_path, save, read, y, message):
    with pytest.raises(UserError, match=message) as error:
        check(read(save(tmp_path, x=X, y=y)), "--data_path=here")
    assert "\n" not in str(error.value)


@FORMATS
@pytest.mark.parametrize(
    "y",
    [
        Y[:, None],
        Y.astype(float),
        Y.astype(np.float16)[:, None],
        np.eye(3, dtype=bool)[Y],
        np.array(["ant", "bee", "cow"])[Y],
        np.array(["ant", "bee", "cow"])[Y][:, None],
    ],
)
def test_labels_in_other_forms_are_read(tmp_path, save, read, y):
    data = check(read(save(tmp_path, x=X, y=y)))
    np.testing.assert_array_equal(data.y, Y)
    assert data.num_classes == 3


@FORMATS
@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_float_images_keep_their_scale(tmp_path, save, read, scale):
    x = np.random.default_rng(0).uniform(0, scale, (6, 4, 4, 3))
    np.testing.assert_array_equal(read(save(tmp_path, x=x, y=Y)).x, x)


@FORMATS
@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            dict(x=X, labels=Y),
            r"no array 'y' beside 'x' \(it has: (x, labels|labels, x)\); rename the labels to y$",
        ),
        (dict(x_train=X, y=Y), r"no array 'y_train' beside 'x_train'"),
        (
            dict(images=X, y=Y),
            r"no array 'x' or 'x_train' in it \(it has: images, y\); rename the examples to x",
        ),
        (dict(x=X, y=np.array([{"a": 1}, *range(5)], object)), "not numpy data, or Python objects"),
        (dict(x=X.astype(object), y=Y), "not numpy data, or Python objects"),
    ],
)
def test_missing_and_object_arrays_are_named(tmp_path, save, read, named, message):
    path = save(tmp_path, **named)
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_every_truncation_of_an_npz_is_one_line(tmp_path):
    whole = _npz(tmp_path, x=X, y=Y).read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(0, len(whole), 23):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as error:
            arrays.read_npz(path)
        assert str(error.value).startswith(f"--data_path={path}: ")
        assert "\n" not in str(error.value)


def test_every_truncation_of_an_npy_is_one_line(tmp_path):
    path = _npy(tmp_path, x=X, y=Y) / "y.npy"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as error:
            arrays.read_npy(tmp_path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)


def test_a_damaged_byte_of_an_npz_is_noticed(tmp_path):
    path = _npz(tmp_path, x=X, y=Y)
    whole = bytearray(path.read_bytes())
    whole[whole.index(X.tobytes()) + 100] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UserError, match="damaged"):
        arrays.read_npz(path)


def test_a_header_that_promises_more_than_memory_holds_is_one_line(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 2**20)}
    )
    _npy(tmp_path, y=Y)
    (tmp_path / "x.npy").write_bytes(header.getvalue())
    with pytest.raises(UserError, match=r"x\.npy"):
        arrays.read_npy(tmp_path)


def test_pickles_are_refused(tmp_path):
    (tmp_path / "data.npz").write_bytes(pickle.dumps({"x": X, "y": Y}))
    with pytest.raises(UserError, match="not numpy data, or Python objects; save arrays"):
        arrays.read_npz(tmp_path / "data.npz")


def test_a_single_array_and_the_wrong_kind_of_path_are_told(tmp_path):
    np.save(tmp_path / "x.npy", X)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="a single array; save x and y together"):
        arrays.read_npz(tmp_path / "x.npy")
    with pytest.raises(UserError, match="a folder, not a file"):
        arrays.read_npz(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        arrays.read_npy(tmp_path / "x.npy")
    with pytest.raises(UserError, match="it has: nothing"):
        arrays.read_npy(empty)
