"""Arrays that other programs saved: read with care, checked, and phi computed from logits."""

import pathlib

import numpy as np

from lira_jax.errors import UserError


def check_floats(
    array: np.ndarray, forms: tuple[str, ...], source: str | pathlib.Path
) -> np.ndarray:
    """Returns the array if it holds finite floats in one of the forms, such as "examples, queries".

    Raises:
      UserError: another type or number of axes, an empty array, NaN or infinite values.
    """
    if (
        array.dtype.kind != "f"
        or not array.size
        or array.ndim not in [form.count(",") + 1 for form in forms]
    ):
        expected = " or ".join(f"[{form}]" for form in forms)
        raise UserError(f"{source} is {array.dtype} {array.shape}; it must hold floats {expected}")
    finite = np.isfinite(array)
    if not finite.all():
        position = tuple(int(axis) for axis in np.unravel_index(finite.argmin(), array.shape))
        raise UserError(
            f"{source}: NaN or infinite, first at {position}; score the model again, or leave it "
            "out"
        )
    return array


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
    """phi = z_y - logsumexp_{j != y} z_j (LiRA, equation 3), as signals.phi but without JAX.

    Args:
      logits: float [examples, queries, classes].
      labels: int [examples].

    Returns:
      float32 [examples, queries], computed in float64.
    """
    phi = np.empty(logits.shape[:2], np.float32)
    examples = np.arange(len(labels))
    # One query at a time: a float64 copy of all may not fit in memory.
    for query in range(logits.shape[1]):
        z = logits[:, query].astype(np.float64)
        own = z[examples, labels]
        z[examples, labels] = -np.inf
        top = z.max(-1)
        phi[:, query] = own - top - np.log(np.exp(z - top[:, None]).sum(-1))
    return phi
