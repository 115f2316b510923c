"""A random order of the members, by a sort of one array of whole numbers.

XLA sorts one array of uint32 about three times as fast as pairs of a random number and an index, as
argsort has them. So what is sorted is the leading bits of the random number with the index below
them, and what those bits do not tell apart, which is little, is put in order afterwards.
"""

import jax
import jax.numpy as jnp

_RANDOM_BITS = 23  # of a float32 from jax.random.uniform
_KEY_BITS = 32
_MOST_EXAMPLES = 2**17
"""With more of them the index leaves too few bits of the random number."""


@jax.jit
def members_first(key, keep):
    """The members in random order, then the others: what `argsort` of uniform numbers gives.

    Args:
      key: of this order.
      keep: bool [N], who is a member.

    Returns:
      uint32 [N], indices of examples.
    """
    order = jax.random.uniform(key, keep.shape)
    if len(keep) > _MOST_EXAMPLES:
        return jnp.argsort(jnp.where(keep, order, 2)).astype(jnp.uint32)
    number = (order * 2**_RANDOM_BITS).astype(jnp.uint32)  # exactly
    number = jnp.where(keep, number, jnp.uint32(2**_RANDOM_BITS))
    index_bits = max(1, (len(keep) - 1).bit_length())
    dropped = max(0, index_bits + _RANDOM_BITS + 1 - _KEY_BITS)
    packed = (number >> dropped) << index_bits | jnp.arange(len(keep), dtype=jnp.uint32)
    index = jax.lax.sort(packed, is_stable=False) & jnp.uint32(2**index_bits - 1)
    return _sorted_by_neighbours(number[index], index)


def _sorted_by_neighbours(number, index):
    """Index in the order of the numbers, equal ones as they were, which are nearly so already.

    Odd-even transposition: pairs of neighbours change places until none has to.
    """
    place = jnp.arange(len(number))

    def exchange(pair, parity: int):
        number, _ = pair
        later = jnp.roll(number, -1)
        first = (place % 2 == parity) & (place < len(number) - 1) & (number > later)
        second = jnp.roll(first, 1)
        return jax.tree.map(
            lambda a: jnp.where(first, jnp.roll(a, -1), jnp.where(second, jnp.roll(a, 1), a)), pair
        )

    return jax.lax.while_loop(
        lambda pair: jnp.any(pair[0][:-1] > pair[0][1:]),
        lambda pair: exchange(exchange(pair, 0), 1),
        (number, index),
    )[1]
