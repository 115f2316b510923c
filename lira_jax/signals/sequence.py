"""Signals of ONE model of text: how well it foresees the tokens of each sequence."""

import jax
import jax.numpy as jnp

from lira_jax.data.text import sequences

_LEAST = 1e-30


def token_log_probabilities(logits, tokens):
    """log p of each token given those before it.

    Args:
      logits: [B, L, vocabulary], those at t of token t.
      tokens: [B, L], padded by a number below 0.

    Returns:
      float32 [B, L], 0 at padding.
    """
    tokens = tokens.astype(jnp.int32)
    own = jnp.take_along_axis(logits, jnp.maximum(tokens, 0)[..., None], -1)[..., 0]
    log_p = own - jax.nn.logsumexp(logits, -1)
    return jnp.where(tokens == sequences.PADDING, 0.0, log_p)


def mean_loss(logits, tokens):
    """The mean cross-entropy L of a sequence's tokens, in nats: float32 [B]."""
    log_p = token_log_probabilities(logits, tokens)
    return -log_p.sum(-1) / sequences.lengths(tokens)


def phi(logits, tokens):
    """-L - log(1 - e^-L) of the mean loss L: the scaled logit of the mean token's probability.

    It is phi of Carlini et al. 2022 (https://arxiv.org/abs/2112.03570, IV-C) with e^-L, the
    geometric mean of the tokens' probabilities, for p_y; the paper does not say what it takes for
    WikiText. Higher = more likely a member.

    Returns:
      float32 [B].
    """
    loss = mean_loss(logits, tokens)
    return -loss - jnp.log(jnp.maximum(-jnp.expm1(-loss), _LEAST))
