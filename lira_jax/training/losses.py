"""Losses of ONE model, one number an example."""

import jax
import jax.numpy as jnp
import optax

from lira_jax.models.recipe import Batch


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


def of_batch(logits, batch: Batch, smoothing: float = 0.0):
    """Cross-entropy of a batch, of both labels where examples are mixed; float32 [B]."""
    loss = cross_entropy(logits, batch.labels, smoothing)
    if batch.other_labels is None:
        return loss
    other = cross_entropy(logits, batch.other_labels, smoothing)
    return batch.kept * loss + (1 - batch.kept) * other


def weighted_mean(values, weights):
    """The mean of [B] over the examples of a batch that are no padding; weights [B]."""
    return jnp.sum(values * weights) / jnp.sum(weights)
