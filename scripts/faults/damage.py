"""Ways to damage a file."""

import json
import os
import pathlib
import random
import struct
from collections.abc import Callable

import numpy as np

VALUES = (None, [], {}, "x", -1, 5, 1e308, True, [1, 2], {"a": 1}, "../../x", "x" * 5000)
"""What a field of a JSON file gets."""


def cut(path: pathlib.Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size + 1))


def flip_a_bit(path: pathlib.Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes() or b"x")
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def overwrite(path: pathlib.Path, chance: random.Random) -> None:
    """Some bytes anywhere."""
    content = bytearray(path.read_bytes() or b"x")
    for _ in range(chance.choice((1, 3, 30))):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)


def overwrite_head(path: pathlib.Path, chance: random.Random) -> None:
    """A byte of what may be a header."""
    content = bytearray(path.read_bytes() or b"x")
    content[chance.randrange(min(len(content), 120))] = chance.choice(b"0189-,()[]{}'\"\n\xff")
    path.write_bytes(content)


def delete(path: pathlib.Path, chance: random.Random) -> None:
    path.unlink()


def folder(path: pathlib.Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: pathlib.Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: pathlib.Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def loop(path: pathlib.Path, chance: random.Random) -> None:
    """A link to nothing, or to itself."""
    path.unlink()
    path.symlink_to(chance.choice(("nowhere", path.name)))


def text(path: pathlib.Path, chance: random.Random) -> None:
    path.write_bytes(
        chance.choice((b"5", b"null", b"{}", b"[]", b"\xff\xfe", b"", b"[" * 10**5, b"\0" * 99))
    )


def grow(path: pathlib.Path, chance: random.Random) -> None:
    """Bytes after the end, or its content twice."""
    content = path.read_bytes()
    path.write_bytes(content + chance.choice((b"\0", b"\n", content, bytes(4096))))


def array(path: pathlib.Path, chance: random.Random) -> None:
    """Another array."""
    shape = chance.choice(((), (0,), (60,), (4, 60), (60, 2), (1,) * 20, (60, 10), (60, 0)))
    kind = chance.choice(("f4", "f8", "i8", "?", "U3", "c8", "M8[s]", "f2", "u1"))
    found = np.random.default_rng(chance.randrange(99)).integers(-9, 9, shape)
    with path.open("wb") as file:
        np.save(file, found.astype(kind))


def promise(path: pathlib.Path, chance: random.Random) -> None:
    """A header of an array that is larger than any memory, or of no shape."""
    shape = chance.choice(((1 << 45,), (1 << 62, 4), (1,) * 255, (-1,), (1 << 70,)))
    header = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-len(header) - 11 & 63) + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)


def value(path: pathlib.Path, chance: random.Random) -> None:
    """Another value in JSON, or one less. A hash in it is left out, as earlier versions did."""
    edit(path, chance, hashed=False)


def hashed_value(path: pathlib.Path, chance: random.Random) -> None:
    """Another value in JSON, beside the hash of what was there."""
    edit(path, chance, hashed=True)


def edit(path: pathlib.Path, chance: random.Random, *, hashed: bool) -> None:
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return overwrite(path, chance)
    holder = found
    for _ in range(chance.randrange(4)):
        inside = holder.values() if isinstance(holder, dict) else holder
        inner = [v for v in inside if isinstance(v, dict | list) and v]
        if not inner:
            break
        holder = chance.choice(inner)
    if isinstance(holder, dict | list) and holder:
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        old = holder[key]
        if chance.random() < 0.3:
            del holder[key]
        elif type(old) in (int, float) and chance.random() < 0.5:
            holder[key] = chance.choice((old + 1, old * 2, old + 0.5, -old))
        else:
            holder[key] = chance.choice(VALUES)
    if isinstance(found, dict) and not hashed:
        found.pop("sha256", None)
    path.write_text(json.dumps(found))


Way = Callable[[pathlib.Path, random.Random], None]
CONTENT: tuple[Way, ...] = (cut, flip_a_bit, overwrite, overwrite_head, text, grow)
ANY: tuple[Way, ...] = (*CONTENT, *CONTENT, delete, folder, pipe, endless, loop)


def ways(path: pathlib.Path, chance: random.Random) -> tuple[Way, ...]:
    """Ways that suit a file."""
    suited = {".npy": (array, promise) * 2, ".json": (hashed_value,) * 8}
    return ANY + suited.get(path.suffix, ())


def at_random(path: pathlib.Path, chance: random.Random) -> Way:
    """Damages a file, and says how."""
    way = chance.choice(ways(path, chance))
    way(path, chance)
    return way
