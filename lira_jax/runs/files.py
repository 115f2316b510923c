"""Files that are whole or not there: written, renamed at the end, read without pickle."""

import contextlib
import errno
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO

import numpy as np
import psutil

from lira_jax.data.readers import numpy_file
from lira_jax.data.readers.reading import regular
from lira_jax.errors import UserError

_HOUR = 3600.0  # seconds
_CLOCKS = 10.0  # by how many seconds a file's time and a process's may disagree


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
    match = re.fullmatch(r"\.([^@]+)@(\d+)\..+", path.name)
    return (match[1], int(match[2])) if match else None


def temporary_name(path: pathlib.Path) -> pathlib.Path:
    """A name beside `path` that no process on any host uses: containers share process ids."""
    return path.with_name(f".{platform.node()}@{os.getpid()}.{path.name}")


def is_abandoned(path: pathlib.Path, living: Collection[tuple[str, int]] = ()) -> bool:
    """Whether this is a temporary file, or folder, whose writer lives no more.

    Of writers on other machines nothing but their claims is known; what one without a claim wrote
    to in the last hour is taken for a living one's.

    Args:
      living: host and process id of processes that are known to live, wherever.
    """
    writer = writer_of(path)
    if writer is None:
        return False
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:  # it has its name by now
        return False
    host, pid = writer
    here = host == platform.node()
    if here and pid == os.getpid():  # a container that starts anew gives the same number
        return not _writes(pid, written)
    if writer in living:
        return False
    return not _writes(pid, written) if here else time.time() - written > _HOUR


def size(path: pathlib.Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    inside = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in inside:
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _writes(pid: int, written: float) -> bool:
    """Whether the process of this number on this machine can have written something at a time.

    A process that has ended may keep its number until its parent takes note, which in some
    containers none ever does; and one that began later has the number of another.
    """
    try:
        process = psutil.Process(pid)
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not ended and process.create_time() <= written + _CLOCKS
    except (psutil.NoSuchProcess, OverflowError):
        return False
    except psutil.AccessDenied:
        return True


def abandoned(folder: pathlib.Path, living: Collection[tuple[str, int]] = ()) -> list[pathlib.Path]:
    """The temporary files and folders below a folder that `is_abandoned` is true of."""
    found = []
    for parent, folders, names in os.walk(folder):
        left = [n for n in folders if is_abandoned(pathlib.Path(parent, n), living)]
        folders[:] = [n for n in folders if n not in left]
        left += [n for n in names if is_abandoned(pathlib.Path(parent, n), living)]
        found += [pathlib.Path(parent, n) for n in left]
    return sorted(found)


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


def sha256_of_npy(array: np.ndarray) -> str:
    """The hash of the .npy file that `npy_writer` makes of an array."""
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    return hashlib.sha256(content.getvalue()).hexdigest()


def sha256_of_folder(folder: pathlib.Path, apart: Collection[str] = ()) -> str:
    """The hash of the names and bytes of all files below a folder, in hexadecimal.

    Args:
      apart: names of files in the folder itself that do not count.
    """
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for name in names:
        if name not in apart:
            digest.update(f"{sha256(folder / name)}  {name}\n".encode())
    return digest.hexdigest()


def sha256_of_json(value: Any) -> str:
    """The hash of what JSON says, however it is laid out, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
