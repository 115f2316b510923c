import os
import struct
import zipfile

import numpy as np
import pytest

from lira_jax.data.readers import numpy_file, reading
from lira_jax.errors import UserError


def header(shape, descr="<f8"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-len(text) - 11 & 63) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (header((1 << 45,)), "256 TiB"),
        (header((1 << 62, 1 << 62)), "promises"),
        (header((1,) * 255), "a header of shape"),
        (header((-1,)), "a header of shape"),
        (header((2,)) + bytes(15), "promises 16 bytes, 15 bytes follow"),
        (header((2,), "|O") + bytes(16), "Python objects"),
        (header((2,), "nonsense"), "header|descr"),
        (b"\x93NUMPY\1\0\4\0((((", "header"),
        (b"\x93NUMPY\7\7", "version"),
        (b"", "not numpy data"),
        (b"\x80\4N.", "not numpy data, or Python objects"),
    ],
)
def test_a_header_that_promises_too_much_takes_no_memory(tmp_path, content, why, mapped):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match=why):
        numpy_file.load(tmp_path / "x.npy", mapped=mapped)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", content)
    with numpy_file.archive(tmp_path / "x.npz") as arrays, pytest.raises(ValueError, match=why):
        arrays["x"]()


def test_a_sparse_file_and_a_bomb_are_held_against_the_memory(tmp_path, monkeypatch):
    for module in (numpy_file, reading):
        monkeypatch.setattr(module, "memory", lambda: 1 << 20)
    with open(tmp_path / "x.npy", "wb") as file:
        file.write(header((1 << 40,)))
        file.truncate(file.tell() + (1 << 43))
    with pytest.raises(UserError, match="its arrays take 8 TiB, and this machine has 1 MiB"):
        numpy_file.load(tmp_path / "x.npy")
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1 << 20))
    with (
        numpy_file.archive(tmp_path / "x.npz") as arrays,
        pytest.raises(UserError, match="its arrays take 8 MiB"),
    ):
        arrays["x"]()
    import gzip

    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(4 << 20)))
    for read in (lambda f: f.read(), lambda f: [f.read1(1 << 16) for _ in range(99)]):
        with (
            reading.open_plain_or_gzip(tmp_path / "x.gz") as file,
            pytest.raises(UserError, match="and this machine has 1 MiB of memory"),
        ):
            read(file)


def test_a_pipe_and_a_device_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, what in (("pipe", "a pipe or a device"), ("zero", "a pipe or"), (".", "a folder")):
        with pytest.raises(UserError, match=what):
            numpy_file.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        numpy_file.load(tmp_path / "nothing")


def test_encrypted_members_and_unknown_compression_are_value_errors(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.arange(4))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    central = content.index(b"PK\1\2")
    for place, value, why in ((8, 1, "encrypted"), (10, 99, "compression")):
        changed = bytearray(content)
        changed[central + place] = changed[place - 2] = value
        (tmp_path / "x.npz").write_bytes(changed)
        with numpy_file.archive(tmp_path / "x.npz") as arrays, pytest.raises(ValueError, match=why):
            arrays["x"]()


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.array(5), np.array(["a", "bc"])])
def test_what_numpy_saves_is_read(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    np.testing.assert_array_equal(numpy_file.load(tmp_path / "x.npy"), array, strict=True)
    np.savez_compressed(tmp_path / "x.npz", x=array)
    assert numpy_file.is_archive(tmp_path / "x.npz")
    with numpy_file.archive(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["x"](), array, strict=True)
