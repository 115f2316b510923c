"""Throws faults at the commands for some minutes, and counts what comes of them.

    python scripts/trust.py --minutes=5 --seed=0

Small runs are made once. Each case takes a copy of one, or begins a new one, and kills, damages,
fills, races or fuzzes something (scripts/faults/). Then the commands are run again, and what they
have computed is compared with a run that nothing happened to. Nothing is written outside of a
temporary folder but the disk that a full disk is tried on, which is mounted for this process alone.

recovered: in the end all is there, the same to the bit; refused: a command says no, in one line;
silent wrong: other numbers, or numbers changed by a command that was refused; traceback: more than
a line, or a crash; hang: a command does not end in time, or not within 5 s of a signal; lost:
models or results cannot be had any more, though what was damaged is restored; orphan: processes of
a command that has ended; leftover: temporary files after the next command.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable

HOME = pathlib.Path(tempfile.mkdtemp(prefix="trust-"))
# Before JAX is imported: no device is taken, and no file is left outside of HOME.
os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # the cache takes part
    "OPENBLAS_NUM_THREADS": "1",
    "XDG_CACHE_HOME": str(HOME / "cache"),
    "TMPDIR": str(HOME / "tmp"),
}
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from faults import (  # noqa: E402
    command_lines,
    corruption,
    data_files,
    disks,
    interruptions,
    races,
    template,
)
from faults.case import BAD, COLUMNS, Case  # noqa: E402

KINDS: dict[str, tuple[float, Callable[[Case], None]]] = {
    "kills": (200, interruptions.kill),
    "signals": (100, interruptions.stop),
    "corruptions": (500, corruption.corrupt),
    "full disks": (30, disks.fill),
    "races": (50, races.race),
    "odd flags": (350, command_lines.odd_flags),
    "odd names": (100, command_lines.odd_name),
    "odd places": (100, command_lines.odd_place),
    "data files": (160, data_files.bad_data),
    "foreign dumps": (60, data_files.bad_dumps),
}
"""Kind -> how often it is tried beside the others, and a case of it."""

Table = dict[str, collections.Counter[str]]


def attempt(kind: str, number: int, seed: int, templates: list[template.Template]) -> Case:
    """Tries a case, which its seed and number repeat, but for the moments of signals."""
    case = Case(HOME, random.Random(f"{seed}/{kind}/{number}"), *templates)
    case.folder.mkdir()
    try:
        KINDS[kind][1](case)
    except Exception:  # the campaign's own mistakes, or a run too damaged to be judged
        case.fault("traceback", f"in the campaign: {traceback.format_exc()}")
    return case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="for the cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of them, comma separated")
    parser.add_argument("--case", help="this one alone, such as kills/17")
    parser.add_argument("--verbose", action="store_true", help="a line a case")
    asked = parser.parse_args()
    (HOME / "tmp").mkdir()
    os.chdir(HOME)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(_campaign(asked))
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


def _try_all(
    kinds: dict[str, float],
    table: Table,
    asked: argparse.Namespace,
    templates: list[template.Template],
) -> None:
    """Tries cases until the time is over, and counts them."""
    until = time.monotonic() + 60 * asked.minutes
    while time.monotonic() < until:
        kind = max(kinds, key=lambda k: kinds[k] / (table[k]["tried"] + 0.5))
        number = table[kind]["tried"]
        if asked.case:
            kind, _, digits = asked.case.partition("/")
            number, until = int(digits), 0
            table.setdefault(kind, collections.Counter())
        began = time.monotonic()
        case = attempt(kind, number, asked.seed, templates)
        table[kind].update(case.faults.keys() | {"tried"})
        if not case.faults:
            table[kind]["refused" if case.refused else "recovered"] += 1
        if case.faults or asked.verbose or asked.case:
            print(f"\n{kind}/{number} ({time.monotonic() - began:.1f} s):", *case.words)
            print(f"  python scripts/trust.py --seed={asked.seed} --case='{kind}/{number}'")
            for column, words in case.faults.items():
                print(f"  {column}: {words}".replace("\n", "\n    "), flush=True)
        case.clean()


def _campaign(asked: argparse.Namespace) -> bool:
    kinds = {k: KINDS[k][0] for k in asked.kinds.split(",")}
    if "full disks" in kinds and (why := disks.why_not()):
        print(f"full disks are skipped: {why}")
        del kinds["full disks"]
    began = time.monotonic()
    templates = [
        template.make(HOME / f"seed{seed}", HOME / "log", f"--seed={seed}", stages=stages)
        for seed, stages in ((0, template.STAGES), (1, template.STAGES[:3]))
    ]
    templates[0].seconds.update(templates[1].seconds)  # programs come from the cache
    if "data files" in kinds:
        data_files.prepare(Case(HOME, random.Random(0), *templates))
    print(f"prepared in {time.monotonic() - began:.0f} s", flush=True)
    table: Table = {kind: collections.Counter() for kind in kinds}
    with contextlib.suppress(KeyboardInterrupt):  # the table tells what was tried until then
        _try_all(kinds, table, asked, templates)
    print(f"\n{'':14}" + "".join(f"{name:>13}" for name in COLUMNS))
    table["all"] = sum(table.values(), collections.Counter())
    for kind, counts in table.items():
        print(f"{kind:14}" + "".join(f"{counts[column]:13}" for column in COLUMNS))
    return any(table["all"][column] for column in BAD)


if __name__ == "__main__":
    main()
