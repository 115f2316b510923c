"""Opens .npy and .npz files that may be from anyone: without pickle, and never more than is there.

numpy allocates what a header promises before it reads, and a header of a few bytes can promise any
size. A pipe or a device in the place of a file would never end.
"""

import contextlib
import math
import pathlib
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from lira_jax.data.readers.reading import bytes_in_words, memory, one_line, reading, regular
from lira_jax.errors import UserError

_MAGIC = b"\x93NUMPY"
_HEADERS: dict[tuple[int, int], Callable] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # the same, in UTF-8
}


def load(path: pathlib.Path, *, mapped: bool = False) -> np.ndarray:
    """The array in a .npy file.

    Args:
      path: of a regular file, or a link to one.
      mapped: map it into memory, read-only, instead of reading it.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no .npy file of numbers or text, or not as long as its header says.
      UserError: it is no regular file, or memory does not suffice.
    """
    regular(path)
    with open(path, "rb") as file:
        _check(file, path.stat().st_size, path, in_memory=not mapped)
    array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    assert isinstance(array, np.ndarray)
    return array


def is_archive(path: pathlib.Path) -> bool:
    """Whether a regular file is an .npz, or another zip file, not a single array."""
    regular(path)
    with open(path, "rb") as file:
        return file.read(4)[:2] == b"PK"


@contextlib.contextmanager
def archive(path: pathlib.Path) -> Iterator[dict[str, Callable[[], np.ndarray]]]:
    """Yields name -> a function that reads the array, of the arrays in an .npz file.

    The functions raise ValueError of what is no array of numbers or text or is damaged,
    encrypted or compressed in an unknown way.

    Raises:
      ValueError: it is no zip file.
      UserError: it is no regular file; of a function, memory does not suffice.
    """
    regular(path)
    try:
        opened = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(one_line(error)) from None
    with opened as file:
        members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
        yield {name: _reader(file, info, path) for name, info in members.items()}


def _reader(
    file: zipfile.ZipFile, info: zipfile.ZipInfo, path: pathlib.Path
) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        try:
            with file.open(info) as stream:
                _check(stream, info.file_size, path)
            with file.open(info) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
        except (RuntimeError, NotImplementedError) as error:  # encrypted, unknown compression
            raise ValueError(one_line(error)) from None

    return read


def _check(file: IO[bytes], size: int, path: pathlib.Path, in_memory: bool = True) -> None:
    """Checks a header against the bytes that there are, and these against the memory."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("not numpy data, or Python objects")
    version = tuple(file.read(2))
    if version not in _HEADERS:
        raise ValueError(f"not numpy data of a known version, but {version}")
    try:
        shape, _, dtype = _HEADERS[version](file)
    except ValueError:
        raise
    except Exception as error:  # numpy takes a header apart as Python, with any exception of that
        raise ValueError(f"a damaged header ({one_line(error)})") from None
    if dtype.hasobject:
        raise ValueError("not numpy data, or Python objects")
    if len(shape) > _MOST_AXES or any(n < 0 for n in shape):
        raise ValueError(f"a header of shape {str(shape)[:40]}")
    promised = math.prod(shape) * dtype.itemsize
    held = size - file.tell()
    if promised > held:
        raise ValueError(
            f"its header promises {bytes_in_words(promised)}, {bytes_in_words(max(held, 0))} follow"
        )
    if in_memory and promised > memory():
        raise UserError(
            f"{path}: its arrays take {bytes_in_words(promised)}, and this machine has "
            f"{bytes_in_words(memory())} of memory; take fewer examples"
        )


_MOST_AXES = 32  # of any numpy


@contextlib.contextmanager
def told(source: str | pathlib.Path) -> Iterator[None]:
    """Turns what `load` and `archive` raise into a UserError that begins with the source."""
    with reading(source):
        try:
            yield
        except (ValueError, MemoryError) as error:
            if isinstance(error, (UserError, UnicodeDecodeError)):
                raise
            reason = one_line(error)
            if "pickle" in reason:  # numpy advises to load it unsafely
                reason = "not numpy data, or Python objects"
            raise UserError(
                f"{source}: {reason}; save arrays of numbers with numpy.save(z)"
            ) from error
