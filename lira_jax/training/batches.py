"""Which examples are in which batch of ONE model, drawn on the device.

A model's batches are cut from an endless stream: a shuffled pass over its members, then another,
and so on. Batches straddle passes, so models with different numbers of members share one program of
equal steps and no example is left out of a training; after s steps of B every member has been seen
floor(s B / n) times or once more. With --drop_last an epoch is a pass of its own instead, of whole
batches.
"""

import jax
import jax.numpy as jnp

from lira_jax.training import shuffle


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
    order = shuffle.members_first(jax.random.fold_in(key, epoch), keep)
    index = order[jnp.arange(steps * batch_size) % jnp.sum(keep)]
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
    streams = jnp.stack(
        [shuffle.members_first(jax.random.fold_in(key, first + p), keep) for p in range(passes)]
    )
    index = streams[position // members - first, position % members]
    return index.astype(jnp.int32).reshape(steps, batch_size)


PADDING = -1
"""An index that stands for no example: its place in the batch has weight 0."""


def one_pass(key, keep, epoch, *, steps: int, batch_size: int):
    """The batches of one epoch in which no member is twice: a shuffled pass, padded at its end.

    Of a model with more members than places, some that are drawn at random are left out.

    Args:
      key, keep, epoch, steps, batch_size: as `epoch_batches`.

    Returns:
      int32 [steps, batch_size], indices of examples, or PADDING.
    """
    order = shuffle.members_first(jax.random.fold_in(key, epoch), keep).astype(jnp.int32)
    missing = max(0, steps * batch_size - len(keep))
    order = jnp.pad(order, (0, missing))[: steps * batch_size]
    index = jnp.where(jnp.arange(len(order)) < jnp.sum(keep), order, PADDING)
    return index.astype(jnp.int32).reshape(steps, batch_size)


def poisson_batches(key, keep, epoch, *, steps: int, expected: int, places: int):
    """The batches of one epoch, into each of which each member comes by a coin of its own.

    Args:
      key, keep, epoch, steps: as `epoch_batches`.
      expected: mean number of members in a batch.
      places: of a batch; a random part of the members that are drawn beyond them is left out.

    Returns:
      int32 [steps, places], indices of examples, or PADDING.
    """
    rate = expected / jnp.sum(keep)

    def draw(step):
        coins = jax.random.uniform(jax.random.fold_in(key, epoch * steps + step), keep.shape)
        coins, index = jax.lax.top_k(-jnp.where(keep, coins, 2), places)
        return jnp.where(-coins < rate, index, PADDING)

    return jax.lax.map(draw, jnp.arange(steps)).astype(jnp.int32)
