"""Files are whole or not there, and what is read is what was written."""

import hashlib
import io
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.errors import UserError
from lira_jax.runs import files


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 7), max_size=4),
    dtype=st.sampled_from(["<f4", "<f8", "|b1", "<i4"]),
    order=st.sampled_from("CF"),
)
def test_pieces_make_the_very_file_that_numpy_saves(tmp_path_factory, cuts, dtype, order):
    array = np.asarray(np.arange(42).reshape(7, 3, 2) % 5, dtype, order=order)
    path = tmp_path_factory.mktemp("pieces") / "a.npy"
    with files.npy_writer(path, array.shape, array.dtype) as write:
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 7], strict=True):
            write(array[start:end])
    expected = io.BytesIO()
    np.save(expected, np.ascontiguousarray(array))
    assert path.read_bytes() == expected.getvalue()
    assert os.listdir(path.parent) == ["a.npy"]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([np.ones((2, 3))], "2 of 4 rows"),
        ([np.ones((5, 3))], "5 of 4 rows"),
        ([np.ones((4, 2))], r"rows of shape \(2,\), not \(3,\)"),
        ([np.ones((2, 3)), np.ones(2)], r"rows of shape \(\), not \(3,\)"),
    ],
)
def test_a_file_that_is_not_filled_does_not_appear(tmp_path, pieces, message):
    (tmp_path / "a.npy").write_text("as before")

    def fill():
        with files.npy_writer(tmp_path / "a.npy", (4, 3), np.float32) as write:
            for piece in pieces:
                write(piece)

    with pytest.raises(ValueError, match=message):
        fill()
    assert os.listdir(tmp_path) == ["a.npy"]
    assert (tmp_path / "a.npy").read_text() == "as before"


@pytest.mark.parametrize("mapped", [False, True])
def test_every_truncation_is_one_line_that_names_the_file(tmp_path, mapped):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    whole = path.read_bytes()
    np.testing.assert_array_equal(files.load_npy(path, mapped=mapped), [[0, 1, 2], [3, 4, 5]])
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"{path} is not a whole .npy file") as error:
            files.load_npy(path, mapped=mapped)
        assert "\n" not in str(error.value)


def test_other_things_than_an_array_are_told_apart(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        files.load_npy(tmp_path / "a.npy")
    with open(tmp_path / "a.npy", "wb") as file:
        np.savez(file, x=np.ones(3))
    with pytest.raises(UserError, match=r"is an .npz archive, .* save the array alone"):
        files.load_npy(tmp_path / "a.npy")


def test_what_is_mapped_cannot_be_written(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        files.load_npy(tmp_path / "a.npy", mapped=True)[0] = 2


@pytest.mark.parametrize("host", ["a", "7", "gpu-7", "pod.of.a.cluster", "127.0.0.1"])
def test_a_temporary_name_tells_its_writer(host, monkeypatch):
    path = pathlib.Path("/run/scores/0007.npy")
    monkeypatch.setattr(files.platform, "node", lambda: host)
    temporary = files.temporary_name(path)
    assert temporary.parent == path.parent
    assert files.writer_of(temporary) == (host, os.getpid())
    assert files.writer_of(path) is None


def test_only_what_a_writer_left_that_lives_no_more_is_abandoned(tmp_path, monkeypatch):
    host = files.platform.node()
    mine, gone = f".{host}@{os.getpid()}.a", f".{host}@99999999.a"
    theirs, old = ".node7@1.a", ".node7@2.a"
    (tmp_path / "b").mkdir()
    for name in (mine, gone, theirs, old, "a", ".lock", "b/c"):
        (tmp_path / name).write_text("12345")
    (tmp_path / "b" / gone).mkdir()
    (tmp_path / "b" / gone / "d").write_text("123")
    os.utime(tmp_path / old, (0, 0))
    found = files.abandoned(tmp_path)
    assert found == sorted([tmp_path / gone, tmp_path / old, tmp_path / "b" / gone])
    assert sum(map(files.size, found)) == 5 + 5 + 3
    assert files.abandoned(tmp_path, {("node7", 2), (host, 99999999)}) == []
    assert not files.is_abandoned(tmp_path / ".node7@3.a")  # it has its name by now


def test_a_process_that_ended_and_one_of_the_same_number_are_no_writers(tmp_path):
    host = files.platform.node()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it keeps its number
    running = subprocess.Popen(["sleep", "60"])
    try:
        for pid in (ended.pid, running.pid):
            (tmp_path / f".{host}@{pid}.new").touch()
            (tmp_path / f".{host}@{pid}.old").touch()
            os.utime(tmp_path / f".{host}@{pid}.old", (0, 0))
        found = {path.name for path in files.abandoned(tmp_path)}
    finally:
        running.kill()
        running.wait()
        ended.wait()
    pids = (ended.pid, ended.pid, running.pid)
    names = zip(pids, ("new", "old", "old"), strict=True)
    assert found == {f".{host}@{pid}.{age}" for pid, age in names}


def test_a_file_of_this_process_s_number_from_before_it_began_is_abandoned(tmp_path):
    """As in a container that is started anew, whatever claims the process now has."""
    name = files.temporary_name(tmp_path / "a").name
    (tmp_path / name).touch()
    living = {(files.platform.node(), os.getpid())}
    assert files.abandoned(tmp_path, living) == []
    os.utime(tmp_path / name, (0, 0))
    assert files.abandoned(tmp_path, living) == [tmp_path / name]


def test_the_hash_of_a_folder_is_that_of_names_and_bytes(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_text("1")
    first = files.sha256_of_folder(tmp_path)
    (tmp_path / "about").write_text("anything")
    assert files.sha256_of_folder(tmp_path, ["about"]) == first
    (tmp_path / "a/b/c").write_text("2")
    assert files.sha256_of_folder(tmp_path, ["about"]) != first
    (tmp_path / "a/b/c").write_text("1")
    (tmp_path / "a/b/c").rename(tmp_path / "a/b/d")
    assert files.sha256_of_folder(tmp_path, ["about"]) != first


@pytest.mark.parametrize("name", [".lock", ".gitignore", "manifest.json", ".a@b.npy", "a@7.npy"])
def test_other_files_have_no_writer(name):
    assert files.writer_of(pathlib.Path("/run", name)) is None


def test_the_hash_is_that_of_the_bytes(tmp_path):
    for content in (b"", b"abc", bytes(2**20 + 1)):
        (tmp_path / "a").write_bytes(content)
        assert files.sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
