"""What goes wrong inside a file the user named, told in one line."""

import contextlib
import gzip
import io
import lzma
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from lira_jax.errors import UserError

_DAMAGED = (
    EOFError,
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


def open_plain_or_gzip(path: pathlib.Path) -> io.BufferedIOBase:
    """Opens a file for reading bytes, through gzip when its first two bytes say so."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if compressed else path.open("rb")


def open_archive(path: pathlib.Path) -> tarfile.TarFile:
    """Opens a tar archive, first read to its end: tarfile itself stops short of gzip's checksum."""
    with open_plain_or_gzip(path) as file:
        while file.read(1 << 20):
            pass
    return tarfile.open(path)


def open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedIOBase:
    """Opens a member that is a regular file."""
    file = archive.extractfile(member)
    assert isinstance(file, io.BufferedReader)  # None is for links and folders
    return file


def one_line(error: Exception) -> str:
    """The error's text without line breaks, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
