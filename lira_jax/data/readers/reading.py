"""What goes wrong inside a file the user named, told in one line."""

import contextlib
import functools
import gzip
import io
import json
import lzma
import os
import pathlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from lira_jax.errors import UserError

_DAMAGED = (
    EOFError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # an encrypted member
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)


@contextlib.contextmanager
def reading(name: str | pathlib.Path) -> Iterator[None]:
    """Turns what an unreadable, truncated or corrupt file raises into a UserError that begins with
    name."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{name}: {error.strerror or one_line(error)}; give a readable, whole file"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: damaged, or not UTF-8 text ({one_line(error)}); save it as UTF-8, or get it "
            "again"
        ) from error
    except _DAMAGED as error:
        raise UserError(
            f"{name}: damaged, truncated or not of this format ({one_line(error)}); get it again"
        ) from error


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises:
      ValueError: it is none, or nested too deeply for Python, which raises RecursionError.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def regular(path: pathlib.Path, mend: str = "restore the file") -> None:
    """Checks that this is a file: a pipe or a device may never end.

    Args:
      path: the file.
      mend: what to do where it is something else, for the message.

    Raises:
      FileNotFoundError: there is nothing.
      UserError: it is something else.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise UserError(f"{path}: {what}, not a file; {mend}")


@functools.cache
def memory() -> int:
    """Bytes of memory that this process may take, of the machine or of its container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        total = min(total, int(pathlib.Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def bytes_in_words(count: int) -> str:
    """Such as 3.1 GiB."""
    for unit, shift in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.4g} {unit}"
    return f"{count} bytes"


def open_plain_or_gzip(path: pathlib.Path) -> io.BufferedIOBase:
    """Opens a file for reading bytes, through gzip when its first two bytes say so.

    Raises:
      UserError: it is no file; while it is read, it is larger than the memory.
    """
    regular(path)
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    if compressed:
        return _Bounded(path)
    check_size(path.stat().st_size, path)
    return path.open("rb")


def check_size(count: int, source: str | pathlib.Path) -> None:
    """Checks that so many bytes can be held.

    Raises:
      UserError: they are more than the memory.
    """
    if count > memory():
        raise UserError(
            f"{source}: it has {bytes_in_words(count)}, and this machine has "
            f"{bytes_in_words(memory())} of memory; give a smaller file"
        )


class _Bounded(gzip.GzipFile):
    """Is not read beyond the memory: a small file may unpack to any size."""

    def __init__(self, path: pathlib.Path):
        super().__init__(path)
        self._path = path

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size >= 0:
            return self._counted(super().read(size))
        return b"".join(iter(lambda: self._counted(super(_Bounded, self).read(1 << 20)), b""))

    def read1(self, size: int = -1) -> bytes:
        return self._counted(super().read1(size))

    def _counted(self, data: bytes) -> bytes:
        check_size(self.tell(), self._path)
        return data


def open_archive(path: pathlib.Path) -> tarfile.TarFile:
    """Opens a tar archive, first read to its end: tarfile itself stops short of gzip's checksum."""
    with open_plain_or_gzip(path) as file:
        while file.read(1 << 20):
            pass
    return tarfile.open(path)


def open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedIOBase:
    """Opens a member that is a regular file."""
    check_size(member.size, member.name)
    file = archive.extractfile(member)
    assert isinstance(file, io.BufferedReader)  # None is for links and folders
    return file


def one_line(error: Exception) -> str:
    """The error's text without line breaks, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
