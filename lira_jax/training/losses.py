"""Losses of ONE model, one number an example."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy(logits, labels, smoothing: float = 0.0):
    """Cross-entropy of the (smoothed) labels.

    Args:
      logits: [B, classes].
      labels: int [B].
      smoothing: probability mass moved from the label to all classes alike.

    Returns:
      float32 [B].
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits.astype(jnp.float32), targets)


def weighted_mean(values, weights):
    """The mean of [B] over the examples of a batch that are no padding; weights [B]."""
    return jnp.sum(values * weights) / jnp.sum(weights)
