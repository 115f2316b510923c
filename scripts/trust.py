"""Harms run directories at random for some minutes, and counts what is not told in a line.

    python scripts/trust.py --minutes=5 --seed=0

A small run is made once. Each fault takes a copy of it, or a new run: a bit is flipped, a file is
cut, deleted, or put in another's place; a field is edited; a command is killed; two are started
together. Then the stages are run again, and what comes out is compared with the run that nothing
happened to: all models are trained by --strategy=loop, so that it is the same to the bit.

silent wrong: all stages exit 0, with other scores; tracebacks: more than a line is said; hangs: a
command does not end in time; lost: models that cannot be had any more, though nothing was
deleted; orphans: processes of a killed command that live on; leftovers: temporary files that the
next commands leave.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from lira_jax.cli import attack, flags, report, score, status, train
from lira_jax.errors import UserError
from lira_jax.runs import files

STAGES = {"train": train, "score": score, "attack": attack, "report": report, "status": status}
RECIPE = [
    *("--dataset=digits", "--num_examples=120", "--num_models=4", "--model=mlp", "--hidden=8"),
    *("--epochs=6", "--checkpoint_every=2", "--batch_size=30", "--augment=mirror", "--queries=2"),
    *("--strategy=loop", "--workers=1"),
]
ATTACKS = "--attacks=loss,phi"
LIMIT = 240.0  # seconds for one command on a busy machine
COUNTS = ("tried", "refused", "silent wrong", "tracebacks", "hangs", "lost", "orphans", "leftovers")
Counts = collections.Counter[str]


def in_process(stage: str, workdir: pathlib.Path, *more: str) -> str:
    """Runs a command here; returns "" if it succeeded, else what it said."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            flags.parse([f"lira-{stage}", f"--workdir={workdir}", *more])
            STAGES[stage].main()
    except UserError as error:
        return str(error)
    except SystemExit as end:
        return said.getvalue() if end.code else ""
    except BaseException as error:
        return f"Traceback: {stage}: {type(error).__name__}: {error}"
    return ""


def begin(stage: str, workdir: pathlib.Path, *more: str) -> subprocess.Popen:
    """Starts a command in a process group of its own."""
    command = [sys.executable, "-m", f"lira_jax.cli.{stage}", f"--workdir={workdir}", *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def end(process: subprocess.Popen, counts: Counts) -> bool:
    """Waits for a command; returns whether it succeeded."""
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        counts["hangs"] += 1
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    if "Traceback" in said:
        counts["tracebacks"] += 1
        print(said[-2000:])
    return process.returncode == 0


def dumps(workdir: pathlib.Path) -> dict[str, str]:
    """Hashes of all arrays that the stages have made."""
    found = workdir.rglob("*.npy")
    return {str(p.relative_to(workdir)): files.sha256(p) for p in found if p.name[0] != "."}


def finish(workdir: pathlib.Path, expected: dict[str, str], counts: Counts) -> bool:
    """Runs all stages again and compares; returns whether all of them succeeded."""
    for stage in ("train", "score", "attack", "status"):
        more = [ATTACKS] if stage == "attack" else []
        said = in_process(stage, workdir, *more)
        if said.startswith("Traceback"):
            counts["tracebacks"] += 1
            print(f"  {workdir.name}: {said}")
            return False
        if said:
            counts["refused"] += 1
            return False
    if dumps(workdir) != expected:
        counts["silent wrong"] += 1
        print(f"  {workdir.name}: other scores")
    counts["leftovers"] += sum(1 for p in workdir.rglob(".*@*"))
    return True


def _file(workdir: pathlib.Path, chance: random.Random) -> pathlib.Path:
    return chance.choice(sorted(p for p in workdir.rglob("*") if p.is_file() and p.stat().st_size))


def flip_a_bit(workdir: pathlib.Path, chance: random.Random) -> None:
    path = _file(workdir, chance)
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut_a_file(workdir: pathlib.Path, chance: random.Random) -> None:
    path = _file(workdir, chance)
    os.truncate(path, chance.randrange(path.stat().st_size))


def delete_a_file(workdir: pathlib.Path, chance: random.Random) -> None:
    _file(workdir, chance).unlink()


def swap_models(workdir: pathlib.Path, chance: random.Random) -> None:
    one, other = chance.sample(range(4), 2)
    shutil.rmtree(workdir / f"checkpoints/{one:04d}")
    shutil.copytree(workdir / f"checkpoints/{other:04d}", workdir / f"checkpoints/{one:04d}")


def edit_a_field(workdir: pathlib.Path, chance: random.Random) -> None:
    path = workdir / "experiment.json"
    stored = json.loads(path.read_text())
    fields = stored["experiment"]
    name = chance.choice([n for n, v in fields.items() if type(v) in (int, float)])
    fields[name] += 1
    path.write_text(json.dumps(stored))


HARMS = (flip_a_bit, cut_a_file, delete_a_file, swap_models, edit_a_field)


def harm(
    fault: Callable, workdir: pathlib.Path, whole: pathlib.Path, chance: random.Random, c: Counts
) -> None:
    """Harms a finished run; half of the time one whose scores are to be made again."""
    shutil.copytree(whole, workdir)
    expected = dumps(whole)
    if chance.random() < 0.5:
        for name in ("scores", "logits"):
            (workdir / name / f"{chance.randrange(4):04d}.npy").unlink()
    fault(workdir, chance)
    finish(workdir, expected, c)


def kill(workdir: pathlib.Path, whole: pathlib.Path, chance: random.Random, c: Counts) -> None:
    """Kills a stage at some time of its work, and goes on."""
    stage = chance.choice(["train", "train", "score", "attack"])
    if stage != "train":
        shutil.copytree(whole, workdir)
        shutil.rmtree(workdir / "scores") if stage == "score" else None
    more = {"train": RECIPE, "attack": [ATTACKS]}.get(stage, [])
    process = begin(stage, workdir, *more)
    deadline = time.monotonic() + LIMIT
    while not (workdir / ".processes").exists() and process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    time.sleep(chance.random() * {"train": 3, "score": 2, "attack": 1}[stage])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        c["orphans"] += 1
    if not (workdir / "experiment.json").exists():
        assert not in_process("train", workdir, *RECIPE)
    if not finish(workdir, dumps(whole), c):
        c["lost"] += 1


def race(workdir: pathlib.Path, whole: pathlib.Path, chance: random.Random, c: Counts) -> None:
    """Starts two commands together: the same, or with other flags."""
    stage = chance.choice(["train", "train", "score", "attack"])
    own = {"train": RECIPE, "attack": [ATTACKS]}.get(stage, [])
    other = {"train": "--seed=1", "score": "--queries=1", "attack": "--targets=0"}[stage]
    if stage != "train":
        shutil.copytree(whole, workdir)
    if stage == "score":
        for name in ("scores", "logits"):
            shutil.rmtree(workdir / name)
        manifest = json.loads((workdir / "manifest.json").read_text())
        kept = {n: e for n, e in manifest.items() if not n.startswith(("scores", "logits"))}
        (workdir / "manifest.json").write_text(json.dumps(kept))
    second = [*own, other] if chance.random() < 0.5 else own
    processes = [begin(stage, workdir, *own)]
    time.sleep(chance.random())
    processes.append(begin(stage, workdir, *second))
    ended = [end(p, c) for p in processes]
    if not any(ended):
        c["lost"] += 1
        print(f"  {workdir.name}: neither of two {stage} succeeded")
    stored = json.loads((workdir / "experiment.json").read_text())["experiment"]
    if (stored["seed"], stored["queries"]) == (0, 2):
        finish(workdir, dumps(whole), c)
    elif len({np.load(p).shape for p in workdir.glob("scores/*.npy")}) > 1:
        c["silent wrong"] += 1
        print(f"  {workdir.name}: scores of several shapes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    table: dict[str, Counts] = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, "whole")
        for stage, more in (
            ("train", RECIPE),
            ("score", []),
            ("attack", [ATTACKS]),
        ):
            if said := in_process(stage, whole, *more):
                sys.exit(said)
        until, number = time.monotonic() + 60 * given.minutes, 0
        while time.monotonic() < until:
            number += 1
            workdir = pathlib.Path(folder, f"run{number}")
            if number % 3:
                fault = chance.choice(HARMS)
                name, counts = fault.__name__, table[fault.__name__]
                harm(fault, workdir, whole, chance, counts)
            else:
                fault = chance.choice([kill, race])
                name, counts = fault.__name__, table[fault.__name__]
                fault(workdir, whole, chance, counts)
            counts["tried"] += 1
            shutil.rmtree(workdir, ignore_errors=True)
    print(f"{'fault':14}" + "".join(f"{name:>13}" for name in COUNTS))
    for name, counts in sorted(table.items()):
        print(f"{name:14}" + "".join(f"{counts[c]:13}" for c in COUNTS))
    bad = sum(counts[c] for counts in table.values() for c in COUNTS[2:])
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
