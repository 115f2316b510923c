"""Arrays that other programs saved: read with care, checked, and phi computed from logits."""

import pathlib

import numpy as np

from lira_jax.attacks.shared import saturation
from lira_jax.errors import UserError

LOG_FLOOR = float(np.log(1e-45))
"""The logarithm of a probability of 0, -103.6: the tools add 1e-45 under their logarithms."""

# Softmax outputs in float16 or bfloat16, or rounded to two decimals, sum to 1 within this.
_SUM_TOLERANCE, _NEGATIVE_TOLERANCE = 0.05, 1e-6


def as_logits(
    array: np.ndarray, forms: tuple[str, ...], source: str | pathlib.Path
) -> tuple[np.ndarray, bool]:
    """Logits, of what is given as logits: the one check for every file that they come from.

    A logit of -inf, such as the logarithm of a probability of 0, becomes that of a probability of
    1e-45, as in the tools' scores.

    Args:
      array: [..., classes].
      forms: the axes that it may have, such as "examples, classes".
      source: the file, for errors.

    Returns:
      float32 or float64 of the same shape, finite; and whether there were logits of -inf.

    Raises:
      UserError: another type or number of axes, an empty array, probabilities, NaN, inf, or an
        example whose logits are all -inf.
    """
    array = _floats(array, forms, source)
    if array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    if are_probabilities(array):
        raise UserError(
            f"{source}: these are probabilities, not logits; save their logarithm (numpy.log, "
            "where -inf for 0 is all right)"
        )
    zero = array == -np.inf
    _require_finite(_finite(array) | (zero & ~zero.all(-1, keepdims=True)), source)
    if not zero.any():
        return array, False
    top = array.max(-1, keepdims=True)
    total = top + np.log(np.exp(array - top).sum(-1, keepdims=True))
    return np.where(zero, total + array.dtype.type(LOG_FLOOR), array), True


def as_scores(
    array: np.ndarray, forms: tuple[str, ...], source: str | pathlib.Path
) -> tuple[np.ndarray, bool]:
    """Scores phi = log p - log(1 - p), of which those of p = 0 and 1 may be infinite.

    Returns:
      float of the same shape, finite; and whether there were infinite ones, which become those of
      a p of 1e-45 or 1 - 1e-45.

    Raises:
      UserError: as `as_logits`, but for inf.
    """
    array = _floats(array, forms, source)
    infinite = np.isinf(array)
    _require_finite(_finite(array) | infinite, source)
    if not infinite.any():
        return array, False
    return np.where(infinite, np.clip(array, LOG_FLOOR, -LOG_FLOOR), array), True


def are_probabilities(array: np.ndarray) -> bool:
    """Whether [..., classes] are softmax outputs, within rounding: no logits look like that."""
    if not (array.min() >= -_NEGATIVE_TOLERANCE and array.max() <= 1 + _SUM_TOLERANCE):
        return False
    return bool((np.abs(array.sum(-1) - 1) <= _SUM_TOLERANCE).all())


def check_mask(array: np.ndarray, source: str | pathlib.Path) -> np.ndarray:
    """Returns the array if it is bool.

    Raises:
      UserError: it is not; a list of indices is not taken for a mask.
    """
    if array.dtype != bool:
        raise UserError(
            f"{source} is {array.dtype} {array.shape}; it must be bool, true for members"
        )
    return array


def phi_from_logits(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """phi = z_y - logsumexp_{j != y} z_j (LiRA, IV-C and VI-A), as signals.phi but without JAX.

    Args:
      logits: float [examples, queries, classes].
      labels: int [examples].

    Returns:
      float32 [examples, queries], computed in float64; what exceeds its range is its largest
      number.
    """
    phi = np.empty(logits.shape[:2], np.float32)
    examples = np.arange(len(labels))
    # One query at a time: a float64 copy of all may not fit in memory.
    for query in range(logits.shape[1]):
        z = logits[:, query].astype(np.float64)
        own = z[examples, labels]
        z[examples, labels] = -np.inf
        top = z.max(-1)
        phi[:, query] = saturation.clip(own - top - np.log(np.exp(z - top[:, None]).sum(-1)))
    return phi


def phi_of_every_class(logits: np.ndarray) -> np.ndarray:
    """What `phi_from_logits` gives if all labels are 0, 1, and so on.

    Args:
      logits: float [examples, classes].

    Returns:
      float64 [examples, classes].
    """
    z = logits.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    weight = np.exp(z)
    examples, largest = np.arange(len(z)), z.argmax(-1)
    rest = weight.sum(-1, keepdims=True) - weight
    phi = z - np.log(np.maximum(rest, np.finfo(np.float64).tiny))
    # Nearly all of the sum may be the largest, and subtracting it would leave rounding.
    z[examples, largest] = -np.inf
    second = z.max(-1)
    phi[examples, largest] = -second - np.log(np.exp(z - second[:, None]).sum(-1))
    return phi


def _floats(array: np.ndarray, forms: tuple[str, ...], source: str | pathlib.Path) -> np.ndarray:
    if (
        array.dtype.kind != "f"
        or not array.size
        or array.ndim not in [form.count(",") + 1 for form in forms]
    ):
        expected = " or ".join(f"[{form}]" for form in forms)
        raise UserError(f"{source} is {array.dtype} {array.shape}; it must hold floats {expected}")
    return array


def _finite(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.isfinite(array.astype(np.float32, copy=False))


def _require_finite(finite: np.ndarray, source: str | pathlib.Path) -> None:
    if not finite.all():
        position = tuple(int(axis) for axis in np.unravel_index(finite.argmin(), finite.shape))
        raise UserError(
            f"{source}: NaN or infinite, first at {position}; score the model again, or leave it "
            "out"
        )
