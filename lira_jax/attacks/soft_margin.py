"""Confidences other than the plain softmax, as the scaled logits that attacks take for phi."""

import numpy as np

from lira_jax.errors import UserError

MARGIN = 0.6
"""What the authors of RMIA take from the label's logit."""


def tempered_phi(logits: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """Scaled logits of the softmax of logits / temperature.

    Args:
      logits: float [models, examples, classes].
      labels: int [examples].
      temperature: positive.

    Returns:
      float64 [models, examples], log(p_y / (1 - p_y)).

    Raises:
      UserError: the temperature is not positive.
    """
    if not 0 < temperature < np.inf:
        raise UserError(f"temperature={temperature}: give a positive number")
    phi = np.empty(logits.shape[:2])
    examples = np.arange(len(labels))
    for model, z in enumerate(logits):
        z = z / np.float64(temperature)
        own = z[examples, labels]
        z[examples, labels] = -np.inf
        largest = z.max(-1)
        z -= largest[:, None]
        phi[model] = own - largest - np.log(np.exp(z, out=z).sum(-1))
    return phi


def taylor_soft_margin(
    logits: np.ndarray,
    labels: np.ndarray,
    temperature: float = 2.0,
    margin: float = MARGIN,
    order: int = 4,
) -> np.ndarray:
    """Scaled logits of the soft-margin Taylor softmax, the confidence the authors of RMIA use.

    `taylor_confidence` has the formula. The authors' code, asked for order 4, stops at the cubic
    term; here the polynomial has all terms up to the order.

    Args:
      logits: float [models, examples, classes].
      labels: int [examples].
      temperature: positive.
      margin: taken from the label's logit after the temperature.
      order: of the polynomial, even: only then is it positive everywhere.

    Returns:
      float64 [models, examples], log(p_y / (1 - p_y)): what `rmia` takes for phi.

    Raises:
      UserError: the order is not even and positive, or the temperature is not positive.
    """
    if order < 2 or order % 2:
        raise UserError(
            f"order={order}: give an even number, 2 or more, or confidences can be negative"
        )
    if not 0 < temperature < np.inf:
        raise UserError(f"temperature={temperature}: give a positive number")
    phi = np.empty(logits.shape[:2])
    for model, z in enumerate(logits):
        label, others = _taylor_terms(z, labels, temperature, margin, order)
        phi[model] = np.log(label) - np.log(others)
    return phi


def taylor_confidence(
    logits: np.ndarray, labels: np.ndarray, temperature: float, margin: float, order: int
) -> np.ndarray:
    """The soft-margin Taylor softmax p_y = T(z_y - margin) / (T(z_y - margin) + sum_{j != y}
    T(z_j)).

    Here z = logits / temperature and T is the Taylor polynomial of exp. If the order is odd, T is
    negative far below 0, and p_y can leave [0, 1].

    Args:
      logits: float [models, examples, classes].
      labels: int [examples].
      temperature: positive.
      margin: taken from the label's logit after the temperature.
      order: of the polynomial.

    Returns:
      float64 [models, examples].
    """
    p = np.empty(logits.shape[:2])
    for model, z in enumerate(logits):
        label, others = _taylor_terms(z, labels, temperature, margin, order)
        with np.errstate(divide="ignore", invalid="ignore"):
            p[model] = label / (label + others)
    return p


def _taylor_terms(
    z: np.ndarray, labels: np.ndarray, temperature: float, margin: float, order: int
) -> tuple[np.ndarray, np.ndarray]:
    """T of the label and the sum of T of the other classes, float64 [examples], of one model."""
    z = z / np.float64(temperature)
    examples = np.arange(len(labels))
    label = _taylor(z[examples, labels] - margin, order)
    others = _taylor(z, order)
    others[examples, labels] = 0
    return label, others.sum(-1)


def _taylor(z: np.ndarray, order: int) -> np.ndarray:
    """The Taylor polynomial of exp at 0, by Horner's rule."""
    value = np.ones_like(z)
    for i in range(order, 0, -1):
        value *= z
        value /= i
        value += 1
    return value
