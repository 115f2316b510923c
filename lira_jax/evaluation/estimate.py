"""Numbers with their 95 % intervals."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import scipy


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and its interval. NaN stands for what a run cannot know.

    Attributes:
      value: the number.
      low: lower end of its 95 % interval.
      high: upper end.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return not (math.isnan(self.low) or math.isnan(self.high))


@dataclasses.dataclass(frozen=True)
class Metric(Estimate):
    """A metric of an attack: its value and interval on the pairs of all targets, and each target's.

    Attributes:
      mean: over the targets that have a value of their own.
      per_target: [targets], each on the target's own ROC; NaN too where a target has no members or
        no non-members among its pairs.
    """

    mean: float = math.nan
    per_target: tuple[float, ...] = ()


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Mean over models with Student's interval; none with a single model."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean)
    half = margin(float(np.std(values, ddof=1)), len(values))
    return Estimate(mean, mean - half, mean + half)


def margin(deviation: float, number: int) -> float:
    """Half of Student's 95 % interval of a mean of two values or more.

    Args:
      deviation: their standard deviation, with number - 1 degrees of freedom.
      number: how many there are.
    """
    return float(scipy.stats.t.ppf(0.975, number - 1) * deviation / math.sqrt(number))
