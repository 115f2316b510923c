"""Progress with an ETA: one live line a stage on a terminal, a plain line every 30 s in a log."""

import os
import sys
import time
from collections.abc import Collection, Iterable, Iterator

from tqdm import tqdm

LABEL = "LIRA_JAX_PROGRESS_LABEL"
"""Environment variable with a word on which of several processes this is."""

LOG_INTERVAL = 30.0  # seconds


def bar(
    description: str,
    total: float,
    unit: str,
    *,
    initial: float = 0,
    rate: bool = False,
    leave: bool = True,
    delay: float = 0,
) -> tqdm:
    """Progress on standard error; none without work or, in a log, within `LOG_INTERVAL`.

    Args:
      description: name of the stage.
      total: amount of work, in `unit`.
      unit: what is counted, in the plural.
      initial: what was done before, in `unit`.
      rate: tell units per second instead of units done.
      leave: keep the last state on the terminal.
      delay: seconds before the line appears on the terminal.
    """
    live = sys.stderr.isatty()
    graph = "{percentage:3.0f}%|{bar}| " if live else "{percentage:.0f}% in {elapsed}, "
    amount = "{rate_noinv_fmt}" if rate else "{n:.0f}/{total:.0f}{unit}"
    where = (
        {"file": sys.stderr, "dynamic_ncols": True, "delay": delay}
        if live
        else {"file": _Log(), "position": 0}
    )
    if not total:
        where["disable"] = (
            True  # not given otherwise, for then TQDM_DISABLE of the environment says
        )
    return tqdm(
        desc=description + os.environ.get(LABEL, ""),
        total=total,
        initial=initial,
        leave=leave,
        unit=f" {unit}",
        unit_scale=rate,
        mininterval=0.2 if live else 1,
        miniters=1,  # tqdm would guess how many updates to pass over without a look at the clock
        smoothing=0.1,
        bar_format="{desc}: " + graph + amount + ", ETA {remaining}{postfix}",
        **where,
    )


def each(description: str, items: Collection, unit: str) -> Iterator:
    """Iterates with a line that vanishes when done, and appears only if it takes over a second."""
    with bar(description, len(items), unit, leave=False, delay=1) as shown:
        for item in items:
            yield item
            shown.update()


def note(text: str) -> None:
    """A line for the user on standard error, above a running bar."""
    tqdm.write(text, file=sys.stderr)


def remark(text: str) -> None:
    """A note on the input, which all workers of a stage read; only one process makes it."""
    if LABEL not in os.environ:
        note(f"note: {text}")


def note_finished(models: int, left: int, what: str) -> None:
    """Says how many models need nothing, if any; `what` they are, such as "trained already"."""
    if left < models:
        note(f"{models - left} of {models} models are {what}")


def named_models(ids: Iterable[int], kind: str = "model") -> str:
    """Such as "models 0-3, 7"."""
    models, parts = sorted(ids), []
    start: int | None = models[0]
    for model, following in zip(models, [*models[1:], None], strict=True):
        if following != model + 1:
            parts.append(f"{start}" if start == model else f"{start}-{model}")
            start = following
    return f"{kind}{'s' if len(models) > 1 else ''} {', '.join(parts)}"


class _Log:
    """Keeps, of the line that tqdm writes over and over, a plain one every `LOG_INTERVAL`."""

    def __init__(self):
        self.last = time.monotonic()

    def write(self, text: str) -> None:
        now, text = time.monotonic(), text.strip()
        if text and now - self.last >= LOG_INTERVAL:
            sys.stderr.write(text + "\n")
            self.last = now

    def flush(self) -> None:
        sys.stderr.flush()
