"""Text: files of documents, cut into the units that carry a membership bit, as tokens."""

import dataclasses
import pathlib

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.text import documents, sequences, tokenizers
from lira_jax.data.text.tokenizers import Tokenizer
from lira_jax.errors import UserError, bad_choice

UNITS = ("line", "document", "window")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How text becomes sequences.

    Attributes:
      unit: what has a membership bit: "line", "document", or "window:LENGTH", a piece of the whole
        text of so many tokens.
      tokenizer: as `tokenizers.make` takes it.
      context: the most tokens of a sequence, of lines and documents.
    """

    unit: str = "line"
    tokenizer: str = tokenizers.BYTES
    context: int = 128

    def length_of_window(self) -> int | None:
        """Tokens of a window; None for other units.

        Raises:
          UserError: no unit is called so.
        """
        kind, _, length = self.unit.partition(":")
        if kind not in UNITS or (kind == "window") != bool(length):
            raise bad_choice("--unit", self.unit, ("line", "document", "window:128"))
        if not length:
            return None
        if not length.isdecimal() or int(length) < sequences.SHORTEST:
            raise UserError(f"--unit={self.unit}: give a length in tokens, such as window:128")
        return int(length)


def read(path: pathlib.Path, settings: Settings) -> Dataset:
    """Reads text as token sequences, with labels that are all 0.

    Raises:
      UserError: no text, an unknown unit or tokenizer, or nothing long enough.
    """
    return of_documents(*documents.read(path), settings, f"--data_path={path}")


def of_documents(
    pool: list[str], tests: list[str] | None, settings: Settings, source: str
) -> Dataset:
    """The same of documents of the pool, and of the test set or None; errors name the source."""
    window = settings.length_of_window()
    if settings.context < sequences.SHORTEST:
        raise UserError(f"--context={settings.context}: give at least {sequences.SHORTEST} tokens")
    if not any(text.strip() for text in pool):
        raise UserError(f"{source}: no text in it; give some")
    tokenizer = tokenizers.make(settings.tokenizer, pool)
    x = _tokens(pool, settings, window, tokenizer)
    if len(x) < 2:
        why = "a shorter window" if window else "--unit=window:64"
        raise UserError(
            f"{source}: {len(x)} sequences by --unit={settings.unit}, and at least 2 are needed; "
            f"give more text, or {why}"
        )
    x_test = None if tests is None else _tokens(tests, settings, window, tokenizer)
    if x_test is not None and not len(x_test):
        x_test = None
    if x_test is not None:  # one length for both
        length = max(x.shape[1], x_test.shape[1])
        x, x_test = _widened(x, length), _widened(x_test, length)
    return Dataset(
        x=x,
        y=np.zeros(len(x), np.int32),
        x_test=x_test,
        y_test=None if x_test is None else np.zeros(len(x_test), np.int32),
        num_classes=1,
        vocabulary=tokenizer.size,
        tokenizer=tokenizer,
    )


def _tokens(
    texts: list[str], settings: Settings, window: int | None, tokenizer: Tokenizer
) -> np.ndarray:
    if window:
        whole = next(iter(tokenizer.encode(["\n".join(texts)])))
        return sequences.windows(whole, window)
    units = documents.lines(texts) if settings.unit == "line" else [t.strip() for t in texts]
    tokens = list(tokenizer.encode([unit for unit in units if unit]))
    return sequences.pad(tokens, settings.context, settings.unit)


def _widened(tokens: np.ndarray, length: int) -> np.ndarray:
    right = length - tokens.shape[1]
    return np.pad(tokens, ((0, 0), (0, right)), constant_values=sequences.PADDING)
