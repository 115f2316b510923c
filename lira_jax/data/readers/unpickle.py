"""Reads pickled dictionaries of numpy arrays without letting the pickle run anything.

A pickle names functions and has them called, so an ordinary load of a downloaded file runs whatever
its author liked. Here the few names that a numpy array needs stand for plain classes of this file,
and every other name is refused. Protocols 0 to 5 load, from Python 2 and 3.
"""

import io
import pickle
from typing import Any, Literal

import numpy as np

from lira_jax.data.readers.reading import one_line
from lira_jax.errors import UserError

_NUMBERS = {"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"}


def loads(data: bytes, source: str) -> dict[str, Any]:
    """Unpickles a dictionary of numbers, text, bytes, lists and numpy arrays.

    Args:
      data: The pickle.
      source: What error messages begin with.

    Returns:
      The dictionary, its keys as str, its top-level arrays as read-only numpy arrays. Text of
      Python 2 is decoded as latin1, which keeps every byte.

    Raises:
      UserError: The pickle asks for anything else, is damaged, or holds no dictionary.
    """
    try:
        content = _Unpickler(io.BytesIO(data), source).load()
    except UserError:
        raise
    except Exception as error:  # a damaged pickle can raise almost anything
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(
            f"{source}: damaged or not a pickle of arrays ({reason}); get it again"
        ) from error
    if not isinstance(content, dict):
        raise UserError(
            f"{source}: holds a {type(content).__name__}, not a dictionary of arrays; get it again"
        )
    return {
        _text(key) if isinstance(key, bytes) else str(key): value.values
        if isinstance(value, _Array)
        else value
        for key, value in content.items()
    }


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, source: str):
        super().__init__(file, encoding="latin1")
        self._source = source

    def find_class(self, module: str, name: str):
        # Made anew at every call: a pickle may set attributes of what it is given, so it gets
        # nothing shared.
        allowed = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _DType,
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("numpy.core.numeric", "_frombuffer"): lambda *arguments: _Array().fill(*arguments),
            ("numpy._core.numeric", "_frombuffer"): lambda *arguments: _Array().fill(*arguments),
            # How Python 3 writes bytes in protocols 0 to 2.
            ("_codecs", "encode"): lambda text, encoding: text.encode("latin1"),
        }
        if (module, name) not in allowed:
            raise UserError(
                f"{self._source}: refused, it asks to run {module}.{name}; get it from its authors"
            )
        return allowed[module, name]


class _DType:
    """Stands for numpy.dtype while a pickle is read."""

    def __init__(self, code, *_):
        self.code, self.byte_order = _text(code), "|"

    def __setstate__(self, state):
        self.byte_order = _text(state[1])

    def resolve(self) -> np.dtype:
        if self.code not in _NUMBERS or self.byte_order not in ("<", ">", "|", "="):
            raise ValueError(f"an array of type {self.byte_order}{self.code}")
        return np.dtype(self.byte_order + self.code)


class _Array:
    """Stands for numpy.ndarray, and for the function that makes an empty one, while a pickle is
    read."""

    def __init__(self, *_):
        self.values = None

    def __setstate__(self, state):
        _, shape, dtype, fortran_order, data = state
        self.fill(data, dtype, shape, "F" if fortran_order else "C")

    def fill(self, data, dtype: _DType, shape, order: Literal["C", "F"]) -> "_Array":
        data = data.encode("latin1") if isinstance(data, str) else data
        self.values = np.frombuffer(data, dtype.resolve()).reshape(shape, order=order)
        self.values.flags.writeable = False
        return self


def _text(value) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value
