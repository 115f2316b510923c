"""Worker processes, one pinned to each core, that share a run directory by model ids.

On a CPU two processes of one core each train convolutional models faster than one process of two
cores (docs/measurements/training_speed.md has the measurement).
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from lira_jax import progress
from lira_jax.errors import UserError

_DYING = 2.0  # seconds that a killed worker is waited for


def check(asked: str) -> None:
    """Checks --workers before anything is computed.

    Raises:
      UserError: neither auto nor a number of at least 1.
    """
    if asked != "auto" and (not asked.isdecimal() or int(asked) < 1):
        raise UserError(f"--workers={asked}: give auto or a number of at least 1")


def count(asked: str, *, convolutional: bool, models: int) -> int:
    """Resolves --workers for so many models.

    Raises:
      UserError: neither auto nor a number of at least 1.
    """
    check(asked)
    if asked == "auto":
        import jax  # here, so that --help need not wait for it

        return (
            max(1, min(len(_cores()), models))
            if convolutional and jax.default_backend() == "cpu"
            else 1
        )
    return max(1, min(int(asked), models))


def inside() -> bool:
    """Whether this process is a worker, so that another one tells the user what all have done."""
    return progress.LABEL in os.environ


def run(stage: str, flags: Sequence[str], ids: Sequence[int], workers: int) -> None:
    """Runs a command in worker processes, each with its share of the models, and waits for them.

    The first worker's progress is shown; the others have as much to do. If this process dies, they
    die.

    Args:
      stage: module of lira_jax.cli.
      flags: of the command; those that share out the models are overruled.
      ids: models to share out, none of them finished.
      workers: number of processes.

    Raises:
      UserError: a worker failed; with its last line.
    """
    cores = _cores()
    children: list[subprocess.Popen] = []
    # Signals wait until a worker can take them (cli/stop.py); it would write a traceback before.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        for worker in range(workers):
            share = ",".join(map(str, ids[worker::workers]))
            own_cores = ",".join(map(str, cores[worker::workers] or [cores[worker % len(cores)]]))
            # pinned.py rather than preexec_fn, which forks this process and all that JAX's threads
            # hold
            pinned = ["-m", "lira_jax.launch.pinned", stage, own_cores, str(os.getpid())]
            own = ["--part=", "--workers=1", f"--model_ids={share}"]
            quiet = {} if worker == 0 else {"TQDM_DISABLE": "1"}
            label = f" (worker {worker + 1} of {workers})"
            children.append(
                subprocess.Popen(
                    [sys.executable, *pinned, *flags, *own],
                    env={**os.environ, **quiet, progress.LABEL: label},
                    stderr=None if worker == 0 else subprocess.PIPE,
                    text=True,
                    errors="backslashreplace",
                )
            )
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # Reading to the end of each pipe in turn cannot block a child: none writes more than a few
        # lines.
        said = [child.communicate()[1] or "" for child in children]
    except BaseException:
        for child in children:
            child.kill()
        for child in children:  # so that nothing of them is left when this process ends
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_DYING)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for worker, (child, text) in enumerate(zip(children, said, strict=True)):
        last = text.strip().splitlines()[-1:] or ["see above"]
        if child.returncode:
            raise UserError(
                f"worker {worker + 1} of {workers} ended with status {child.returncode}: {last[0]}"
            )
    for line in (line for text in said[1:] for line in text.splitlines()):
        if line.startswith("WARNING"):  # of its own models; the rest is as with the first worker
            progress.note(line)


def _cores() -> list[int]:
    """The cores this process may use."""
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
