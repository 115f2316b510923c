"""What the variances of many examples say of a single one: empirical Bayes.

Smyth 2004, Linear Models and Empirical Bayes Methods for Assessing Differential Expression
(https://doi.org/10.2202/1544-6115.1027), section 6.2. The variance of an example's list is taken
for a draw from a scaled inverse chi-square distribution with d0 degrees of freedom about s0^2; the
observed variances of many lists determine both. An example's own variance then counts as much as
its degrees of freedom, and s0^2 as much as d0.
"""

import dataclasses

import numpy as np
import scipy

from lira_jax.attacks.shared.student import LARGEST_FREEDOM


@dataclasses.dataclass(frozen=True)
class Sums:
    """What the prior is fitted from, summed over lists of two scores or more; arrays add up.

    Attributes:
      count: lists.
      first: sum of e = log(SS / d) - psi(d / 2) + log(d / 2), of d + 1 scores with the sum of
        squares SS about their mean.
      second: sum of e^2.
      noise: sum of psi'(d / 2), the variance of e at a given true variance.
    """

    count: np.ndarray
    first: np.ndarray
    second: np.ndarray
    noise: np.ndarray


@dataclasses.dataclass(frozen=True)
class VariancePrior:
    """A scaled inverse chi-square distribution of variances.

    Attributes:
      freedom: float64, d0, from 0 to LARGEST_FREEDOM.
      variance: float64, s0^2.
      floor: an example's variance is at least this.
    """

    freedom: np.ndarray
    variance: np.ndarray
    floor: float

    def degrees(self, count: np.ndarray) -> np.ndarray:
        """Degrees of freedom of the moderated variance of a list, d0 + count - 1.

        Args:
          count: int, scores in the list, at least 1; broadcast against d0.
        """
        return np.minimum(self.freedom + (count - 1), LARGEST_FREEDOM)

    def moderated(self, ss: np.ndarray, degrees: np.ndarray) -> np.ndarray:
        """The moderated variance of a list, (d0 s0^2 + SS) / degrees.

        Args:
          ss: float, the list's sum of squares about its mean; broadcast against d0.
          degrees: of freedom, as `degrees` gives them.
        """
        variance = self.freedom * self.variance + ss
        variance /= degrees
        return np.maximum(variance, self.floor, out=variance)


def list_terms(
    count: np.ndarray, ss: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a list contributes to `Sums`.

    Args:
      count: int [targets or 1, examples], scores in the list.
      ss: float64 [targets, examples, queries], their sum of squares about their mean.
      floor: smaller variances count as this.

    Returns:
      used bool and psi'(d / 2) float64, both of count's shape, and e float64 [targets, examples,
      queries] between them; 0 where a list of fewer than two scores is not used.
    """
    used = count >= 2
    freedom = np.where(used, count - 1, 1)
    half = np.arange(1, freedom.max() + 1) / 2  # many lists have one length
    offset = (np.log(half) - scipy.special.digamma(half))[freedom - 1]
    e = np.maximum(ss / freedom[..., None], floor)
    np.log(e, out=e)
    e += offset[..., None]
    if not used.all():
        e *= used[..., None]
    return used, e, scipy.special.polygamma(1, half)[freedom - 1] * used


def fit(sums: Sums, floor: float, freedom: float | None = None) -> VariancePrior:
    """The prior whose variances scatter as much as those that were seen, beyond their noise.

    d0 solves psi'(d0 / 2) = var(e) - mean psi'(d / 2); it is infinite if the right side is not
    positive: then the lists' variances differ no more than by chance. log s0^2 = mean(e) + psi(d0 /
    2) - log(d0 / 2).

    Args:
      sums: over one list or more; a single one has no scatter, so d0 is infinite.
      floor: an example's variance is at least this.
      freedom: d0, instead of the fitted one. With 0 the lists say nothing of one another and s0^2
        has no meaning.
    """
    mean = sums.first / sums.count
    if freedom is None:
        scatter = sums.second - sums.count * mean * mean
        scatter = np.maximum(scatter, 0) / np.maximum(sums.count - 1, 1)
        d0 = 2 * inverse_trigamma(scatter - sums.noise / sums.count)
    else:
        d0 = np.full(mean.shape, float(freedom))
    d0 = np.minimum(d0, LARGEST_FREEDOM)
    half = np.maximum(d0, np.finfo(float).tiny) / 2
    return VariancePrior(d0, np.exp(mean + scipy.special.digamma(half) - np.log(half)), floor)


def inverse_trigamma(y: np.ndarray) -> np.ndarray:
    """x > 0 with psi'(x) = y; infinity where y is not positive.

    Newton's method on 1 / psi', which is convex and nearly straight: from below it converges
    without ever stepping too far (Smyth 2004, appendix).
    """
    y = np.asarray(y, np.float64)
    positive = y > 0
    target = np.where(positive, y, 1.0)
    x = 0.5 + 1 / target
    for _ in range(50):
        trigamma = scipy.special.polygamma(1, x)
        step = trigamma * (1 - trigamma / target) / scipy.special.polygamma(2, x)
        x += step
        if np.all(np.abs(step) <= 1e-12 * x):
            break
    x = np.where(target > 1e7, 1 / np.sqrt(target), x)
    x = np.where(target < 1e-6, 1 / target, x)
    return np.where(positive, x, np.inf)
