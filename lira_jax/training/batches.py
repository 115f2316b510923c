"""Which examples are in which batch of ONE model, drawn on the device.

A model's batches are cut from an endless stream: a shuffled pass over its members, then another,
and so on. Batches straddle passes, so models with different numbers of members share one program of
equal steps and no example is left out of a training; after s steps of B every member has been seen
floor(s B / n) times or once more. With --drop_last an epoch is a pass of its own instead, of whole
batches.
"""

import jax
import jax.numpy as jnp


def passes_in_epoch(fewest_members: int, steps: int, batch_size: int) -> int:
    """How many passes over its members one epoch of any model can touch."""
    return -(-steps * batch_size // fewest_members) + 1


def whole_batches(key, keep, epoch, *, steps: int, batch_size: int):
    """The batches of one epoch that is a shuffled pass of its own: what fills no batch is left out.

    A model with fewer members than steps * batch_size sees the first of the pass once more.

    Args:
      key: the model's key for batches.
      keep: bool [N], its members.
      epoch: int, from 0.
      steps, batch_size: shape of the result.

    Returns:
      int32 [steps, batch_size], indices of examples.
    """
    order = jax.random.uniform(jax.random.fold_in(key, epoch), keep.shape)
    members_first = jnp.argsort(jnp.where(keep, order, 2))
    index = members_first[jnp.arange(steps * batch_size) % jnp.sum(keep)]
    return index.astype(jnp.int32).reshape(steps, batch_size)


def epoch_batches(key, keep, epoch, *, steps: int, batch_size: int, passes: int):
    """The batches of one epoch.

    Args:
      key: the model's key for batches.
      keep: bool [N], its members.
      epoch: int, from 0.
      steps, batch_size: shape of the result.
      passes: at least `passes_in_epoch`.

    Returns:
      int32 [steps, batch_size], indices of examples.
    """
    members = jnp.sum(keep)
    position = epoch * steps * batch_size + jnp.arange(steps * batch_size)
    first = position[0] // members

    def shuffled(number):
        order = jax.random.uniform(jax.random.fold_in(key, number), keep.shape)
        return jnp.argsort(jnp.where(keep, order, 2))  # members first, in random order

    streams = jnp.stack([shuffled(first + p) for p in range(passes)])
    index = streams[position // members - first, position % members]
    return index.astype(jnp.int32).reshape(steps, batch_size)
