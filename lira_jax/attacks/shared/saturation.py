"""Numbers beyond the range of float32, in which signals and scores are saved."""

import numpy as np

LARGEST = np.finfo(np.float32).max

_KEPT = 1e30


def clip(values: np.ndarray) -> np.ndarray:
    """A signal as float32; finite numbers beyond its range are its largest one.

    Args:
      values: any real type and shape; NaN and infinities stay what they are.
    """
    if values.dtype == np.float32:
        return values
    within = np.clip(values, -LARGEST, LARGEST)
    return np.where(np.isinf(values), values, within).astype(np.float32)


def compress(scores: np.ndarray) -> np.ndarray:
    """Attack scores as float32, all that are finite within its range and in their order.

    A score is a distance in standard deviations, squared at times, and where all shadows agree to
    the last digit the deviation is tiny: 1e89 is possible. Scores above 1e30 are replaced by 1e30
    (1 + log(score / 1e30)), which rises with them; smaller ones are only rounded.

    Args:
      scores: float64, any shape; NaN and infinities stay what they are.
    """
    size = np.abs(scores)
    beyond = np.isfinite(scores) & (size > _KEPT)
    if beyond.any():
        scores = scores.copy()
        scores[beyond] = np.copysign(_KEPT * (1 + np.log(size[beyond] / _KEPT)), scores[beyond])
    return scores.astype(np.float32)
