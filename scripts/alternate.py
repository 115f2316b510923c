"""How bench scripts measure: contenders take turns, so that a drifting machine favours none."""

import contextlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from lira_jax.launch.pinned import keep_freed_memory

_SPAWN = multiprocessing.get_context("spawn")


def in_turn(
    measures: dict[Hashable, Callable[[], float]], rounds: int
) -> dict[Hashable, list[float]]:
    """Takes every measure once a round, forth in one round and back in the next."""
    found: dict[Hashable, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name in list(measures)[:: -1 if number % 2 else 1]:
            found[name].append(measures[name]())
    return found


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""Seconds that pass, or that the cores spend on this process: others' load hardly changes those."""


def seconds(run: Callable[[], Any], clock: str = "wall") -> float:
    """How long one call takes, by one of CLOCKS."""
    now = CLOCKS[clock]
    started = now()
    run()
    return now() - started


def rate(run: Callable[[], Any], at_least: float, clock: str = "wall") -> float:
    """Calls a second of a clock of CLOCKS, over so many seconds and one call at least."""
    now = CLOCKS[clock]
    calls, started = 0, now()
    while not calls or now() - started < at_least:
        run()
        calls += 1
    return calls / (now() - started)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over rounds of ours / theirs, each pair measured in the same round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def print_table(
    found: dict[str, list[float]], bases: Sequence[str], unit: str, notes: dict[str, str]
) -> None:
    """Prints a row for each contender, the fastest first: median, extremes, medians of ratios.

    Args:
      found: rates by name, one a round.
      bases: contenders that all are divided by.
      unit: of the rates.
      notes: what stands at the end of a contender's row.
    """
    wide = 2 + max(map(len, found))
    unit_wide = max(len(unit), 9)
    print(
        f"{'':{wide}}{unit:>{unit_wide}}  {'least to most':>19}"
        + "".join(f"  x {base}" for base in bases)
    )
    for name in sorted(found, key=lambda name: -statistics.median(found[name])):
        span = f"{min(found[name]):.0f} to {max(found[name]):.0f}"
        ratios = "".join(f"{ratio(found[name], found[base]):{4 + len(base)}.2f}" for base in bases)
        print(
            f"{name:{wide}}{statistics.median(found[name]):{unit_wide}.0f}  {span:>19}{ratios}  "
            f"{notes.get(name, '')}"
        )


class Contenders(NamedTuple):
    """What a process can run: `facts` about itself, and the runs by name."""

    facts: dict[str, Any]
    runs: dict[Hashable, Callable[[], Any]]


class Process:
    """A child process that runs contenders when told, with a worker's own cores and memory.

    Args:
      build: (case) -> Contenders, called in the child; both it and case are pickled.
      cores: that it may use; all by default.
      environment: variables of its own.

    Attributes:
      facts: of its contenders.
      first: seconds of each contender's first run, compilation included; those that failed are
        missing.
      failed: their errors.
    """

    def __init__(
        self,
        build: Callable,
        case: Any,
        cores: Sequence[int] = (),
        environment: dict[str, str] | None = None,
    ):
        self._pipe, theirs = _SPAWN.Pipe()
        with _inherited(cores, environment or {}):
            self._process = _SPAWN.Process(
                target=_serve, args=(theirs, build, case, bool(cores)), daemon=True
            )
            self._process.start()
        theirs.close()

    def wait(self) -> "Process":
        """Waits until every contender has run once."""
        self.facts, self.first, self.failed = self._pipe.recv()
        return self

    def close(self) -> None:
        """Ends the child."""
        self._pipe.close()
        self._process.join()


def rate_together(
    processes: Sequence[Process], name: Hashable, at_least: float, clock: str = "wall"
) -> float:
    """The sum of the rates of one contender, run in several processes at the same time."""
    for process in processes:
        process._pipe.send((name, at_least, clock))
    return sum(process._pipe.recv() for process in processes)


def cores() -> list[int]:
    """The cores this process may use."""
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )


@contextlib.contextmanager
def _inherited(own_cores, environment):
    """Cores and variables that children started here have before libraries start threads."""
    all_cores, replaced = cores(), {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    if own_cores:
        os.sched_setaffinity(0, own_cores)
    try:
        yield
    finally:
        if own_cores:
            os.sched_setaffinity(0, all_cores)
        for name, value in replaced.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _serve(pipe, build, case, pinned: bool) -> None:
    if pinned:
        keep_freed_memory()
    facts, runs = build(case)
    first, failed = {}, {}
    for name, run in runs.items():
        try:
            first[name] = seconds(run)
        # One that cannot run here must not end the comparison of the others.
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
    pipe.send((facts, first, failed))
    with contextlib.suppress(EOFError):
        while True:
            name, *how = pipe.recv()
            pipe.send(rate(runs[name], *how))
