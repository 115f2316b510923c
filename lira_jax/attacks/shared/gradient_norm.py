"""The loss gradient's norm as a signal: minus its logarithm, which is near to normal."""

import functools
from collections.abc import Callable, Mapping

import numpy as np

Derive = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]

NORMS = {"l1": 0, "l2": 1, "linf": 3}
"""Norm -> its place among the seven numbers of signals/gradient_norms.py."""

EPSILON = 1e-30
"""Keeps the logarithm finite where a gradient is 0; float32's smallest are near 1e-38."""


def gradient_norm(
    by: str, norm: str
) -> Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]:
    """Builds the signal -log(G + EPSILON), G a norm of the gradient of one example's loss.

    Carlini et al. 2022, appendix A-B, attacks with -G in the L2 norm by the weights; the logarithm,
    which changes no threshold's ROC, is our choice, as the paper says of none: online LiRA wants
    lists near to normal.

    Args:
      by: "w" for the gradient by the weights, "x" by the input.
      norm: a key of NORMS.

    Returns:
      (signals, labels) -> float64 [models, examples], higher = more likely a member.
    """
    return functools.partial(_minus_log, f"gradient_norms_{by}", NORMS[norm])


def _minus_log(
    signal: str, place: int, signals: Mapping[str, np.ndarray], labels: np.ndarray
) -> np.ndarray:
    return -np.log(signals[signal][..., place].astype(np.float64) + EPSILON)
