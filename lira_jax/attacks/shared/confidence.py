"""Confidences p_y of the shadow models, and their sums without the target and its partner."""

import dataclasses

import numpy as np

PHI_FLOOR = -700.0
"""Scaled logits below this count as this: exp(-700) is about the smallest p_y that sums of float64
can hold."""


def log_confidence(phi: np.ndarray) -> np.ndarray:
    """log p_y = -log(1 + exp(-phi)), float64, from scaled logits of any shape."""
    phi = np.maximum(phi, PHI_FLOOR, dtype=np.float64)
    return np.minimum(phi, 0) - np.log1p(np.exp(-np.abs(phi)))


@dataclasses.dataclass(frozen=True)
class ListSum:
    """The sum of one list of each example, split so that a score can be deleted without
    cancellation.

    Where the deleted score is nearly all of the sum, subtracting it would leave nothing but
    rounding: one confident model among many that are not. The largest score is therefore kept
      apart.

    Attributes:
      count: int [examples], scores in the list.
      largest: float64 [examples, queries], the largest score.
      rest: float64 [examples, queries], the sum of all others.
    """

    count: np.ndarray
    largest: np.ndarray
    rest: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """float64 [examples, queries]."""
        return self.largest + self.rest

    def total_without(self, gone: np.ndarray, loses: np.ndarray | bool = True) -> np.ndarray:
        """The sum once one score of the list is deleted: gone, float64 [..., examples, queries];
        where `loses` is false, none is."""
        left = self.rest - gone
        np.maximum(left, 0, out=left)
        left += self.largest
        np.copyto(left, self.rest, where=gone == self.largest)
        return left if np.all(loses) else np.where(loses, left, self.total)


def list_sum(p: np.ndarray, member: np.ndarray) -> ListSum:
    """Sums one list of each example.

    Args:
      p: float64 [models, examples, queries], not negative.
      member: bool [models, examples], keep for the in list and ~keep for the out list.
    """
    listed = np.where(member[:, :, None], p, 0)
    top = listed.argmax(0)[None]
    largest = np.take_along_axis(listed, top, axis=0)[0]
    np.put_along_axis(listed, top, 0, axis=0)
    return ListSum(member.sum(0), largest, listed.sum(0))
