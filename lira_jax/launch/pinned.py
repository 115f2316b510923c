"""A worker process: takes its cores before any library starts threads, then runs a command.

    python -m lira_jax.launch.pinned STAGE CORES PARENT [--flag=value ...]

STAGE is a module of lira_jax.cli, CORES are numbers separated by commas, PARENT is the process it
dies with.
"""

import contextlib
import ctypes
import importlib
import os
import signal
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Has glibc keep what is freed, in one heap, for the next allocation; elsewhere does nothing.

    XLA:CPU allocates and frees a program's memory in each call. Above 32 MiB, glibc takes it from
    the system and gives it back each time, and the page faults cost a tenth of a training step
    (docs/measurements/training_speed.md).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in (
            (_MMAP_MAX, 0),
            (_TRIM_THRESHOLD, 2**31 - 1),
            (_TOP_PAD, 2**28),
            (_ARENA_MAX, 1),
        ):
            mallopt(option, value)


def main() -> None:
    stage, cores, parent = sys.argv[1:4]
    if sys.platform == "linux":
        os.sched_setaffinity(0, map(int, cores.split(",")))
        keep_freed_memory()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != int(parent):  # it died before that took effect
            sys.exit(1)
    del sys.argv[1:4]
    importlib.import_module(f"lira_jax.cli.{stage}").cli()


if __name__ == "__main__":
    main()
