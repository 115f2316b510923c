"""Losses of ONE model, one number an example."""

import jax
import jax.numpy as jnp
import optax

from lira_jax.data.text import sequences
from lira_jax.models.recipe import Batch


def cross_entropy(logits, labels, smoothing: float = 0.0):
    """Cross-entropy of the (smoothed) labels.

    Args:
      logits: [B, ..., classes].
      labels: int [B, ...].
      smoothing: probability mass moved from the label to all classes alike.

    Returns:
      float32 [B, ...].
    """
    if not smoothing and logits.ndim > 2:  # of large vocabularies one-hot rows are large
        return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels)
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits.astype(jnp.float32), targets)


def of_tokens(logits, tokens, smoothing: float = 0.0):
    """The mean cross-entropy of each sequence's tokens, padding apart, and how many there are.

    Args:
      logits: [B, L, vocabulary], those at t of token t.
      tokens: int [B, L], padded by a number below 0.

    Returns:
      float32 [B] and int32 [B]. The mean of the first, weighted by the second, is the mean over all
      tokens.
    """
    known = tokens != sequences.PADDING
    loss = cross_entropy(logits, jnp.maximum(tokens, 0), smoothing)
    count = sequences.lengths(tokens)
    return jnp.sum(jnp.where(known, loss, 0), -1) / count, count


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
