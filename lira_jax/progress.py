"""Progress with an ETA: a live line on a terminal, a line now and then in a log."""

import os
import sys

from tqdm import tqdm

LABEL = "LIRA_JAX_PROGRESS_LABEL"
"""Environment variable with a word on which of several processes this is."""


def bar(description: str, total: float, unit: str, initial: float = 0, leave: bool = True) -> tqdm:
    """A progress bar on standard error; `total` and `initial` count in `unit`.

    It vanishes at the end unless it is to `leave` its last state.
    """
    live = sys.stderr.isatty()
    return tqdm(
        desc=description + os.environ.get(LABEL, ""),
        total=total,
        initial=initial,
        leave=leave,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if live else 10,
        dynamic_ncols=live,
        ncols=None if live else 100,
        smoothing=0.1,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}, ETA {remaining}{postfix}]",
    )


def note(text: str) -> None:
    """A line for the user on standard error, above a running bar."""
    tqdm.write(text, file=sys.stderr)


def each(description: str, items, unit: str):
    """Iterates with a bar that vanishes when done, and appears only if it takes over a second."""
    return tqdm(items, desc=description, unit=unit, file=sys.stderr, leave=False, delay=1, mininterval=1)
