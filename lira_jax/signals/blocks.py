"""A function of one example on all of a batch, as many of them at a time as memory allows."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def in_blocks(function: Callable, arrays: tuple, block: int) -> jax.Array:
    """vmap over blocks of examples, one block after the other.

    Args:
      function: of one example: (*arrays without their first axis) -> array.
      arrays: [B, ...] each.
      block: most examples that are computed at the same time, 1 or more.

    Returns:
      [B, ...]. The last block is filled up by repeated examples, so that one program serves all.
    """
    total = len(arrays[0])
    over_block = jax.vmap(function)
    if total <= block:
        return over_block(*arrays)
    number = -(-total // block)
    block = -(-total // number)  # as even as can be
    index = jnp.minimum(jnp.arange(number * block), total - 1)
    blocks = tuple(jnp.asarray(a)[index].reshape(number, block, *a.shape[1:]) for a in arrays)
    result = jax.lax.map(lambda one: over_block(*one), blocks)
    return result.reshape(number * block, *result.shape[2:])[:total]
