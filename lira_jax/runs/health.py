"""Is a shadow model usable, and did it learn anything?

A model whose outputs are not numbers, or are the same for all examples, says nothing of any: no
attack may use it. One that predicts no better than chance is an honest model, if a poor one: its
outputs are fitted and attacked like any other's, and a warning says so.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

CONSTANT = 1e-6
"""Outputs are the same if they vary by less than this part of their size: float32 rounds so."""

SIGNIFICANT = 3.0  # standard deviations by which right predictions must exceed chance


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a model, in a few words, or None.

    Attributes:
      diverged: why no attack can use it.
      learned_nothing: how little it knows of its own members; attacks use it all the same.
    """

    diverged: str | None = None
    learned_nothing: str | None = None

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> "Diagnosis":
        """What manifest.json or a line of metrics.jsonl holds.

        Versions that had no `learned_nothing` called such models diverged, "at chance".
        """
        diverged, nothing = entry.get("diverged"), entry.get("learned_nothing")
        if diverged and diverged.endswith("%)") and "is at chance" in diverged:
            return cls(None, diverged)
        return cls(diverged, nothing)


class Summary(NamedTuple):
    """What a diagnosis reads of one model's outputs for the plain examples.

    Attributes:
      low, high: float [examples], the least and the largest number.
      predicted: int [examples], the class; None of outputs that are no logits.
    """

    low: Any
    high: Any
    predicted: Any

    def of_model(self, row: int) -> "Summary":
        """That of one of several models, [models, examples] each."""
        return Summary(*(None if array is None else array[row] for array in self))

    def accuracy(self, labels: np.ndarray, which: np.ndarray | None = None) -> float | None:
        """Of the predictions for some of the examples, bool [examples]; None if there are none."""
        if self.predicted is None:
            return None
        right = self.predicted == labels
        right = right if which is None else right[which]
        return float(right.mean()) if len(right) else None


def summarise(outputs: Any, classifies: bool) -> Summary:
    """The summary of outputs [examples, ...], of numpy or of JAX, which may be traced.

    Args:
      classifies: whether outputs are logits [examples, classes].
    """
    flat = outputs.reshape(len(outputs), -1)
    return Summary(flat.min(-1), flat.max(-1), flat.argmax(-1) if classifies else None)


def concatenate(parts: Sequence[Summary], axis: int = 0) -> Summary:
    """Summaries of parts of the examples as one; of several models together if axis is 1."""
    columns = zip(*parts, strict=True)
    return Summary(*(None if c[0] is None else np.concatenate(c, axis) for c in columns))


def diagnose(
    outputs: Summary, labels: np.ndarray, keep: np.ndarray, finite: np.ndarray | None = None
) -> Diagnosis:
    """What is wrong with a model.

    It learned nothing if, of its own members, it predicts no more right than with the same
    predictions dealt out among them at random: 3 standard deviations above the mean of that. So one
    that always predicts the most frequent class learned nothing, however frequent that is, and one
    that knows a few examples of a rare class learned something.

    Args:
      outputs: of the plain examples.
      labels: int [examples].
      keep: bool [examples], its members.
      finite: bool [examples], whether all else that was computed from the outputs is finite too.
    """
    usable = np.isfinite(outputs.low) & np.isfinite(outputs.high)
    if finite is not None:
        usable &= finite
    if not usable.all():
        return Diagnosis(f"NaN or infinite outputs on {np.count_nonzero(~usable)} examples")
    if _is_constant(outputs):
        return Diagnosis("the same outputs for all examples")
    if outputs.predicted is None or not keep.any():
        return Diagnosis()
    predicted, own = outputs.predicted[keep], labels[keep]
    right = np.count_nonzero(predicted == own)
    mean, deviation = by_chance(predicted, own)
    if right - mean > SIGNIFICANT * deviation or right == len(own):
        return Diagnosis()
    few = f": {len(own)} members are too few to tell" if right - mean > 2 * deviation else ""
    return Diagnosis(
        learned_nothing=f"{right / len(own):.1%} of its own members are predicted right, and by "
        f"chance {mean / len(own):.1%} would be{few}"
    )


def by_chance(predicted: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the right predictions, if dealt out at random.

    Hoeffding 1951, A Combinatorial Central Limit Theorem, theorem 2
    (https://doi.org/10.1214/aoms/1177729545), of the matrix [predicted_i == labels_j].

    Args:
      predicted, labels: int [examples].
    """
    n, classes = len(labels), int(max(predicted.max(), labels.max())) + 1
    guesses, has = (np.bincount(a, minlength=classes).astype(float) for a in (predicted, labels))
    total = guesses @ has
    if n < 2:
        return total / n, 0.0
    spread = total - (guesses @ has**2 + guesses**2 @ has) / n + total**2 / n**2
    return total / n, float(np.sqrt(max(spread, 0.0) / (n - 1)))


def _is_constant(outputs: Summary) -> bool:
    size = max(np.abs(outputs.low).max(), np.abs(outputs.high).max())
    same = all(np.ptp(a) <= CONSTANT * size for a in (outputs.low, outputs.high))
    alike = outputs.predicted is None or np.ptp(outputs.predicted) == 0
    return len(outputs.low) > 1 and bool(same and alike)
