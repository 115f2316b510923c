"""Calls from XLA's compiled programs into Python functions of memory addresses.

The structures are those of xla/ffi/api/c_api.h, which jaxlib brings along (jax.ffi.include_dir());
newer versions add fields at their ends alone.
"""

import ctypes
import functools
import itertools
import math
import operator
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax

_EXECUTE = 3
_METADATA = 1
_OUT_OF_MEMORY, _INTERNAL_ERROR = 8, 13
_HANDLER = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

RANK = 4  # axes of images and kernels


class _Extension(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("metadata", ctypes.c_void_p),  # of the extension for metadata
    )


class _Headed(ctypes.Structure):  # the beginning of those below
    _fields_: ClassVar[Sequence[tuple[str, Any]]] = (
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
    )


class _Version(_Headed):
    _fields_ = (
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
    )


class _Metadata(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("version", _Version),
        ("traits", ctypes.c_uint32),
    )


class _Values(_Headed):  # XLA_FFI_Args and XLA_FFI_Rets
    _fields_ = (
        ("size", ctypes.c_int64),
        ("types", ctypes.c_void_p),
        ("values", ctypes.POINTER(ctypes.c_void_p)),
    )


class _Attributes(_Headed):
    _fields_ = (
        ("size", ctypes.c_int64),
        ("types", ctypes.POINTER(ctypes.c_int)),
        ("names", ctypes.c_void_p),
        ("values", ctypes.POINTER(ctypes.c_void_p)),
    )


class _CallFrame(_Headed):
    _fields_ = (
        ("api", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
        ("stage", ctypes.c_int),
        ("arguments", _Values),
        ("results", _Values),
        ("attributes", _Attributes),
    )


class _Buffer(_Headed):
    _fields_ = (
        ("dtype", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("rank", ctypes.c_int64),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    )


class _Span(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _ErrorArguments(_Headed):
    _fields_ = (
        ("message", ctypes.c_char_p),
        ("code", ctypes.c_int),
    )


class _Api(_Headed):  # its beginning
    _fields_ = (
        ("version", _Version),
        ("internal", ctypes.c_void_p),
        ("make_error", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorArguments))),
    )


@functools.cache
def _version() -> tuple[int, int]:
    """Of the interface that this jaxlib was built with."""
    header = pathlib.Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h"
    numbers = dict(re.findall(r"#define XLA_FFI_API_(MAJOR|MINOR) (\d+)", header.read_text()))
    return int(numbers["MAJOR"]), int(numbers["MINOR"])


_KEPT: list = []  # what XLA calls must live as long as the process
_BYTES = {6: 1, 11: 4, 16: 2}  # of uint8, float32 and bfloat16


def register(name: str, build: Callable[[str], Callable[[Sequence[int]], None]]) -> None:
    """Lets compiled programs on CPUs call Python functions of memory addresses.

    Such a call is one target of jax.ffi.ffi_call with vmap_method="expand_dims"; its one attribute,
    `key`, says what is to be done. Whatever it raises is the error of the program.

    Args:
      name: of the target.
      build: (key) -> function of the addresses of the operands, then the results, of one call. The
        first result has RANK axes without jax.vmap. The functions must be safe in several threads.
    """
    version = _version()
    runs: dict[bytes, Callable[[Sequence[int]], None]] = {}

    def handle(address: int) -> int | None:
        frame = _CallFrame.from_address(address)
        try:
            if frame.extension:
                extension = _Extension.from_address(frame.extension)
                if extension.type == _METADATA:
                    found = _Metadata.from_address(extension.metadata)
                    found.version.major, found.version.minor = version
                    found.traits = 0
                    return None
            if frame.stage == _EXECUTE:
                span = _Span.from_address(frame.attributes.values[0])
                key = ctypes.string_at(span.start, span.length)
                run = runs.get(key)
                if run is None:
                    run = runs[key] = build(key.decode())
                _run_each(run, frame)
        except BaseException as error:  # must not be lost: XLA would take the memory as it is
            said = f"{type(error).__name__}: {error}".encode()
            code = _OUT_OF_MEMORY if isinstance(error, MemoryError) else _INTERNAL_ERROR
            arguments = _ErrorArguments(ctypes.sizeof(_ErrorArguments), None, said, code)
            return _Api.from_address(frame.api).make_error(ctypes.byref(arguments))
        return None

    function = _HANDLER(handle)
    _KEPT.append(function)
    pointer = ctypes.cast(function, ctypes.c_void_p).value
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(pointer), platform="cpu")


def _run_each(run: Callable[[Sequence[int]], None], frame: _CallFrame) -> None:
    """Runs a function once, or under jax.vmap once an element of the leading axes.

    Operands that are not batched have leading axes of size 1.
    """
    buffers = [
        _Buffer.from_address(some.values[i])
        for some in (frame.arguments, frame.results)
        for i in range(some.size)
    ]
    first = buffers[frame.arguments.size]
    leading = first.rank - RANK
    if not leading:
        run([buffer.data for buffer in buffers])
        return
    steps = [_steps(buffer, leading) for buffer in buffers]
    for index in itertools.product(*map(range, first.dims[:leading])):
        run(
            [
                buffer.data + sum(map(operator.mul, index, step))
                for buffer, step in zip(buffers, steps, strict=True)
            ]
        )


def _steps(buffer: _Buffer, leading: int) -> list[int]:
    """Bytes from one element of each leading axis to the next; 0 where all share one."""
    dims = buffer.dims[: buffer.rank]
    sizes = [math.prod(dims[axis + 1 :]) * _BYTES[buffer.dtype] for axis in range(leading)]
    return [0 if dim == 1 else size for dim, size in zip(dims, sizes, strict=False)]
