"""Signals of ONE model of text: how well it foresees the tokens of each sequence."""

import jax
import jax.numpy as jnp

from lira_jax.data.text import sequences
from lira_jax.models import tokens as tokens_lib

_LEAST = 1e-30
_LEAST_VARIANCE = 1e-12  # where one token has all the probability


def token_z(logits, tokens):
    """log p of each token, less the mean of log p over all tokens that could stand there by their
    own probabilities, by its standard deviation there.

    Zhang et al. 2025, Min-K%++ (https://arxiv.org/abs/2404.02936), equation 3.

    Returns:
      float32 [B, L], 0 at padding.
    """
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32), -1)
    p = jnp.exp(log_p)
    mean = jnp.sum(p * log_p, -1, keepdims=True)
    variance = jnp.sum(p * jnp.square(log_p - mean), -1)
    own = tokens_lib.log_probabilities(logits, tokens)
    z = (own - mean[..., 0]) / jnp.sqrt(jnp.maximum(variance, _LEAST_VARIANCE))
    return jnp.where(tokens == sequences.PADDING, 0.0, z)


def phi(logits, tokens):
    """-L - log(1 - e^-L) of the mean loss L: the scaled logit of the mean token's probability.

    It is phi of Carlini et al. 2022 (https://arxiv.org/abs/2112.03570, IV-C) with e^-L, the
    geometric mean of the tokens' probabilities, for p_y; the paper does not say what it takes for
    WikiText. Higher = more likely a member.

    Returns:
      float32 [B].
    """
    loss, _ = tokens_lib.mean_loss(logits, tokens)
    return -loss - jnp.log(jnp.maximum(-jnp.expm1(-loss), _LEAST))
