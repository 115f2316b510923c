"""Files that are whole or not there: written, renamed at the end, read without pickle."""

import contextlib
import errno
import hashlib
import os
import pathlib
import platform
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from lira_jax.data.readers import numpy_file
from lira_jax.data.readers.reading import regular
from lira_jax.errors import UserError


def load_npy(path: pathlib.Path, *, mapped: bool = False) -> np.ndarray:
    """Reads a .npy file without pickle.

    Args:
      mapped: map it into memory, read-only, instead.

    Raises:
      UserError: missing, truncated, or not such a file.
    """
    try:
        if numpy_file.is_archive(path):
            raise UserError(
                f"{path} is an .npz archive, not a .npy file; save the array alone with numpy.save"
            )
        array = numpy_file.load(path, mapped=mapped)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UserError:
        raise
    except (ValueError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} is not a whole .npy file ({reason}): restore it, or make it again"
        ) from None
    return np.asarray(array)


def writer_of(path: pathlib.Path) -> tuple[str, int] | None:
    """The host and process id of the writer of a temporary file; None if it is no such file."""
    match = re.fullmatch(r"\.(.+)@(\d+)\..+", path.name)
    return (match[1], int(match[2])) if match else None


def temporary_name(path: pathlib.Path) -> pathlib.Path:
    """A name beside `path` that no process on any host uses: containers share process ids."""
    return path.with_name(f".{platform.node()}@{os.getpid()}.{path.name}")


@contextlib.contextmanager
def replacing_path(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary name; its file becomes `path` if the block succeeds, else it vanishes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"{path} could not be written: the disk is full; free some space and run again"
            ) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[BinaryIO]:
    """The same, opened for writing bytes, which are on the disk before the file has its name."""
    with replacing_path(path) as temporary, open(temporary, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def npy_writer(
    path: pathlib.Path, shape: tuple[int, ...], dtype
) -> Iterator[Callable[[np.ndarray], None]]:
    """Writes a .npy file piece by piece along its first axis, never holding it in memory.

    Yields:
      A function that appends rows. The file appears when the block ends, if all rows were given.
    """
    dtype, rows = np.dtype(dtype), 0
    with replacing(path) as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": tuple(shape),
        }
        np.lib.format.write_array_header_1_0(file, header)

        def write(piece: np.ndarray) -> None:
            nonlocal rows
            if piece.shape[1:] != tuple(shape[1:]):
                raise ValueError(f"rows of shape {piece.shape[1:]}, not {shape[1:]}, for {path}")
            rows += len(piece)
            file.write(np.ascontiguousarray(piece, dtype).data)

        yield write
        if rows != shape[0]:
            raise ValueError(f"{rows} of {shape[0]} rows of {path} were written")


def sha256(path: pathlib.Path) -> str:
    """The hash of a file's bytes, in hexadecimal.

    Raises:
      UserError: it is no file.
    """
    regular(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
