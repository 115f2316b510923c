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


class _Walk(NamedTuple):
    """Where each example of a batch is.

    Attributes:
      before, now: [B, ...] the last two places.
      was: int [B], the class that is predicted before.
      crossed: bool [B], whether another one is predicted now; such examples stay where they are.
      taken: int, steps.
    """

    before: jax.Array
    now: jax.Array
    was: jax.Array
    crossed: jax.Array
    taken: jax.Array


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
    evaluate, labels = batch.network.evaluate, batch.labels
    start = batch.normalised
    axes = tuple(range(1, start.ndim))

    def predict(x):
        return evaluate(batch.variables, x)

    def uphill(x):
        """The predicted classes, and the direction in which the loss rises, of length 1 or 0."""

        def surety(x):
            logits = predict(x)
            return phi(logits, labels).sum(), logits.argmax(-1)

        # The loss falls with phi, whose gradient does not vanish where the loss does.
        slope, classes = jax.grad(surety, has_aux=True)(x)
        slope = -slope / _positive(jnp.abs(slope).max(axes, keepdims=True))
        return classes, slope / _positive(jnp.sqrt((slope**2).sum(axes, keepdims=True)))

    def move(walk: _Walk) -> _Walk:
        classes, direction = uphill(walk.now)
        first = walk.taken == 0
        crossed = walk.crossed | (~first & (classes != walk.was))
        stays = _like(crossed, start)
        return _Walk(
            jnp.where(stays, walk.before, walk.now),
            jnp.where(stays, walk.now, walk.now + step * direction),
            jnp.where(crossed, walk.was, classes),
            crossed,
            walk.taken + 1,
        )

    nowhere = _Walk(
        start,
        start,
        jnp.zeros(labels.shape, jnp.int32),
        jnp.zeros(labels.shape, bool),
        jnp.zeros((), jnp.int32),
    )
    # The class after the last step is seen by one more turn.
    walk = jax.lax.while_loop(
        lambda walk: ~walk.crossed.all() & (walk.taken <= steps), move, nowhere
    )

    def surety(x):
        logits = predict(x)
        return logits.argmax(-1), jax.nn.softmax(logits).max(-1)

    gap = walk.now - walk.before
    low, high = jnp.zeros(labels.shape), jnp.ones(labels.shape)
    (ours, low_sure), (theirs, high_sure) = surety(walk.before), surety(walk.now)

    def open_(low, high, low_sure, high_sure, lost):
        apart = ((high - low) * step >= TOLERANCE) | (jnp.abs(high_sure - low_sure) > CONFIDENCE)
        return apart & walk.crossed & ~lost

    def halve(state):
        low, high, low_sure, high_sure, lost, turns = state
        going = open_(low, high, low_sure, high_sure, lost)
        middle = (low + high) / 2
        classes, sure = surety(walk.before + _like(middle, gap) * gap)
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
    moved = walk.before + _like(low, gap) * gap - start
    distance = jnp.sqrt((moved**2).sum(axes))
    return jnp.where(walk.crossed & ~lost, distance, jnp.nan)


def _positive(size):
    return jnp.where(size > 0, size, 1)


def _like(array, x):
    """[B] as [B, 1, ...], with as many axes as x."""
    return array.reshape(-1, *(1,) * (x.ndim - 1))
