"""oneDNN's C API by ctypes: finding the library, and primitives that are built once a geometry.

oneDNN is Intel's open library of neural network kernels for CPUs
(https://uxlfoundation.github.io/oneDNN/). The wheel of the extra `onednn` brings libdnnl.so.3
without headers, so the few names that are used of dnnl_types.h are written down here.
"""

import contextlib
import ctypes
import functools
import importlib.metadata
import platform
import sys
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

PACKAGE = "onednn-cpu-gomp"

DTYPES = {"bfloat16": 2, "float32": 3}
_CPU, _IN_ORDER = 1, 1
_ANY_FORMAT = 1
_USER_SCRATCHPAD = 1
_SCRATCHPAD_MD = 136
SCRATCHPAD = 80
_RELU = 0x20


class Failed(RuntimeError):
    """A call of oneDNN returned an error status."""


_OUT_OF_MEMORY = 1
_STATUS = {2: "invalid arguments", 3: "unimplemented", 5: "runtime error"}


def exists_here() -> bool:
    """Whether the package has a file for this machine."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


@functools.cache
def library() -> ctypes.CDLL | None:
    """oneDNN, loaded; None where the package is not installed or its file cannot be loaded here."""
    if not exists_here():
        return None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, OSError):
        for file in importlib.metadata.files(PACKAGE) or ():
            if file.name == "libdnnl.so.3":
                return ctypes.CDLL(str(file.locate()))
    return None


@functools.cache
def function(name: str, *types, result: Any = ctypes.c_int) -> Any:
    """A function of oneDNN; the types of its arguments are checked if they are given."""
    loaded = library()
    if loaded is None:
        raise Failed("oneDNN is not installed")
    found: Any = loaded[name]  # by index, each has types of its own
    found.argtypes, found.restype = types or None, result
    return found


def check(status: int, name: str) -> None:
    """Raises Failed or MemoryError if a function of this name returned an error status."""
    if status == _OUT_OF_MEMORY:
        raise MemoryError(f"oneDNN: {name}: out of memory")
    if status:
        raise Failed(f"oneDNN: {name}: {_STATUS.get(status, f'status {status}')}")


def call(name: str, *arguments) -> None:
    """Calls a function of oneDNN that returns a status, which is checked."""
    check(function(name)(*arguments), name)


def made(name: str, *arguments) -> ctypes.c_void_p:
    """What a function of oneDNN makes, whose first argument is the place for it."""
    found = ctypes.c_void_p()
    call(name, ctypes.byref(found), *arguments)
    return found


def ints(values: Sequence[int]):
    return (ctypes.c_int64 * len(values))(*values)


def number(value: float) -> ctypes.c_float:
    return ctypes.c_float(value)


@functools.cache
def engine() -> ctypes.c_void_p:
    return made("dnnl_engine_create", _CPU, ctypes.c_size_t(0))


def description(
    dims: Sequence[int], dtype: str, strides: Sequence[int] | None = None
) -> ctypes.c_void_p:
    """An array in oneDNN's order of axes; without strides, in the order it likes best."""
    if strides is None:
        return made(
            "dnnl_memory_desc_create_with_tag", len(dims), ints(dims), DTYPES[dtype], _ANY_FORMAT
        )
    return made(
        "dnnl_memory_desc_create_with_strides", len(dims), ints(dims), DTYPES[dtype], ints(strides)
    )


@functools.cache
def attributes(slope: float | None = None) -> ctypes.c_void_p:
    """Scratch memory comes from the caller, so that threads can share a primitive.

    Args:
      slope: of a leaky ReLU that the primitive applies to its result; none by default.
    """
    found = made("dnnl_primitive_attr_create")
    call("dnnl_primitive_attr_set_scratchpad_mode", found, _USER_SCRATCHPAD)
    if slope is not None:
        after = made("dnnl_post_ops_create")
        call("dnnl_post_ops_append_eltwise", after, _RELU, number(slope), number(0))
        call("dnnl_primitive_attr_set_post_ops", found, after)
    return found


def queried(primitive_desc: ctypes.c_void_p, what: int) -> ctypes.c_void_p:
    query = function("dnnl_primitive_desc_query_md", result=ctypes.c_void_p)
    return ctypes.c_void_p(query(primitive_desc, what, 0))


def same(a: ctypes.c_void_p, b: ctypes.c_void_p) -> bool:
    return bool(function("dnnl_memory_desc_equal")(a, b))


def size(desc: ctypes.c_void_p) -> int:
    """Bytes of an array of this description."""
    return function("dnnl_memory_desc_get_size", result=ctypes.c_size_t)(desc)


class _Argument(ctypes.Structure):
    _fields_ = (("role", ctypes.c_int), ("memory", ctypes.c_void_p))


class _Arguments(NamedTuple):
    """What one call at a time uses of a primitive."""

    memories: list[int | None]
    list: Any
    stream: int | None


class Primitive:
    """One primitive and the memory it reads and writes, for calls from any thread.

    Args:
      desc: its primitive description.
      roles: oneDNN's number of each argument, with the description of its memory.
    """

    def __init__(self, desc: ctypes.c_void_p, roles: Sequence[tuple[int, ctypes.c_void_p]]):
        self._primitive = made("dnnl_primitive_create", desc).value
        scratchpad = queried(desc, _SCRATCHPAD_MD)
        self._scratch_bytes = size(scratchpad)
        self._roles = [*roles, (SCRATCHPAD, scratchpad)]
        self._free: list[_Arguments] = []  # as many as there were calls at the same time
        self._place = function("dnnl_memory_set_data_handle", ctypes.c_void_p, ctypes.c_void_p)
        types = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._execute = function("dnnl_primitive_execute", *types)

    def run(self, addresses: Sequence[int]) -> None:
        """Runs it on the memory at these addresses, one a role; waits for the result."""
        try:
            mine = self._free.pop()
        except IndexError:
            mine = self._arguments()
        place = self._place
        places = (*addresses, scratch("scratchpad", self._scratch_bytes))
        for memory, address in zip(mine.memories, places, strict=True):
            place(memory, address)
        status = self._execute(self._primitive, mine.stream, len(places), mine.list)
        self._free.append(mine)
        if status:
            check(status, "dnnl_primitive_execute")

    def _arguments(self) -> _Arguments:
        memories = [
            made("dnnl_memory_create", desc, engine(), ctypes.c_void_p(None)).value
            for _, desc in self._roles
        ]
        pairs = zip(self._roles, memories, strict=True)
        listed = (_Argument * len(memories))(*(_Argument(role, m) for (role, _), m in pairs))
        return _Arguments(memories, listed, made("dnnl_stream_create", engine(), _IN_ORDER).value)


_SCRATCH = threading.local()


def scratch(name: str, num_bytes: int) -> int:
    """The address of memory of this thread's own, which grows to the largest that is asked for."""
    held = _SCRATCH.__dict__.get(name)
    if held is None or len(held) < num_bytes + 64:
        held = _SCRATCH.__dict__[name] = (ctypes.c_char * (num_bytes + 64))()
    return -(-ctypes.addressof(held) // 64) * 64
