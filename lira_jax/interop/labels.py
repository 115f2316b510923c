"""The labels of another tool's examples: read, told from scores and logits, held against them."""

import pathlib
from collections.abc import Iterable

import numpy as np

from lira_jax.errors import UserError
from lira_jax.interop.arrays import phi_from_logits, phi_of_every_class
from lira_jax.interop.layouts import Outputs, covered
from lira_jax.runs.files import load_npy

# Float32 probabilities give phi to 1e-4, but beyond 80 they are denormal and the tools' floors
# under the logarithm begin to matter.
_TOLERANCE, _CEILING = 0.01, 80.0


def stored(
    path: pathlib.Path, num_examples: int, num_classes: int, longer: bool
) -> tuple[np.ndarray, pathlib.Path] | None:
    """The labels in y_train.npy or labels.npy, int32 [examples], and the file; None without one.

    Args:
      path: the run directory.
      num_examples: that were scored.
      num_classes: of the logits; 0 if there are none.
      longer: whether the file may hold labels of more examples, the first of which were scored.

    Raises:
      UserError: it does not hold labels of these examples.
    """
    for file in (path / "y_train.npy", path / "labels.npy"):
        if file.exists():
            labels = load_npy(file)
            if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
                raise UserError(
                    f"{file} is {labels.dtype} {labels.shape}; it must hold whole numbers from 0 "
                    "[examples]"
                )
            labels = covered(labels, num_examples, file, longer)
            if num_classes and labels.max() >= num_classes:
                raise UserError(
                    f"{file}: the largest label is {labels.max()}, but the logits have "
                    f"{num_classes} classes"
                )
            return labels.astype(np.int32), file
    return None


def told(
    outputs: Iterable[Outputs], examples: np.ndarray | slice = slice(None)
) -> np.ndarray | None:
    """The classes under which the logits of the first query give the stored scores.

    Under one model two classes may be equally likely, so models are added until one class is left.

    Args:
      outputs: of the models.
      examples: those that are looked at.

    Returns:
      int32 [examples]; None if it is not one class for each.
    """
    fits: np.ndarray | bool = True
    for output in outputs:
        if output.scores is None or output.logits is None:
            return None
        phi = phi_of_every_class(output.logits[examples, 0])
        missed = np.abs(_clipped(phi) - _clipped(output.scores[examples, :1]))
        within = _tolerance(output.scores, output.logits, output.rounding)
        fits = fits & (missed < within[examples, None])
        if (np.sum(fits, 1) == 1).all():
            return np.argmax(fits, 1).astype(np.int32)
    return None


def disagree(output: Outputs, labels: np.ndarray) -> np.ndarray:
    """The examples whose first score is not phi of logits and label.

    Returns:
      bool [examples]; all false where scores or logits are not stored.
    """
    scores, logits = output.scores, output.logits
    if scores is None or logits is None:
        return np.zeros(len(labels), bool)
    phi = phi_from_logits(logits[:, :1], labels)[:, 0]
    missed = np.abs(_clipped(phi) - _clipped(scores[:, 0]))
    return missed >= _tolerance(scores, logits, output.rounding)


def refuse_contradiction(
    file: pathlib.Path, labels: np.ndarray, wrong: np.ndarray, outputs: Iterable[Outputs]
) -> None:
    """Raises UserError if scores and logits tell other labels than a file.

    Args:
      file: of the labels.
      labels: int [examples].
      wrong: bool [examples], where scores are not phi of logits and label.
      outputs: of the models.
    """
    examples = np.flatnonzero(wrong)
    if not examples.size:
        return
    others = told(outputs, examples)
    if others is not None:
        raise UserError(
            f"{file} contradicts scores and logits on {len(examples)} of {len(labels)} examples: "
            f"example {examples[0]} has label {labels[examples[0]]}, but its scores are those of "
            f"label {others[0]}; save the labels in the order of the scores, or remove the file, "
            "and they are told from scores and logits"
        )


def _tolerance(scores: np.ndarray, logits: np.ndarray, rounding: float) -> np.ndarray:
    """By how much phi of the logits may miss the stored score, [examples]: rounding of either."""
    size = np.abs(logits[:, 0]).max(-1) + np.abs(_clipped(scores[:, 0]))
    return _TOLERANCE + 2 * rounding * size


def _clipped(phi: np.ndarray) -> np.ndarray:
    return np.clip(phi, -_CEILING, _CEILING)
