"""Trimmed means of the shadow models' scores, without the target and its partner.

Once the target and its partner are deleted from a list of n + 2 scores, the trimmed mean leaves out
the c smallest and the c largest of the n that remain. All that can be left in are the n + 2 - 2 c
scores in the middle of the whole list, two more than are. A deleted score that is one of these is
one of the two; one that is smaller (larger) moves the cut, so that the smallest (largest) of them
goes in its place. So each target takes the clipped deleted scores from one sum.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class TrimmedSum:
    """The middle of the list of each example, from which deleted scores are still to be taken.

    The two largest scores are kept apart from the sum of the others: what is subtracted from that
    is never more than what remains, so that no digits are lost.

    Attributes:
      left: int [examples], scores in the trimmed mean; 0 or less where there is none.
      lowest, second_lowest, second_largest, largest: float64 [examples, queries], of the middle.
      rest: float64 [examples, queries], the sum of the middle without its two largest.
    """

    left: np.ndarray
    lowest: np.ndarray
    second_lowest: np.ndarray
    second_largest: np.ndarray
    largest: np.ndarray
    rest: np.ndarray

    def mean(self, *gone: np.ndarray) -> np.ndarray:
        """The trimmed means once some scores of the lists are deleted.

        Args:
          *gone: float64 [examples, queries], the scores, as many as `trimmed_sum` was told.

        Returns:
          float64 [examples, queries]; NaN where no score is left.
        """
        low, high, rest = self.lowest, self.largest, self.rest.copy()
        has_largest = np.ones(rest.shape, bool)
        has_second = np.ones(rest.shape, bool)
        for score in gone:
            score = np.clip(score, low, high)
            # The middle without this score: its ends, for the next one.
            is_largest = has_largest & (score == self.largest)
            is_second = ~is_largest & has_second & (score == self.second_largest)
            low = np.where(score == low, self.second_lowest, low)
            has_largest &= ~is_largest
            has_second &= ~is_second
            high = np.where(is_largest, self.second_largest, high)
            np.subtract(rest, score, out=rest, where=~(is_largest | is_second))
        np.maximum(rest, 0, out=rest)
        rest += np.where(has_largest, self.largest, 0)
        rest += np.where(has_second, self.second_largest, 0)
        left = self.left[:, None]
        return np.where(left > 0, rest / np.maximum(left, 1), np.nan)


def trimmed_sum(p: np.ndarray, member: np.ndarray, trim: float, gone: int) -> TrimmedSum:
    """What the trimmed means of one list of each example need.

    Args:
      p: float64 [models, examples, queries], not negative.
      member: bool [models, examples], which models' scores form the list of an example.
      trim: the share of the scores that remain that is left out at each end, rounded down to whole
        scores: 0 to less than one half.
      gone: how many scores `mean` will delete, 0 to 2.
    """
    num_models = len(p)
    ordered = np.where(member[:, :, None], p, np.inf)
    ordered.sort(axis=0)
    count = member.sum(0)
    remain = count - gone
    cut = (trim * np.maximum(remain, 0)).astype(int)

    def at(k: np.ndarray) -> np.ndarray:
        """The k-th score of each example's list, [examples, queries]."""
        taken = np.take_along_axis(ordered, np.clip(k, 0, num_models - 1)[None, :, None], axis=0)
        return np.where(((k >= cut) & (k < count - cut))[:, None], taken[0], 0)

    place = np.arange(num_models)[:, None]
    inside = (place >= cut) & (place < count - cut - 2)
    return TrimmedSum(
        left=remain - 2 * cut,
        lowest=at(cut),
        second_lowest=at(cut + 1),
        second_largest=at(count - cut - 2),
        largest=at(count - cut - 1),
        rest=np.where(inside[:, :, None], ordered, 0).sum(0),
    )
