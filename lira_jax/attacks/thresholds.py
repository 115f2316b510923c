"""Attacks that compare the target's own output with one global threshold; they need no shadow
model."""

import numpy as np

from lira_jax.attacks.shared.inputs import by_query, query_mean


def loss(phi: np.ndarray) -> np.ndarray:
    """Minus the cross-entropy of the plain query, log p_y.

    Yeom et al. 2018, Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting
    (https://arxiv.org/abs/1709.01604).

    Args:
      phi: float [targets, examples, queries], query 0 the plain one; [targets, examples] is one
        query.

    Returns:
      float64 [targets, examples]; higher = more likely a member.
    """
    # phi = log(p_y / (1 - p_y)), so log p_y = -log(1 + exp(-phi)).
    return -np.logaddexp(0, -phi_plain(phi))


def phi_plain(phi: np.ndarray) -> np.ndarray:
    """Scaled logit of the plain query: the order of `loss` for one target, without its rounding
    near p_y = 1.

    Args:
      phi: float [targets, examples, queries], query 0 the plain one; [targets, examples] is one
        query.

    Returns:
      float64 [targets, examples]; higher = more likely a member.
    """
    return by_query(phi)[:, :, 0].astype(np.float64)


def phi_mean(phi: np.ndarray) -> np.ndarray:
    """Mean scaled logit over the queries, the "global" attack of the LiRA reference code.

    Args:
      phi: float [targets, examples, queries]; [targets, examples] is one query.

    Returns:
      float64 [targets, examples]; higher = more likely a member.
    """
    return query_mean(by_query(phi))
