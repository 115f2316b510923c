import importlib.util
import os
import pathlib

import numpy as np
import pytest

from lira_jax import progress
from lira_jax.data import dataset as datasets
from lira_jax.data import load as load_module
from lira_jax.data.duplicates import duplicates
from lira_jax.data.load import READERS, load
from lira_jax.data.readers import text
from lira_jax.errors import UserError

X = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3)).astype(np.uint8)
Y = np.arange(20) % 4


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    return str(tmp_path / "data.npz")


@pytest.fixture
def npz_with_copies(tmp_path):
    """Examples 0..9 twice, and 3 a third time."""
    np.savez(tmp_path / "data.npz", x=X[[*range(10), *range(10), 3]], y=np.arange(21) % 4)
    return str(tmp_path / "data.npz")


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "remark", lines.append)
    return lines


def test_digits_need_no_path():
    data = load("digits")
    assert data.x.shape == (1797, 8, 8, 1)
    assert data.y.dtype == np.int32


def test_examples_come_back_checked(npz):
    data = load("npz", npz)
    np.testing.assert_array_equal(data.x, X)
    assert data.y.dtype == np.int32
    assert data.num_classes == 4


def test_the_home_folder_is_expanded(npz, monkeypatch):
    monkeypatch.setenv("HOME", os.path.dirname(npz))
    np.testing.assert_array_equal(load("npz", "~/data.npz").x, X)


def test_what_check_refuses_is_told_with_the_path(tmp_path):
    np.savez(tmp_path / "bad.npz", x=X.astype(float) / 0.1, y=Y - 1)
    with pytest.raises(UserError, match=rf"^--data_path={tmp_path}/bad\.npz: y\[0\] is -1"):
        load("npz", str(tmp_path / "bad.npz"))


def test_copies_are_warned_of_in_one_line(npz_with_copies, warnings):
    assert len(load("npz", npz_with_copies).x) == 21
    (line,) = warnings
    assert line.startswith("--dataset=npz: 11 of 21 examples equal an earlier one exactly")
    assert "--drop_duplicates" in line
    assert "\n" not in line


def test_without_copies_there_is_no_warning(npz, warnings):
    load("npz", npz)
    assert not warnings


def test_copies_are_dropped_on_request(npz_with_copies, warnings):
    data = load("npz", npz_with_copies, drop_duplicates=True)
    np.testing.assert_array_equal(data.x, X[:10])
    assert not warnings


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_only_true_copies_are_dropped_and_counted_where_float32_merges_more(
    tmp_path, warnings, dtype
):
    x = np.c_[1_700_000_000 + np.arange(300), np.zeros(300)][[*range(300), 5, 5, 9]].astype(dtype)
    np.savez(tmp_path / "times.npz", x=x, y=np.arange(303) % 3)
    assert len(load("npz", str(tmp_path / "times.npz"), drop_duplicates=True).x) == 300
    (line,) = warnings
    assert "297 of 300 examples differ from earlier ones only before the cast" in line
    warnings.clear()
    assert len(load("npz", str(tmp_path / "times.npz")).x) == 303
    assert warnings[0].startswith("--dataset=npz: 3 of 303 examples equal an earlier one exactly")
    assert len(warnings) == 2


def test_grey_images_in_wide_numbers_are_compared_as_saved(tmp_path, warnings):
    x = np.random.default_rng(0).random((20, 4, 4))
    np.savez(tmp_path / "grey.npz", x=np.concatenate([x, x[:2]]), y=np.arange(22) % 2)
    assert load("npz", str(tmp_path / "grey.npz"), drop_duplicates=True).x.shape == (20, 4, 4, 1)
    assert not warnings


def test_copies_are_dropped_before_the_subset_is_drawn(npz_with_copies):
    data = load("npz", npz_with_copies, drop_duplicates=True, num_examples=10)
    np.testing.assert_array_equal(data.x, X[:10])


def test_the_test_set_follows_the_training_set_and_copies_are_sought_in_both(tmp_path, warnings):
    """Example 4 of the test set is one of the training set, so its membership would be a lie."""
    x, rng = X[:10], np.random.default_rng(1)
    x_test = np.concatenate([rng.integers(0, 256, (4, *x.shape[1:]), x.dtype), x[:1]])
    arrays = {"x": x, "y": np.arange(10) % 4, "x_test": x_test, "y_test": np.arange(5) % 4}
    np.savez(tmp_path / "data.npz", **arrays)
    path = str(tmp_path / "data.npz")
    data = load("npz", path, with_test=True)
    np.testing.assert_array_equal(data.x, load("npz", path).x.tolist() + x_test.tolist())
    assert (data.num_official, len(data.x_test)) == (10, 5)
    assert len(warnings) == 1
    dropped = load("npz", path, with_test=True, drop_duplicates=True)
    assert (dropped.num_official, len(dropped.x)) == (10, 14)
    some = load("npz", path, with_test=True, num_examples=8, drop_duplicates=True)
    of_training = [i for i, one in enumerate(some.x) if any((one == own).all() for own in x)]
    assert of_training == list(range(some.num_official))


def test_official_masks_need_a_test_set(npz):
    with pytest.raises(UserError, match="--masks=official: members are the training set"):
        load("npz", npz, with_test=True)


def test_subset_follows_the_seed(npz):
    whole = load("npz", npz)
    for seed in (0, 1):
        part = load("npz", npz, num_examples=7, seed=seed)
        assert datasets.fingerprint(part) == datasets.fingerprint(
            datasets.take(whole, datasets.draw_subset(20, 7, seed))
        )
        assert part.num_classes == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("cifar",),
            r"^--dataset=cifar: unknown; did you mean cifar10\? There are digits, npz, .* and "
            r"tfds:NAME$",
        ),
        (("imagenet",), "^--dataset=imagenet: unknown; there are digits, npz, "),
        (("tfds",), r"did you mean tfds:NAME\?"),
        (("tfds:",), r"did you mean tfds:NAME\?"),
        (("",), "^--dataset=: unknown"),
        (("npz",), r"^--dataset=npz needs --data_path, an \.npz file with x and y"),
        (
            ("npz", "/no/such.npz"),
            r"^--data_path=/no/such\.npz: no such file or folder; --dataset=npz reads an ",
        ),
        (("digits", "/tmp"), "^--data_path=/tmp: --dataset=digits has no use for it"),
        (("tfds:mnist", "/tmp"), "^--data_path=/tmp: --dataset=tfds:mnist has no use for it"),
    ],
)
def test_wrong_names_and_paths_are_told_in_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        load(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("flag", ["data_dir", "splits", "test_splits"])
def test_flags_of_tfds_are_refused_elsewhere(flag):
    with pytest.raises(UserError, match=f"^--{flag}=train: --dataset=digits has no use for it"):
        load("digits", **{flag: "train"})


@pytest.mark.parametrize("num_examples", [21, -1])
def test_impossible_subsets_are_told(npz, num_examples):
    with pytest.raises(UserError, match=f"^--num_examples={num_examples}: the data set has 20"):
        load("npz", npz, num_examples=num_examples)


@pytest.mark.parametrize("name", [name for name, (_, wanted) in READERS.items() if wanted])
def test_every_reader_tells_a_file_and_a_folder_of_something_else_in_one_line(tmp_path, name):
    (tmp_path / "notes.txt").write_text("nothing like a data set\n")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UserError, match=f"^--data_path={path}: ") as error:
            load(name, str(path))
        assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", [name for name, (_, wanted) in READERS.items() if wanted])
def test_every_reader_tells_what_it_may_not_read_in_one_line(tmp_path, name):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    for path in (closed, closed / "data"):
        with pytest.raises(UserError, match=f"^--data_path={path}: ") as error:
            load(name, str(path))
        assert "\n" not in str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize("name", [name for name, (_, wanted) in READERS.items() if wanted])
def test_a_pipe_is_refused_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"/pipe: neither a file nor a folder; write the data to"):
        load(name, str(tmp_path / "pipe"))


def test_tfds_gets_its_flags(monkeypatch):
    calls = []

    def read(*arguments):
        calls.append(arguments)
        return datasets.Dataset(X, Y)

    monkeypatch.setattr(load_module.tfds, "read", read)
    lines = text.Settings(unit="line")
    load(
        "tfds:lm1b:1.0.0", data_dir="/d", splits="train+test", test_splits="extra", as_tokens=lines
    )
    assert calls == [("lm1b:1.0.0", "/d", "train+test", "extra", lines)]


def test_the_real_location30_comes_back_from_text(tmp_path):
    folder = pathlib.Path(os.environ.get("LIRA_JAX_REAL_DATA", ""))
    if "LIRA_JAX_REAL_DATA" not in os.environ or not (folder / "unpack.py").is_file():
        pytest.skip("LIRA_JAX_REAL_DATA names no folder with unpack.py and Location30 in it")
    spec = importlib.util.spec_from_file_location("unpack", folder / "unpack.py")
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    real = unpack.load("location30")
    np.savez(tmp_path / "location30.npz", **real)
    np.savetxt(tmp_path / "bangkok", np.c_[real["y"] + 1, real["x"]], fmt="%d", delimiter=",")
    from_npz, from_text = (
        load("location30", str(tmp_path / name)) for name in ("location30.npz", "bangkok")
    )
    assert datasets.fingerprint(from_npz) == datasets.fingerprint(from_text)
    assert from_text.x.shape == (5010, 446)
    assert from_text.x.dtype == np.uint8
    assert from_text.num_classes == 30
    assert len(duplicates(from_text.x)) == 0
