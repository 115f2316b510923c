"""A folder keeps its manifest, and leaves nothing of what failed or was not needed."""

import json
import os

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.runs.folder import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "run", lambda name: f"the command of {name}", remade="results.json")


def test_a_dump_counts_once_it_is_in_the_manifest(folder):
    folder.write("b/1.npy", np.ones(3))
    folder.write("a.npy", np.zeros((2, 2)))
    assert folder.has("b/1.npy")
    assert not folder.has("b/2.npy")
    manifest = json.loads((folder.path / "manifest.json").read_text())
    assert list(manifest) == ["a.npy", "b/1.npy"]
    assert folder.dumps() == manifest
    assert manifest["a.npy"]["bytes"] == (folder.path / "a.npy").stat().st_size


def test_one_changed_bit_is_found_wherever_it_is(folder):
    folder.write("a.npy", np.arange(5, dtype=np.float32))
    path = folder.path / "a.npy"
    whole = path.read_bytes()
    for i in range(0, len(whole), 7):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        with pytest.raises(UserError, match=r"does not match its sha256 .* run the command of a"):
            folder.read("a.npy")
    path.write_bytes(whole)
    np.testing.assert_array_equal(folder.read("a.npy", (None,)), np.arange(5))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 1), (3, 3), (None, 2)])
def test_another_shape_is_refused(folder, shape):
    folder.write("a.npy", np.zeros((2, 3)))
    assert folder.read("a.npy", (2, None)).shape == (2, 3)
    with pytest.raises(UserError, match=r"has shape \(2, 3\), not .* belongs to another run"):
        folder.read("a.npy", shape)


def test_what_is_here_is_not_written_again_by_a_process_that_comes_second(folder):
    folder.write_once("keep.npy", np.zeros(3))
    folder.write_once("keep.npy", np.ones(3))
    np.testing.assert_array_equal(folder.read("keep.npy"), np.zeros(3))
    (folder.path / "keep.npy").unlink()
    folder.write_once("keep.npy", np.ones(3))
    np.testing.assert_array_equal(folder.read("keep.npy"), np.ones(3))


def test_a_number_that_json_has_not_leaves_the_file_as_it_was(folder):
    folder.write_json("results.json", {"auc": 0.5})
    with pytest.raises(ValueError, match="JSON compliant"):
        folder.write_json("results.json", {"auc": float("nan")})
    assert folder.read_json("results.json", "lira-attack") == {"auc": 0.5}
    assert os.listdir(folder.path) == ["results.json"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("experiment.json", None, "there is no experiment.json; run lira-it first"),
        ("experiment.json", b"{", "experiment.json is not JSON .*: restore it, or start anew"),
        ("experiment.json", b"\xff\xfe", "experiment.json is not JSON .*: restore it"),
        ("results.json", b'{"a":', "results.json is not JSON .*: run lira-it again"),
    ],
)
def test_json_that_cannot_be_read_is_one_line(folder, name, content, message):
    if content is not None:
        folder.write_text(name, "")
        (folder.path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        folder.read_json(name, "lira-it")
    assert "\n" not in str(error.value)


def test_a_path_takes_its_name_when_the_block_ends_well(folder):
    with folder.replacing("report/roc.png") as path:
        path.write_text("a picture")
    assert (folder.path / "report/roc.png").read_text() == "a picture"

    def fail():
        with folder.replacing("report/roc.png") as path:
            path.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (folder.path / "report/roc.png").read_text() == "a picture"
    assert os.listdir(folder.path / "report") == ["roc.png"]


def test_a_lock_that_nothing_came_of_leaves_no_folder(folder):
    with folder._lock(), folder._lock():  # nested
        assert folder.path.exists()
    assert not folder.path.exists()
    folder.path.mkdir()  # the user's own
    with folder._lock():
        pass
    assert os.listdir(folder.path) == []
    folder.write_text("a.txt", "")
    with folder._lock():
        pass
    assert sorted(os.listdir(folder.path)) == [".lock", "a.txt"]


@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_the_way_is_one_line(tmp_path, below):
    (tmp_path / "file").write_text("precious")
    path = tmp_path / "file" / "run" if below else tmp_path / "file"
    with (
        pytest.raises(UserError, match=f"--workdir={path}: it is a file, or below one"),
        Folder(path, str, "")._lock(),
    ):
        pass
    assert (tmp_path / "file").read_text() == "precious"
