"""A GPT: a pre-norm transformer decoder on token ids.

Radford et al. 2019 (GPT-2), https://cdn.openai.com/better-language-models/language-models.pdf;
rotary positions of Su et al. 2021, https://arxiv.org/abs/2104.09864.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.errors import UserError

POSITIONS = ("learned", "rotary")
_STD = 0.02
_SMALL, _LARGE = 32, 64  # size of a head, of narrow models and of others


class Gpt(nn.Module):
    """Logits of each token given those before it.

    Attributes:
      num_classes: size of the vocabulary.
      depth: blocks.
      width: of the residual stream.
      positions: "learned", or "rotary".
      dropout: fraction of the embeddings, of what each layer adds to them, and of the weights of
        attention, that is dropped in training, as in GPT-2.
      remat: whether a block's activations are computed again in the backward pass, not kept.
    """

    num_classes: int
    depth: int = 12
    width: int = 768
    positions: str = "learned"
    dropout: float = 0.0
    remat: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, train: bool):
        """Args:
          x: [B, L] token ids, a number below 0 after the last token.

        Returns:
          float32 [B, L, vocabulary]; those at t are of token t, given those before it.
        """
        normal = nn.initializers.normal(_STD)
        embed = nn.Embed(
            self.num_classes, self.width, embedding_init=normal, dtype=self.dtype, name="tokens"
        )
        start = self.param("start", normal, (self.width,))
        tokens = jnp.maximum(x.astype(jnp.int32), 0)
        h = embed(tokens[:, :-1])
        first = jnp.broadcast_to(start.astype(h.dtype), (len(x), 1, self.width))
        h = jnp.concatenate([first, h], 1)
        if self.positions == "learned":
            h += self.param("positions", normal, (x.shape[1], self.width)).astype(h.dtype)
        h = nn.Dropout(self.dropout, deterministic=not train)(h)
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        rotary = self.positions == "rotary"
        for number in range(self.depth):
            name = f"block_{number}"
            h = block(self.depth, rotary, self.dropout, self.dtype, name=name)(h, train)
        h = nn.LayerNorm(dtype=self.dtype, name="norm")(h)
        return embed.attend(h).astype(jnp.float32)


class Block(nn.Module):
    """Attention, then two dense layers, each on the normalised stream and added to it."""

    depth: int
    rotary: bool
    dropout: float
    dtype: Any

    @nn.compact
    def __call__(self, h, train: bool):
        width = h.shape[-1]
        heads = number_of_heads(width, self.rotary)
        shape = (*h.shape[:2], heads, width // heads)

        def dense(units: int, name: str, scale: float = 1.0):
            init = nn.initializers.normal(_STD * scale)
            return nn.Dense(units, dtype=self.dtype, kernel_init=init, name=name)

        def dropped(what):
            return nn.Dropout(self.dropout, deterministic=not train)(what)

        into = (2 * self.depth) ** -0.5  # of layers whose result is added to the stream (GPT-2)
        y = nn.LayerNorm(dtype=self.dtype, name="norm_attention")(h)
        q, k, v = (a.reshape(shape) for a in jnp.split(dense(3 * width, "qkv")(y), 3, -1))
        if self.rotary:
            q, k = rotated(q), rotated(k)
        if self.dropout and train:
            y = attention(q, k, v, dropped)
        else:
            y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        h += dropped(dense(width, "attention", into)(y.reshape(h.shape)))
        y = nn.LayerNorm(dtype=self.dtype, name="norm_dense")(h)
        y = nn.gelu(dense(4 * width, "wide")(y))
        return h + dropped(dense(width, "narrow", into)(y))


def attention(q, k, v, dropped: Callable):
    """Causal attention with weights of which some are dropped; JAX's own has no dropout.

    Args:
      q, k, v: [B, L, heads, size].
      dropped: of weights [B, heads, L, L].

    Returns:
      [B, L, heads, size].
    """
    size, causal = q.shape[-1], jnp.tri(q.shape[1], dtype=bool)
    products = jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)
    weights = nn.softmax(jnp.where(causal, products * size**-0.5, -jnp.inf))
    return jnp.einsum("bhqk,bkhd->bqhd", dropped(weights).astype(v.dtype), v)


def number_of_heads(width: int, rotary: bool) -> int:
    """Heads of 64 numbers, of narrow models of 32.

    Raises:
      UserError: they do not share the width out evenly, or into pairs for rotary positions.
    """
    head = _SMALL if width < 4 * _LARGE else _LARGE
    heads = max(1, width // head)
    if width % heads or (rotary and width // heads % 2):
        raise UserError(
            f"--width={width}: {heads} heads do not share it out"
            f"{' in pairs, as --positions=rotary needs' if rotary else ''}; give a multiple of "
            f"{head}"
        )
    return heads


def rotated(x):
    """Turns pairs of numbers of each head by angles that grow with the position (Su et al. 2021).

    Args:
      x: [B, L, heads, size], size even.
    """
    length, size = x.shape[1], x.shape[-1]
    angles = jnp.arange(length)[:, None] * 10000.0 ** (-jnp.arange(0, size, 2) / size)
    cos, sin = (f(angles)[:, None, :].astype(x.dtype) for f in (jnp.cos, jnp.sin))
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)
