"""A worker process: takes its cores before any library starts threads, then runs a command.

    python -m lira_jax.cli.pinned STAGE CORES PARENT [--flag=value ...]

STAGE is a module of lira_jax.cli, CORES are numbers separated by commas, PARENT is the process it dies with.
"""

import ctypes
import importlib
import os
import signal
import sys


def main() -> None:
    stage, cores, parent = sys.argv[1:4]
    if sys.platform == "linux":
        os.sched_setaffinity(0, map(int, cores.split(",")))
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != int(parent):  # it died before that took effect
            sys.exit(1)
    del sys.argv[1:4]
    importlib.import_module(f"lira_jax.cli.{stage}").cli()


if __name__ == "__main__":
    main()
