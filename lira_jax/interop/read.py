"""Reads the run directories of other tools as they are.

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
import math
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.errors import UserError
from lira_jax.interop.arrays import check_floats, check_mask, phi_from_logits
from lira_jax.runs.directory import EXPERIMENT
from lira_jax.runs.files import load_npy

# Float32 probabilities give phi to 1e-4, but beyond 80 they are denormal and the tools' floors
# under the logarithm begin to matter.
_PHI_TOLERANCE, _PHI_CEILING = 0.01, 80.0


@dataclasses.dataclass(frozen=True)
class _Dump:
    """Where one model's outputs are.

    Attributes:
      model: the number in the name of its folder.
      folder: of the model.
      keep: bool [examples], read from keep_file.
      scores, logits: files, or None where there is none.
      in_grid: whether the queries are in tf_privacy's order.
    """

    model: int
    folder: pathlib.Path
    keep: np.ndarray
    keep_file: pathlib.Path
    scores: pathlib.Path | None
    logits: pathlib.Path | None
    in_grid: bool = False


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


def read(path: str | os.PathLike) -> tuple[Evidence, list[int]]:
    """Reads the run directory of another tool.

    The queries of tf_privacy, whose plain image is not the first, are permuted into this project's
    order. In lira_pytorch every query is a random crop: attacks on the plain example get the first.
    Where there are no scores, phi is computed from the logits. Labels are y_train.npy or labels.npy
    in the directory; where there is neither, as in lira_pytorch and lira_analysis, an example's
    label is the one class under which the logits give the stored score.

    Returns:
      The evidence, with every model a target, and the ids of its models, ascending. Its
      signals are phi and, unless the directory holds scores alone, logits.

    Raises:
      UserError: an unknown layout; a missing, damaged or misshapen file, or NaN in it; no way to
        the labels.
    """
    path = pathlib.Path(path)
    layout = recognise(path)
    if layout is None:
        raise UserError(
            f"{path} is no run directory of tf_privacy (experiment-*/), lira_pytorch or "
            "lira_analysis"
        )
    dumps = list(_FIND[layout](path))
    if len(dumps) < 2:
        raise UserError(f"{path} holds {len(dumps)} models; a target needs shadow models beside it")
    for one, other in itertools.pairwise(dumps):
        if one.model == other.model:
            raise UserError(
                f"{path}: {one.folder.name} and {other.folder.name} have one number; move one away"
            )

    _, *outputs = next(_each(dumps))
    num_examples, num_queries, num_classes = _shape(*outputs)
    labels = _labels(path, dumps, num_examples, num_classes)
    keep = np.empty((len(dumps), num_examples), bool)
    phi = np.empty((len(dumps), num_examples, num_queries), np.float32)
    plain = np.empty((len(dumps), num_examples, num_classes), np.float32) if num_classes else None
    for row, (dump, scores, logits) in enumerate(_each(progress.each("read", dumps, "models"))):
        keep[row] = _covered(
            check_mask(dump.keep, dump.keep_file), num_examples, dump.keep_file, dump.in_grid
        )
        if scores is not None:
            phi[row] = scores
        elif logits is not None:
            phi[row] = phi_from_logits(logits, labels)
        if plain is not None and logits is not None:
            plain[row] = logits[:, 0]
    if layout == "lira_pytorch" or (layout == "tf_privacy" and grid_order(num_queries) is None):
        progress.note(
            f"note: {path}: no query is known to be the plain example; the first is taken for it"
        )
    signals = {"phi": phi} if plain is None else {"phi": phi, "logits": plain}
    everyone = Inside(np.arange(len(dumps)))
    return Evidence.of_arrays(labels, keep, everyone, **signals), [d.model for d in dumps]


def grid_order(queries: int) -> np.ndarray | None:
    """Where this project's queries are in tf_privacy's grid: ours = theirs[:, grid_order(A)].

    Theirs: for img in [x, mirrored x]: for dx in 0..2s: for dy in 0..2s; the plain image is at s
      (2s + 1) + s.
    Ours: the unshifted crop first, of each half.

    Returns:
      int [queries], a permutation; None if that is not the size of such a grid, with mirrored
      images or without.
    """
    for halves in (1, 2):
        side = math.isqrt(queries // halves)
        if side % 2 and halves * side**2 == queries:
            centre = side**2 // 2
            half = np.r_[centre, np.delete(np.arange(side**2), centre)]
            return np.concatenate([half + side**2 * h for h in range(halves)])
    return None


_EXPERIMENT = r"experiment-(\d+)(?:_\d+)?"


def _tf_privacy(path: pathlib.Path) -> Iterator[_Dump]:
    for model, folder in _numbered(path, _EXPERIMENT):
        keep, scores = folder / "keep.npy", _last(folder / "scores")
        logits = _existing(folder / "logits" / scores.name) if scores else _last(folder / "logits")
        yield _Dump(model, folder, load_npy(keep), keep, scores, logits, in_grid=True)


def _lira_pytorch(path: pathlib.Path) -> Iterator[_Dump]:
    for model, folder in _numbered(path, r"(\d+)"):
        keep = folder / "keep.npy"
        scores, logits = _existing(folder / "scores.npy"), _existing(folder / "logits.npy")
        yield _Dump(model, folder, load_npy(keep), keep, scores, logits)


def _lira_analysis(path: pathlib.Path) -> Iterator[_Dump]:
    keep_file = path / "keep_indices.npy"
    keep = load_npy(keep_file)
    for model, folder in _numbered(path, r"model_(\d+)"):
        if keep.ndim != 2 or model >= len(keep):
            raise UserError(
                f"{keep_file} is {keep.shape}, not [models, examples], or has no row for "
                f"{folder.name}"
            )
        scores, logits = (
            _existing(folder / "scores" / "scores.npy"),
            _existing(folder / "logits" / "logits.npy"),
        )
        yield _Dump(model, folder, keep[model], keep_file, scores, logits)


_FIND: dict[str, Callable[[pathlib.Path], Iterator[_Dump]]] = {
    "tf_privacy": _tf_privacy,
    "lira_pytorch": _lira_pytorch,
    "lira_analysis": _lira_analysis,
}


def _numbered(path: pathlib.Path, pattern: str) -> list[tuple[int, pathlib.Path]]:
    """The folders whose whole name matches, by the number in it."""
    matches = [(re.fullmatch(pattern, p.name, re.ASCII), p) for p in path.iterdir() if p.is_dir()]
    return sorted((int(match[1]), p) for match, p in matches if match)


def _last(folder: pathlib.Path) -> pathlib.Path | None:
    return max((p for p in folder.glob("*.npy") if not p.name.startswith(".")), default=None)


def _existing(path: pathlib.Path) -> pathlib.Path | None:
    return path if path.exists() else None


def _each(dumps: Iterable[_Dump]) -> Iterator[tuple[_Dump, np.ndarray | None, np.ndarray | None]]:
    """Each model's scores and logits, as `_outputs` reads them, all of one shape."""
    first = shape = None
    for dump in dumps:
        scores, logits = _outputs(dump)
        if first is None:
            first, shape = dump, _shape(scores, logits)
        if _shape(scores, logits) != shape:
            raise UserError(
                f"{dump.scores or dump.logits} and its logits have {_shape(scores, logits)} "
                f"examples, queries and classes (0: no logits), but those of model {first.model} "
                f"have {shape}"
            )
        yield dump, scores, logits


def _outputs(dump: _Dump) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Scores [examples, queries] and logits [examples, queries or 1, classes], or None."""
    if dump.scores is None and dump.logits is None:
        raise UserError(
            f"{dump.folder} has neither scores nor logits: score this model, or move its folder "
            "away"
        )
    scores = logits = None
    if dump.scores is not None:
        scores = check_floats(load_npy(dump.scores), ("examples, queries",), dump.scores)
    if dump.logits is not None:
        forms = ("examples, 1, queries, classes", "examples, queries, classes")
        logits = check_floats(load_npy(dump.logits), forms, dump.logits)
        if logits.ndim == 4 and logits.shape[1] == 1:
            logits = logits[:, 0]
        fits = scores is None or (
            len(logits) == len(scores) and logits.shape[1] in (1, scores.shape[1])
        )
        if logits.ndim != 3 or logits.shape[-1] < 2 or not fits:
            of_scores = "" if scores is None else f", its scores {scores.shape}"
            raise UserError(
                f"{dump.logits} has shape {logits.shape}{of_scores}; it must be [{forms[0]}]"
            )
    return _in_our_order(scores, dump.in_grid), _in_our_order(logits, dump.in_grid)


def _in_our_order(array: np.ndarray | None, in_grid: bool) -> np.ndarray | None:
    if array is None or not in_grid:
        return array
    order = grid_order(array.shape[1])
    return array if order is None else array[:, order]


def _shape(scores: np.ndarray | None, logits: np.ndarray | None) -> tuple[int, int, int]:
    """Numbers of examples, queries and classes; 0 classes: no logits."""
    either = logits if scores is None else scores
    assert either is not None, "_outputs refuses a model that has neither"
    examples, queries = either.shape[:2]
    return examples, queries, 0 if logits is None else logits.shape[-1]


def _labels(
    path: pathlib.Path, dumps: list[_Dump], num_examples: int, num_classes: int
) -> np.ndarray:
    for file in (path / "y_train.npy", path / "labels.npy"):
        if file.exists():
            labels = load_npy(file)
            if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
                raise UserError(
                    f"{file} is {labels.dtype} {labels.shape}; it must hold whole numbers from 0 "
                    "[examples]"
                )
            labels = _covered(labels, num_examples, file, dumps[0].in_grid)
            if num_classes and labels.max() >= num_classes:
                raise UserError(
                    f"{file}: the largest label is {labels.max()}, but the logits have "
                    f"{num_classes} classes"
                )
            return labels.astype(np.int32)
    told = _labels_from_outputs(dumps)
    if told is None:
        raise UserError(
            f"{path / 'labels.npy'} is missing, and scores and logits do not tell the labels: "
            "save them there, whole numbers [examples]"
        )
    return told


def _labels_from_outputs(dumps: list[_Dump]) -> np.ndarray | None:
    """The classes under which the first query's logits give the stored scores; None if unclear.

    Under one model two classes may be equally likely, so models are added until one class is left.
    """
    fits = True
    for _, scores, logits in _each(dumps):
        if scores is None or logits is None:
            return None
        stored = np.clip(scores[:, :1], -_PHI_CEILING, _PHI_CEILING)
        classes = range(logits.shape[-1])
        phi = np.concatenate(
            [phi_from_logits(logits[:, :1], np.full(len(logits), k)) for k in classes], axis=1
        )
        fits = fits & (np.abs(np.clip(phi, -_PHI_CEILING, _PHI_CEILING) - stored) < _PHI_TOLERANCE)
        if (fits.sum(1) == 1).all():
            return fits.argmax(1).astype(np.int32)
    return None


def _covered(
    array: np.ndarray, num_examples: int, source: pathlib.Path, longer: bool
) -> np.ndarray:
    """The part of a mask or of labels that was scored: in tf_privacy perhaps the first examples."""
    if array.ndim != 1 or len(array) < num_examples or (len(array) > num_examples and not longer):
        raise UserError(
            f"{source} has shape {array.shape}, but {num_examples} examples were scored"
        )
    return array[:num_examples]
