"""A folder keeps its manifest, and leaves nothing of what failed or was not needed."""

import json
import os
import pathlib
import platform

import numpy as np
import pytest
from by_hand import rewrite
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.errors import UserError
from lira_jax.runs import folder as folder_lib
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
    assert list(manifest) == ["a.npy", "b/1.npy", "sha256"]
    assert folder.dumps() == {name: manifest[name] for name in ("a.npy", "b/1.npy")}
    assert manifest["a.npy"]["bytes"] == (folder.path / "a.npy").stat().st_size


def test_a_manifest_that_was_edited_is_refused(folder):
    """As an entry that is of no file, such as how healthy a model is."""
    folder.enter({"diagnosis/0002": {"reason": None}})
    assert folder.dumps() == {}
    rewrite(folder.path / "manifest.json", "null", '"made up"', hashed=True)
    with pytest.raises(UserError, match=r"manifest\.json was changed after it was written"):
        Folder(folder.path, str, remade="").dumps()


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
    folder.write_once("keep.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"keep\.npy of this run holds other values"):
        folder.write_once("keep.npy", np.ones(3))
    np.testing.assert_array_equal(folder.read("keep.npy"), np.zeros(3))


def test_what_was_lost_comes_back_only_as_it_was(folder):
    folder.write("keep.npy", np.arange(6.0).reshape(2, 3))
    before = (folder.path / "keep.npy").read_bytes()
    (folder.path / "keep.npy").write_bytes(before[:-1])
    with pytest.raises(UserError, match=r"keep\.npy of this run holds other values"):
        folder.write_once("keep.npy", np.ones((2, 3)))
    folder.write_once("keep.npy", np.arange(6.0).reshape(3, 2).reshape(2, 3))
    assert (folder.path / "keep.npy").read_bytes() == before


def test_a_cut_dump_is_told_of_once(folder, capsys):
    folder.write("a.npy", np.zeros(3))
    (folder.path / "a.npy").write_bytes(b"cut")
    assert not folder.has("a.npy")
    assert not folder.has("a.npy")
    assert capsys.readouterr().err == (
        f"note: {folder.path}/a.npy is not as long as manifest.json says; it counts as missing\n"
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), VALUES))
def test_json_that_says_its_hash_is_read_as_it_was_written(tmp_path_factory, value):
    value = {k: v for k, v in value.items() if k != "sha256"}
    value = json.loads(json.dumps(value).replace("Infinity", "7"))
    folder = Folder(tmp_path_factory.getbasetemp() / "checked", str, "")
    folder.write_checked_json("a.json", value)
    found = folder.read_json("a.json", "")
    assert len(found.pop("sha256")) == 64
    assert found == value


def test_json_that_was_edited_is_refused(folder):
    folder.write_checked_json("experiment.json", {"epochs": 30, "seed": 1})
    path = folder.path / "experiment.json"
    path.write_text(json.dumps(json.loads(path.read_text())))  # laid out otherwise
    folder.read_json("experiment.json", "")
    for edited in ('"epochs": 31', '"epochs": NaN', '"epoch": 30'):
        whole = path.read_text()
        path.write_text(whole.replace('"epochs": 30', edited))
        with pytest.raises(UserError, match="was changed after it was written: restore it, or"):
            folder.read_json("experiment.json", "")
        path.write_text(whole)


def test_work_is_claimed_while_it_is_done_and_what_killed_writers_left_goes_before(folder, capsys):
    folder.write("a.npy", np.zeros(3))
    host = platform.node()
    for name in (f".{host}@99999999.a.npy", f"scores/.{host}@{os.getpid()}.b.npy"):
        (folder.path / name).parent.mkdir(exist_ok=True)
        (folder.path / name).write_bytes(b"12345")
    with (
        folder.at_work("train", [0, 1]),
        folder.at_work("score", [0]),
        folder.at_work("train", [2]),
    ):
        assert capsys.readouterr().err.startswith(
            "removed 1 temporary file of killed writers, 0.0 MB"
        )
        with (
            pytest.raises(UserError, match=f"model 1 is being trained by process {os.getpid()};"),
            Folder(folder.path, str, "").at_work("train", [1, 3]),
        ):
            pass
    with folder.at_work("train", [1, 3]):
        pass
    left = {p.name for p in folder.path.rglob("*") if p.is_file()}
    assert left == {f".{host}@{os.getpid()}.b.npy", ".lock", "a.npy", "manifest.json"}


def test_work_that_nothing_came_of_leaves_no_folder(folder):
    with pytest.raises(ZeroDivisionError), folder.at_work("attack"):
        raise ZeroDivisionError
    assert not folder.path.exists()


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


def test_what_is_refused_leaves_no_folder_above_either(tmp_path):
    (tmp_path / "mine").mkdir()
    deep = Folder(tmp_path / "mine/a/b", lambda name: "x", "y")
    with deep._lock():
        pass
    with pytest.raises(UserError), deep.at_work("train", [0], _refuse):
        pass
    assert os.listdir(tmp_path / "mine") == []
    with deep._lock():
        (tmp_path / "mine/a/other").touch()
    assert os.listdir(tmp_path / "mine/a") == ["other"]


def _refuse():
    raise UserError("no")


def test_a_folder_that_takes_no_file_is_one_line():
    with (
        pytest.raises(UserError, match="/proc/self: no file can be made in it; give another"),
        Folder(pathlib.Path("/proc/self"), str, remade="").locked(),
    ):
        pass


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


def test_what_killed_writers_left_beside_a_file_is_swept(folder):
    folder.write_text("report/index.html", "a page")
    host = platform.node()
    for name in (f"report/.{host}@99999999.roc.png", f"report/.{host}@{os.getpid()}.a", "b/.c"):
        folder._file(name).parent.mkdir(exist_ok=True)
        folder._file(name).touch()
    folder.sweep_beside("report/index.html")
    folder.sweep_beside("nowhere/index.html")
    left = {p.name for p in folder.path.rglob("*") if p.is_file()}
    assert left == {"index.html", f".{host}@{os.getpid()}.a", ".c"}


def test_a_manifest_that_stays_is_read_once_and_any_change_is_seen(folder, monkeypatch):
    folder.write("a.npy", np.zeros(2))
    manifest, read = folder.path / "manifest.json", []
    monkeypatch.setattr(folder, "_checked_manifest", lambda: read.append(1) or {"a.npy": {}})
    folder.dumps()
    folder.dumps()
    assert len(read) == 2  # it was just written: a further change may bear the same time
    os.utime(manifest, ns=(10**18, 10**18))
    for _ in range(3):
        folder.dumps()
    assert len(read) == 3
    monkeypatch.undo()
    other = Folder(folder.path, str, remade="")
    other.write("b.npy", np.ones(3))
    assert set(folder.dumps()) == {"a.npy", "b.npy"}
    for entry in ("c.npy", "d.npy"):  # of the same length, at once
        rewrite(manifest, "b.npy", entry)
        assert set(folder.dumps()) == {"a.npy", entry}
        rewrite(manifest, entry, "b.npy")
    manifest.unlink()
    assert folder.dumps() == {}


def test_a_dump_is_hashed_once_and_again_when_it_changes(folder, monkeypatch):
    folder.write("a.npy", np.zeros(3))
    path, hashed = folder.path / "a.npy", []
    of_file = folder_lib.files.sha256
    monkeypatch.setattr(folder_lib.files, "sha256", lambda p: hashed.append(p) or of_file(p))
    folder.read("a.npy")
    folder.read("a.npy")
    assert len(hashed) == 2  # just written: a change may not show in its time yet
    os.utime(path, (1e9, 1e9))
    for _ in range(3):
        folder.read("a.npy")
    assert len(hashed) == 3
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(UserError, match="does not match its sha256"):
        folder.read("a.npy")
