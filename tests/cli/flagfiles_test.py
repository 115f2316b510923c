"""What a flag file may be."""

import os
import pathlib

import pytest
from absl import flags

from lira_jax.cli import flagfiles


@pytest.fixture
def read():
    """The lines of --flagfile=PATH."""
    return lambda *words: flagfiles.Values().read_flags_from_files(list(words))


def test_files_of_flags_are_read_also_from_one_another(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("--x=ä\n# --flagfile=/dev/zero\n\n--flagfile=b\n--flagfile=a\n")
    (tmp_path / "b").write_text("--y=2\n")
    assert read("--flagfile=a", "--z=3") == ["--x=ä", "--y=2", "--z=3"]
    assert read("--flagfile", "b", "--flagfile=") == ["--y=2"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/dev/zero", "a pipe or a device"),
        ("pipe", "a pipe or a device"),
        ("", "a folder"),
        ("bytes", "not UTF-8"),
        ("large", "it has 1048577 bytes"),
    ],
)
@pytest.mark.parametrize("way", ["--flagfile={}", "-flagfile={}", "nested"])
def test_what_is_no_text_of_some_size_is_told(read, tmp_path, name, told, way):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"--x=\xff\n")
    (tmp_path / "large").write_bytes(bytes(flagfiles.LIMIT + 1))
    path = tmp_path / name
    if way == "nested":
        (tmp_path / "nested").write_text(f"--x=1\n--flagfile={path}\n")
        path, way = tmp_path / "nested", "--flagfile={}"
    with pytest.raises(flags.Error, match=told):
        read(way.format(path))


def test_a_file_that_is_not_there_is_told_by_absl(read):
    with pytest.raises(flags.Error, match="nowhere"):
        read("--flagfile", "nowhere")


@pytest.mark.parametrize("words", [["--config=digits"], ["-config=digits"], ["--config", "digits"]])
def test_a_config_is_the_file_of_its_name_in_the_order_of_the_command_line(read, words):
    folder = pathlib.Path(__file__).parents[2] / "configs"
    lines = [line for line in (folder / "digits.flags").read_text().splitlines() if line[0] == "-"]
    assert read("--epochs=1", *words, "--epochs=2") == ["--epochs=1", *lines, "--epochs=2"]
    assert flagfiles.configs() == sorted(path.stem for path in folder.glob("*.flags"))


def test_a_bundle_has_a_name_too(read):
    assert "--optimizer=adam" in read("--config=bundles/adam")


@pytest.mark.parametrize("name", ["digts", "", "../configs/digits", "bundles/no"])
def test_a_config_that_there_is_not_is_told(read, name):
    with pytest.raises(flags.Error, match=f"--config={name}: .*it is one of cifar10.*, digits, "):
        read(f"--config={name}")
