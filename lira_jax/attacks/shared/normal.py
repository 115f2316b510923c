"""The normal distribution, as attacks with a variance of their own for each list need it."""

import numpy as np


def log_density(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Log density at a distance from the mean; float64 of distance's shape.

    Args:
      distance: float, from the mean; it is overwritten.
      variance: float, broadcast against distance.
    """
    distance *= distance
    distance /= variance
    distance += np.log(2 * np.pi * variance)
    distance *= -0.5
    return distance
