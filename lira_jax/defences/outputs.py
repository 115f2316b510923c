"""Defences of what a model releases: functions of its logits, of many examples at once."""

import numpy as np
import scipy


def temperature(logits: np.ndarray, value: float) -> np.ndarray:
    """The logits of softmax(z / T) (Hinton et al. 2015; a defence in Hintersdorf et al. 2022).

    Args:
      logits: float [..., classes].
      value: T, > 0.

    Returns:
      Logits, float32 of the same shape: no probability is rounded on the way.
    """
    return (logits / np.float32(value)).astype(np.float32)


def rounded(logits: np.ndarray, value: float) -> np.ndarray:
    """Probabilities rounded to so many decimals (Shokri et al. 2017, section VI-F).

    Returns:
      float64 of the same shape. They need not sum to 1; where all would be 0, nothing is said.
    """
    return np.round(scipy.special.softmax(logits.astype(np.float64), -1), int(value))


def top_k(logits: np.ndarray, value: float) -> np.ndarray:
    """The k largest probabilities, the rest of 1 spread evenly (Shokri et al. 2017, section VI-F).

    Only the k are released; to an attacker all other classes are alike.

    Returns:
      float64 of the same shape.
    """
    p, k = scipy.special.softmax(logits.astype(np.float64), -1), int(value)
    if k >= p.shape[-1]:
        return p
    order = np.argsort(-p, -1, kind="stable")
    np.put_along_axis(p, order[..., k:], 0, -1)
    rest = np.maximum(1 - p.sum(-1, keepdims=True), 0) / (p.shape[-1] - k)
    np.put_along_axis(p, order[..., k:], np.broadcast_to(rest, order[..., k:].shape), -1)
    return p


def argmax(logits: np.ndarray, value: float) -> np.ndarray:
    """The predicted label alone: probability 1, all others 0; float64 of the same shape."""
    predicted = logits.argmax(-1)[..., None]
    return (np.arange(logits.shape[-1]) == predicted).astype(np.float64)
