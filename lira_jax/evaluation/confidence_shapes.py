"""What the confidences of one class look like, for members and non-members.

Rezaei and Liu 2021, figures 1 and 2 (https://arxiv.org/abs/2005.13702): where the two look alike
among rightly classified examples, no attack on the confidences tells them apart there.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
import scipy

from lira_jax.evaluation.groups import GROUPS

BINS = 20
VECTOR_CLASS, HISTOGRAM_CLASS = 0, 3
"""The classes that the paper draws."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Numbers of members and of non-members; NaN where a group has none.

    Attributes:
      members: of the pairs that the target trained on.
      nonmembers: of the others.
    """

    members: tuple[float, ...]
    nonmembers: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ConfidenceShapes:
    """Confidences of the targets in the examples of one class each.

    Attributes:
      vector_class: whose mean confidence vectors these are.
      vectors: one of groups.GROUPS -> mean confidence in each class, [classes].
      histogram_class: of the next two; the last class where there are fewer.
      edges: of the bins of the confidence in the label, [bins + 1].
      histograms: one of groups.GROUPS -> share of its pairs in each bin, [bins].
    """

    vector_class: int
    vectors: dict[str, Shape]
    histogram_class: int
    edges: tuple[float, ...]
    histograms: dict[str, Shape]


def confidence_shapes(
    logits: Iterable[np.ndarray], labels: np.ndarray, members: np.ndarray
) -> ConfidenceShapes:
    """Both pictures, over the pairs of all targets.

    Args:
      logits: of one target after the other, [examples, classes] each.
      labels: int [examples].
      members: bool [targets, examples].
    """
    edges = np.linspace(0, 1, BINS + 1)
    vectors: dict[str, list] = {group: [0, 0] for group in GROUPS}
    counts: dict[str, list] = {group: [0, 0] for group in GROUPS}
    histograms: dict[str, list] = {group: [0, 0] for group in GROUPS}
    of_histogram = HISTOGRAM_CLASS
    for said, inside in zip(logits, members, strict=True):
        of_histogram = min(HISTOGRAM_CLASS, said.shape[1] - 1)
        correct = said.argmax(-1) == labels
        for of_class, where in ((VECTOR_CLASS, vectors), (of_histogram, histograms)):
            rows = np.flatnonzero(labels == of_class)
            confidence = scipy.special.softmax(said[rows].astype(np.float64), axis=-1)
            right = correct[rows]
            groups = zip(GROUPS, (np.ones_like(right), right, ~right), strict=True)
            for group, chosen in groups:
                for kind, own in enumerate((inside[rows], ~inside[rows])):
                    some = confidence[chosen & own]
                    if where is vectors:
                        vectors[group][kind] += some.sum(0)
                        counts[group][kind] += len(some)
                    else:
                        histograms[group][kind] += np.histogram(some[:, of_class], edges)[0]
    return ConfidenceShapes(
        VECTOR_CLASS,
        {g: Shape(*map(_divided, vectors[g], counts[g])) for g in GROUPS},
        of_histogram,
        tuple(edges.tolist()),
        {g: Shape(*(_divided(h, h.sum()) for h in histograms[g])) for g in GROUPS},
    )


def _divided(values: np.ndarray, number: float) -> tuple[float, ...]:
    """Values over a number; NaN where that is 0."""
    return tuple((values / number if number else np.full(np.shape(values), np.nan)).tolist())
