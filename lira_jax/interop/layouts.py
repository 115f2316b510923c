"""Where other tools keep the outputs of each model.

| layout | written by | files |
| --- | --- | --- |
| tf_privacy | mi_lira_2021 | `experiment-{i}_{M}/` {keep, scores/*, logits/*}, y_train |
| lira_pytorch | lira-pytorch | `{i}/` {keep, scores, logits} |
| lira_analysis | PoPETs 2026 | keep_indices, `model_{i}/` {scores/scores, logits/logits} |

All are .npy files: keep bool [N] (keep_indices [M, N]), scores float [N, A], logits float [N, 1, A,
K] or [N, A, K]. Models are told apart by the number in their folder's name, never by the file
system's order.
"""

import dataclasses
import itertools
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np

from lira_jax.errors import UserError
from lira_jax.interop.arrays import as_logits, as_scores, check_mask
from lira_jax.interop.queries import in_our_order
from lira_jax.runs.files import load_npy
from lira_jax.runs.layout import EXPERIMENT

_SCORES, _LOGITS = (
    ("examples, queries",),
    (
        "examples, 1, queries, classes",
        "examples, queries, classes",
    ),
)


@dataclasses.dataclass(frozen=True)
class Dump:
    """Where one model's outputs are.

    Attributes:
      model: the number in the name of its folder.
      folder: of the model.
      keep: its file, of one model or of all.
      scores, logits: files, or None where there is none.
      order: of the queries, one of queries.ORDERS.
      longer: whether the mask may be of more examples than were scored, the first of which were.
      row: of the model in a keep of all models.
    """

    model: int
    folder: pathlib.Path
    keep: pathlib.Path
    scores: pathlib.Path | None
    logits: pathlib.Path | None
    order: str = "ours"
    longer: bool = False
    row: int | None = None

    @property
    def outputs(self) -> pathlib.Path | None:
        """A file of outputs, of the scores if there are any; None: the model is not scored."""
        return self.scores or self.logits


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What one model has said of the examples.

    Attributes:
      scores: float [examples, queries], in our order; None if they are not stored.
      logits: float [examples, queries or the plain one, classes], the same.
      had_infinite: whether some of them were infinite and now are not (interop/arrays.py).
      rounding: largest relative error of the numbers as they were saved.
    """

    scores: np.ndarray | None
    logits: np.ndarray | None
    had_infinite: bool = False
    rounding: float = float(np.finfo(np.float32).eps)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of examples, queries and classes; 0 classes: no logits."""
        either = self.logits if self.scores is None else self.scores
        assert either is not None, "a model that has neither is not scored"
        return *either.shape[:2], 0 if self.logits is None else self.logits.shape[-1]


def recognise(path: str | os.PathLike) -> str | None:
    """The layout of a directory: tf_privacy, lira_pytorch or lira_analysis; else None."""
    path = pathlib.Path(path)
    if not path.is_dir() or (path / EXPERIMENT).exists():
        return None
    if (path / "keep_indices.npy").exists():
        return "lira_analysis"
    if _numbered(path, _EXPERIMENT):
        return "tf_privacy"
    if any((folder / "keep.npy").exists() for _, folder in _numbered(path, r"(\d+)")):
        return "lira_pytorch"
    return None


def find(path: pathlib.Path) -> list[Dump]:
    """The models of another tool's run directory, scored or not, by ascending number.

    Raises:
      UserError: an unknown layout, or two folders of one model.
    """
    layout = recognise(path)
    if layout is None:
        raise UserError(
            f"{path} is no run directory of tf_privacy (experiment-*/), lira_pytorch or "
            "lira_analysis"
        )
    pattern, dump = _LAYOUTS[layout]
    dumps = [dump(model, folder) for model, folder in _numbered(path, pattern)]
    for one, other in itertools.pairwise(dumps):
        if one.model == other.model:
            raise UserError(
                f"{path}: {one.folder.name} and {other.folder.name} have one number; move one away"
            )
    return dumps


def read_outputs(dump: Dump) -> Outputs:
    """Reads what a model that is scored has said.

    Raises:
      UserError: a damaged or misshapen file, or NaN in it.
    """
    scores = logits = None
    had_infinite, rounding = False, Outputs.rounding
    if dump.scores is not None:
        saved = load_npy(dump.scores)
        scores, had_infinite = as_scores(saved, _SCORES, dump.scores)
        rounding = max(rounding, float(np.finfo(saved.dtype).eps))
    if dump.logits is not None:
        saved = load_npy(dump.logits)
        logits, zeros = as_logits(saved, _LOGITS, dump.logits)
        had_infinite |= zeros
        rounding = max(rounding, float(np.finfo(saved.dtype).eps))
        if logits.ndim == 4 and logits.shape[1] == 1:
            logits = logits[:, 0]
        fits = scores is None or (
            len(logits) == len(scores) and logits.shape[1] in (1, scores.shape[1])
        )
        if logits.ndim != 3 or logits.shape[-1] < 2 or not fits:
            of_scores = "" if scores is None else f", its scores {scores.shape}"
            raise UserError(
                f"{dump.logits} has shape {logits.shape}{of_scores}; it must be [{_LOGITS[0]}]"
            )
    scores, logits = (None if a is None else in_our_order(a, dump.order) for a in (scores, logits))
    return Outputs(scores, logits, had_infinite, rounding)


def read_mask(dump: Dump, num_examples: int) -> np.ndarray:
    """Who was a member of a model, bool [examples].

    Raises:
      UserError: a missing, damaged or misshapen file.
    """
    keep = load_npy(dump.keep, mapped=dump.row is not None)
    if dump.row is not None:
        if keep.ndim != 2 or dump.row >= len(keep):
            raise UserError(
                f"{dump.keep} is {keep.shape}, not [models, examples], or has no row for "
                f"{dump.folder.name}"
            )
        keep = keep[dump.row]
    return covered(check_mask(keep, dump.keep), num_examples, dump.keep, dump.longer)


def covered(array: np.ndarray, num_examples: int, source: pathlib.Path, longer: bool) -> np.ndarray:
    """The part of a mask or of labels that was scored: all, or where it is longer the first.

    Raises:
      UserError: it has another shape.
    """
    if array.ndim != 1 or len(array) < num_examples or (len(array) > num_examples and not longer):
        raise UserError(
            f"{source} has shape {array.shape}, but {num_examples} examples were scored"
        )
    return array[:num_examples]


_EXPERIMENT = r"experiment-(\d+)(?:_\d+)?"


def _tf_privacy(model: int, folder: pathlib.Path) -> Dump:
    scores = _last(folder / "scores")
    logits = _existing(folder / "logits" / scores.name) if scores else _last(folder / "logits")
    keep = folder / "keep.npy"
    return Dump(model, folder, keep, scores, logits, order="tf_privacy", longer=True)


def _lira_pytorch(model: int, folder: pathlib.Path) -> Dump:
    scores, logits = _existing(folder / "scores.npy"), _existing(folder / "logits.npy")
    return Dump(model, folder, folder / "keep.npy", scores, logits)


def _lira_analysis(model: int, folder: pathlib.Path) -> Dump:
    scores = _existing(folder / "scores" / "scores.npy")
    logits = _existing(folder / "logits" / "logits.npy")
    keep = folder.parent / "keep_indices.npy"
    return Dump(model, folder, keep, scores, logits, order="lira_analysis", row=model)


_LAYOUTS: dict[str, tuple[str, Callable[[int, pathlib.Path], Dump]]] = {
    "tf_privacy": (_EXPERIMENT, _tf_privacy),
    "lira_pytorch": (r"(\d+)", _lira_pytorch),
    "lira_analysis": (r"model_(\d+)", _lira_analysis),
}


def _numbered(path: pathlib.Path, pattern: str) -> list[tuple[int, pathlib.Path]]:
    """The folders whose whole name matches, by the number in it."""
    matches = [(re.fullmatch(pattern, p.name, re.ASCII), p) for p in path.iterdir() if p.is_dir()]
    return sorted((int(match[1]), p) for match, p in matches if match)


def _last(folder: pathlib.Path) -> pathlib.Path | None:
    return max((p for p in folder.glob("*.npy") if not p.name.startswith(".")), default=None)


def _existing(path: pathlib.Path) -> pathlib.Path | None:
    return path if path.exists() else None
