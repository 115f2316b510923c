"""How far an example is from the model's decision boundary, along the gradient of its loss."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lira_jax.signals.measure import Measurement
from lira_jax.signals.phi import phi

TOLERANCE = 1e-5
"""The boundary is found to within this distance, in units of the normalised input."""

CONFIDENCE = 1e-4
"""theta: the confidences in the two predictions on both sides of it differ by no more."""

_BISECTIONS = 60  # a float32 cannot be halved more often


_TOGETHER = 8
"""One in so many examples of a batch walks at a time; as soon as one is done, the next starts."""


class _Walk(NamedTuple):
    """W walkers, each on its way with one example of a batch, and where those ended that are done.

    Attributes:
      example: int [W], which one of the batch; B for none, where there are no more.
      before, now: [W, ...], the last two places of it.
      was: int [W], the class that is predicted before.
      taken: int [W], steps.
      started: int, how many examples of the batch have set out.
      near, far: [B, ...], the last place before and the first one behind the boundary.
      crossed: bool [B], whether it was found.
    """

    example: jax.Array
    before: jax.Array
    now: jax.Array
    was: jax.Array
    taken: jax.Array
    started: jax.Array
    near: jax.Array
    far: jax.Array
    crossed: jax.Array


def boundary_distance(batch: Measurement, *, step: float, steps: int) -> jax.Array:
    """Algorithm 1 of Rezaei and Liu 2021 (section 5.3, https://arxiv.org/abs/2005.13702).

    The example moves by `step` along the normalised gradient of its loss until the predicted class
    changes; bisection then finds the boundary between the last two places. Bisection stops as the
    paper's does, when the confidences on both sides differ by CONFIDENCE at most, and not before
    the two sides are TOLERANCE apart: equal confidences alone can stop it too early, by a quarter
    of a step. Inputs are not clipped.

    Args:
      step: length of a step in the L2 norm of the normalised input.
      steps: after which the search fails.

    Returns:
      float32 [B]: the L2 distance in the normalised input, higher = more likely a member; NaN where
      no other class is predicted within all steps, or a third one is between the two.
    """
    evaluate, labels = batch.network.evaluate, jnp.asarray(batch.labels)
    start = batch.normalised
    axes = tuple(range(1, start.ndim))

    def predict(x):
        return evaluate(batch.variables, x)

    def uphill(x, labels):
        """The predicted classes, and the direction in which the loss rises, of length 1 or 0."""

        def surety(x):
            logits = predict(x)
            return phi(logits, labels).sum(), logits.argmax(-1)

        # The loss falls with phi, whose gradient does not vanish where the loss does.
        slope, classes = jax.grad(surety, has_aux=True)(x)
        slope = -slope / _positive(jnp.abs(slope).max(axes, keepdims=True))
        return classes, slope / _positive(jnp.sqrt((slope**2).sum(axes, keepdims=True)))

    # Those that are misclassified walk longest, so they go first: at the end few walkers wait.
    number = len(labels)
    order = jnp.argsort(predict(start).argmax(-1) == labels)
    order = jnp.concatenate([order, jnp.full(1, number, order.dtype)])  # then none

    def move(walk: _Walk) -> _Walk:
        own = jnp.minimum(walk.example, number - 1)
        classes, direction = uphill(walk.now, labels[own])
        crossed = (walk.taken > 0) & (classes != walk.was)
        # The class after the last step is seen by one more turn.
        done = crossed | (walk.taken >= steps)
        ended = jnp.where(done, walk.example, number)
        onward = jnp.where(done, walk.started + jnp.cumsum(done) - 1, number)
        example = jnp.where(done, order[jnp.minimum(onward, number)], walk.example)
        fresh = start[jnp.minimum(example, number - 1)]
        stays = _like(done, start)
        return _Walk(
            example,
            jnp.where(stays, fresh, walk.now),
            jnp.where(stays, fresh, walk.now + step * direction),
            classes,
            jnp.where(done, 0, walk.taken + 1),
            walk.started + done.sum(),
            walk.near.at[ended].set(walk.before, mode="drop"),
            walk.far.at[ended].set(walk.now, mode="drop"),
            walk.crossed.at[ended].set(crossed, mode="drop"),
        )

    first = order[: -(-number // _TOGETHER)]
    nobody = jnp.zeros(labels.shape, bool)
    walk = _Walk(
        first,
        start[first],
        start[first],
        jnp.zeros(first.shape, order.dtype),
        jnp.zeros(first.shape, jnp.int32),
        jnp.asarray(len(first)),
        start,
        start,
        nobody,
    )
    walk = jax.lax.while_loop(lambda walk: (walk.example < number).any(), move, walk)

    def surety(x):
        logits = predict(x)
        return logits.argmax(-1), jax.nn.softmax(logits).max(-1)

    gap = walk.far - walk.near
    low, high = jnp.zeros(labels.shape), jnp.ones(labels.shape)
    (ours, low_sure), (theirs, high_sure) = surety(walk.near), surety(walk.far)

    def open_(low, high, low_sure, high_sure, lost):
        apart = ((high - low) * step >= TOLERANCE) | (jnp.abs(high_sure - low_sure) > CONFIDENCE)
        return apart & walk.crossed & ~lost

    def halve(state):
        low, high, low_sure, high_sure, lost, turns = state
        going = open_(low, high, low_sure, high_sure, lost)
        middle = (low + high) / 2
        classes, sure = surety(walk.near + _like(middle, gap) * gap)
        near, far = going & (classes == ours), going & (classes == theirs)
        return (
            jnp.where(near, middle, low),
            jnp.where(far, middle, high),
            jnp.where(near, sure, low_sure),
            jnp.where(far, sure, high_sure),
            lost | (going & ~near & ~far),
            turns + 1,
        )

    state = (low, high, low_sure, high_sure, jnp.zeros(labels.shape, bool), 0)
    low, _, _, _, lost, _ = jax.lax.while_loop(
        lambda state: open_(*state[:5]).any() & (state[5] < _BISECTIONS), halve, state
    )
    moved = walk.near + _like(low, gap) * gap - start
    distance = jnp.sqrt((moved**2).sum(axes))
    return jnp.where(walk.crossed & ~lost, distance, jnp.nan)


def _positive(size):
    return jnp.where(size > 0, size, 1)


def _like(array, x):
    """[B] as [B, 1, ...], with as many axes as x."""
    return array.reshape(-1, *(1,) * (x.ndim - 1))
