"""Throws odd command lines and damaged files at the commands; counts tracebacks and hangs.

    python scripts/fuzz_commands.py --minutes=5 --seed=0

Each case copies a small finished run, damages some of its files or a data set or writes odd flags,
and calls one command in this process. What it may do is succeed or refuse in one line; a traceback
or more than --seconds is a fault, which is printed with the case that repeats it (--case=N). Writes
nothing outside of a temporary folder.
"""

import argparse
import collections
import contextlib
import gzip
import importlib
import io
import json
import os
import pathlib
import pickle
import random
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
from absl import flags as absl_flags

from lira_jax.cli import flags
from lira_jax.errors import UserError

SMALL = "--dataset=digits --num_models=4 --num_examples=60 --epochs=1 --hidden=4 --queries=2"
STAGES = ("status", "attack", "report", "export", "score", "train")
ODD = (
    *(
        "",
        "-1",
        "0",
        "1",
        "nan",
        "inf",
        "1e400",
        "99999999999999999999",
        "x",
        "é",
        "\udcff",
        "a\0b",
    ),
    *(
        ",",
        ":",
        "0,0",
        "3:1",
        "::0",
        "..",
        "/",
        "/dev/null",
        "/dev/zero",
        "/proc/self",
        "~nobody/x",
    ),
    *("a" * 300, "a/" * 2500, "file:", "npz:", "tfds:", "os:system", "json:loads", "%s", "{0}"),
)
VALUES = (None, [], {}, "x", -1, 5, 1e308, True, [1, 2], {"a": 1}, "../../x", "x" * 5000)


class Late(BaseException):
    """A case has taken too long."""


def call(stage: str, arguments: list[str]) -> None:
    """Runs a command in this process; what it refuses is no error."""
    main = importlib.import_module(f"lira_jax.cli.{stage}").main
    command = [f"lira-{stage}", *arguments]
    sys.argv = command
    with contextlib.suppress(UserError, absl_flags.Error, SystemExit):
        try:
            flags.parse(command)
            main()
        except OSError as error:  # which the commands tell in a line (flags.run)
            if error.errno is None:
                raise


def damage(path: pathlib.Path, rng: random.Random) -> str:
    """Does something to a file, and says what."""
    content = path.read_bytes()

    def cut() -> None:
        path.write_bytes(content[: rng.randrange(len(content) + 1)])

    def flip() -> None:
        found = bytearray(content or b"x")
        for _ in range(rng.choice((1, 1, 3, 30))):
            found[rng.randrange(len(found))] = rng.randrange(256)
        path.write_bytes(found)

    def flip_head() -> None:
        found = bytearray(content or b"x")
        found[rng.randrange(min(len(found), 120))] = rng.choice(b"0189-,()[]{}'\"\n\xff")
        path.write_bytes(found)

    def folder() -> None:
        path.unlink()
        path.mkdir()

    def pipe() -> None:
        path.unlink()
        os.mkfifo(path)

    def link(to: str) -> Callable[[], None]:
        def make() -> None:
            path.unlink()
            path.symlink_to(to)

        return make

    def text() -> None:
        path.write_bytes(rng.choice((b"5", b"null", b"{}", b"[]", b"\xff\xfe", b"", b"[" * 10**5)))

    def array() -> None:
        shape = rng.choice(((), (0,), (60,), (4, 60), (60, 2), (1,) * 20, (60, 10), (60, 0)))
        kind = rng.choice(("f4", "f8", "i8", "?", "U3", "c8", "M8[s]", "f2", "u1"))
        found = np.random.default_rng(rng.randrange(99)).integers(-9, 9, shape)
        with path.open("wb") as file:
            np.save(file, found.astype(kind))

    def promise() -> None:
        shape = rng.choice(((1 << 45,), (1 << 62, 4), (1,) * 255, (-1,), (1 << 70,)))
        header = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
        header += b" " * (-len(header) - 11 & 63) + b"\n"
        path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)

    def value() -> None:
        try:
            found = json.loads(content)
        except ValueError:
            return flip()
        holder = found
        for _ in range(rng.randrange(4)):
            inner = [
                v
                for v in (holder.values() if isinstance(holder, dict) else holder)
                if isinstance(v, dict | list) and v
            ]
            if not inner:
                break
            holder = rng.choice(inner)
        if isinstance(holder, dict | list) and holder:
            key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if rng.random() < 0.3:
                del holder[key]
            else:
                holder[key] = rng.choice(VALUES)
        if isinstance(found, dict):
            found.pop("sha256", None)
        path.write_text(json.dumps(found))

    ways = [cut, flip, flip_head, folder, pipe, link("/dev/zero"), link("nowhere"), text]
    ways += {".npy": [array, promise] * 2, ".json": [value] * 8}.get(path.suffix, [])
    way = rng.choice(ways)
    way()
    return f"{way.__name__} {path.name}"


def data_sets(folder: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    """A small data set of each format: (--dataset, --data_path)."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 6), dtype=np.uint8), np.arange(60) % 3
    images = rng.integers(0, 256, (60, 3072), dtype=np.uint8)
    np.savez(folder / "x.npz", x=x, y=y)
    np.savez_compressed(folder / "packed.npz", x=x, y=y)
    (folder / "npy").mkdir()
    np.save(folder / "npy/x.npy", x)
    np.save(folder / "npy/y.npy", y)
    rows = "".join(f"{k},{','.join(map(str, row))}\n" for k, row in zip(y, x, strict=True))
    (folder / "rows.csv").write_text(rows)
    (folder / "rows.csv.gz").write_bytes(gzip.compress(rows.encode()))
    with tarfile.open(folder / "rows.tgz", "w:gz") as archive:
        archive.add(folder / "rows.csv", "rows.csv")
    (folder / "idx").mkdir()
    for name, array in (("images-idx3", images[:, :64].reshape(60, 8, 8)), ("labels-idx1", y)):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"idx/train-{name}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    cifar = folder / "cifar-10-batches-py"
    cifar.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {"data": images[:12], "labels": list(map(int, y[:12]))}
        (cifar / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {"label_names": [f"c{k}" for k in range(10)]}
    (cifar / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    import PIL.Image

    for k in range(2):
        (folder / f"images/{k}").mkdir(parents=True)
        for i, kind in enumerate(("png", "jpg", "gif", "bmp", "tif", "webp")):
            image = PIL.Image.fromarray(images[i, :192].reshape(8, 8, 3))
            image.save(folder / f"images/{k}/{i}.{kind}")
    return [
        *(("npz", folder / n) for n in ("x.npz", "packed.npz")),
        ("npy", folder / "npy"),
        *(("tabular", folder / n) for n in ("rows.csv", "rows.csv.gz", "rows.tgz")),
        *(("idx", folder / "idx"), ("cifar10", cifar), ("folder", folder / "images")),
    ]


def read_data(dataset: str, path: pathlib.Path) -> None:
    """What the commands do first with a data set."""
    from lira_jax.data import load

    with contextlib.suppress(UserError):
        load.load(dataset, str(path))


def case(number: int, seed: int, home: pathlib.Path) -> tuple[str, Callable[[], None]]:
    """One case in words, and what it does; `home` has run/, foreign/ and data/."""
    rng = random.Random(f"{seed}/{number}")
    work = home / "work"
    shutil.rmtree(work, ignore_errors=True)
    kind = rng.choice(("run", "run", "run", "flags", "flags", "data", "data", "foreign"))
    if kind == "data":
        source, sets = home / "data", json.loads((home / "data.json").read_text())
        shutil.copytree(source, work)
        dataset, relative = rng.choice(sets)
        path = work / relative
        files = [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file()]
        done = [damage(rng.choice(files), rng)]
        return f"{dataset} {done}", lambda: read_data(dataset, path)
    if kind == "foreign":
        shutil.copytree(home / "foreign", work)
        files = [p for p in sorted(work.rglob("*")) if p.is_file()]
        done = [damage(f, rng) for f in rng.sample(files, rng.choice((1, 1, 2)))]
        flag = [f"--workdir={work}", f"--out={home / 'work.out'}", "--attacks=loss,phi"]
        return f"foreign {done}", lambda: call("attack", flag)
    shutil.copytree(home / "run", work)
    stage = rng.choices(STAGES, (6, 6, 1, 4, 2, 1))[0]
    arguments = [f"--workdir={work}"]
    if stage == "attack":
        arguments.append("--attacks=loss,phi")
    if stage == "export":
        arguments.append(f"--out={home / 'work.exp'}")
    done = []
    if kind == "run":
        files = [p for p in sorted(work.rglob("*")) if p.is_file() and "report" not in p.parts]
        tops = [p for p in files if p.parent == work and p.name != ".lock"]
        for _ in range(rng.choice((1, 1, 2))):
            file = rng.choice(tops if rng.random() < 0.6 else files)
            if file.is_file() and not file.is_symlink():
                done.append(damage(file, rng))
    else:
        names = [n for n in flags.FLAGS if n not in ("helpfull", "help", "?", "h", "helpshort")]
        for name in rng.sample(names, rng.choice((1, 1, 2, 4))):
            arguments.append(f"--{name}={rng.choice(ODD)}")
        if rng.random() < 0.2:
            arguments[0] = f"--workdir={rng.choice(ODD)}"
    return f"{stage} {arguments} {done}", lambda: call(stage, arguments)


def prepare(home: pathlib.Path) -> None:
    """A finished run, another tool's run, and data sets."""
    run = f"--workdir={home / 'run'}"
    for name in ("train", "score", "attack", "report"):
        more = [*SMALL.split(), "--workers=1"] if name == "train" else []
        call(name, [run, *more, *(["--attacks=loss,phi"] if name == "attack" else [])])
    call("export", [run, f"--out={home / 'foreign'}"])
    (home / "data").mkdir()
    sets = [(d, str(p.relative_to(home / "data"))) for d, p in data_sets(home / "data")]
    (home / "data.json").write_text(json.dumps(sets))
    assert (home / "run/report/index.html").exists(), "the run that is damaged is whole"


def attempt(work: Callable[[], None], seconds: int) -> str:
    """What went wrong, or an empty text."""

    def late(*_):
        raise Late

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            work()
    except Late:
        return f"hang: {traceback.format_exc().splitlines()[-3].strip()}"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "lira_jax" in f.filename] or frames
        at = f"{pathlib.Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return f"traceback: {type(error).__name__} at {at}: {str(error)[:150]!r}"
    finally:
        signal.alarm(0)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=120, help="after which a case hangs")
    parser.add_argument("--case", type=int, help="only this one, with its traceback")
    asked = parser.parse_args()
    faults: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        prepare(home)
        os.chdir(home)
        if asked.case is not None:
            words, work = case(asked.case, asked.seed, home)
            print(ascii(words))
            work()
            return
        end, number = time.monotonic() + 60 * asked.minutes, 0
        while time.monotonic() < end:
            words, work = case(number, asked.seed, home)
            if wrong := attempt(work, asked.seconds):
                key = wrong.split(": ")[1]
                faults[key] += 1
                if faults[key] <= 2:
                    print(f"case {number}: {ascii(words)[:300]}: {wrong!a}", flush=True)
            number += 1
            for out in ("work.out", "work.exp"):
                shutil.rmtree(home / out, ignore_errors=True)
        os.chdir("/")
    hangs = sum(n for key, n in faults.items() if not key.count(" at "))
    print(f"{number} cases, {sum(faults.values()) - hangs} tracebacks, {hangs} hangs")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
