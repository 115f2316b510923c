"""What logits of ONE model say of the tokens of sequences."""

import jax
import jax.numpy as jnp

from lira_jax.data.text import sequences


def log_probabilities(logits, tokens, smoothing: float = 0.0):
    """log p of each token given those before it.

    Args:
      logits: [B, L, vocabulary], those at t of token t.
      tokens: [B, L], padded by sequences.PADDING.
      smoothing: weight of the mean log p of all tokens that could stand there, whose negative is
        then the cross-entropy of smoothed labels.

    Returns:
      float32 [B, L], 0 at padding.
    """
    tokens, logits = tokens.astype(jnp.int32), logits.astype(jnp.float32)
    own = jnp.take_along_axis(logits, jnp.maximum(tokens, 0)[..., None], -1)[..., 0]
    if smoothing:
        own = (1 - smoothing) * own + smoothing * logits.mean(-1)
    log_p = own - jax.nn.logsumexp(logits, -1)
    return jnp.where(tokens == sequences.PADDING, 0.0, log_p)


def mean_loss(logits, tokens, smoothing: float = 0.0):
    """The mean cross-entropy of each sequence's tokens, padding apart, and how many there are.

    Args:
      logits, tokens, smoothing: as of `log_probabilities`.

    Returns:
      float32 [B], in nats, and int32 [B]. The mean of the first, weighted by the second, is the
      mean over all tokens.
    """
    count = sequences.lengths(tokens)
    return -log_probabilities(logits, tokens, smoothing).sum(-1) / count, count
