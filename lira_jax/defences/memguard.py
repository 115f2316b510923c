"""MemGuard (Jia et al. 2019, https://arxiv.org/abs/1909.10594), for ONE model, to be lifted.

A defence classifier g tells members from non-members by sorted confidences. Noise is then added to
each example's confidences, such that g says one half and the predicted label stays. The constants
are those of the authors' code. Song and Mittal 2021 (https://arxiv.org/abs/2003.10595, section 4)
always release the noisy confidences; the authors do so with a probability that keeps to a budget.
"""

from typing import Any

import jax
import jax.numpy as jnp

HIDDEN = (256, 128, 64)
EPOCHS, BATCH_SIZE, LEARNING_RATE = 400, 64, 1e-3
WEIGHTS_OF_DISTORTION = tuple(10.0**power for power in range(-1, 6))
"""c3 of the attack on g: the larger, the closer the noisy confidences stay."""
STEPS, STEP_SIZE, WEIGHT_OF_LABEL = 300, 0.1, 10.0
UNDECIDED = 1e-5
"""Of g's distance from one half: nearer ones are left as they are."""


def fit(logits, members, key, epochs: int = EPOCHS) -> list[tuple[Any, Any]]:
    """Trains g on what the defender knows: own members, and others that are none.

    Args:
      logits: float32 [examples, classes] of the model.
      members: bool [examples].
      key: of initial weights and batches.

    Returns:
      Weights and biases of each layer, for `before_sigmoid`.
    """
    p = jnp.sort(jax.nn.softmax(logits), -1)
    init_key, batch_key = jax.random.split(key)
    glorot, sizes = jax.nn.initializers.glorot_uniform(), (p.shape[-1], *HIDDEN, 1)
    keys = jax.random.split(init_key, len(sizes) - 1)
    net = [
        (glorot(k, (a, b)), jnp.zeros(b)) for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]
    size = min(BATCH_SIZE, len(p))

    def loss(net, index):
        h = before_sigmoid(net, p[index])
        return jnp.mean(jax.nn.softplus(h) - members[index] * h)  # binary cross-entropy

    def epoch(net, key):
        order = jax.random.permutation(key, len(p))[: len(p) // size * size].reshape(-1, size)

        def step(net, index):
            slope = jax.grad(loss)(net, index)
            return jax.tree.map(lambda w, g: w - LEARNING_RATE * g, net, slope), None

        return jax.lax.scan(step, net, order)[0], None

    return jax.lax.scan(epoch, net, jax.random.split(batch_key, epochs))[0]


def before_sigmoid(net, p):
    """h with g = sigmoid(h), float32 [...], of sorted confidences p [..., classes]."""
    for weights, biases in net[:-1]:
        p = jax.nn.relu(p @ weights + biases)
    weights, biases = net[-1]
    return (p @ weights + biases)[..., 0]


def noisy(net, logits):
    """Logits with noise, of ONE example.

    Args:
      net: of `fit`.
      logits: float32 [classes].

    Returns:
      float32 [classes], whose largest is where it was; the logits themselves where g is undecided
      or no noise is found.
    """
    order = jnp.argsort(logits)
    start = logits[order]
    u, h = jax.nn.softmax(start), before_sigmoid(net, jax.nn.softmax(start))
    label = jnp.argmax(start)
    undecided = jnp.abs(jax.nn.sigmoid(h) - 0.5) <= UNDECIDED

    def margin(z):
        return z[label] - jnp.max(jnp.where(jnp.arange(len(z)) == label, -jnp.inf, z))

    def is_done(z):
        crossed = jnp.sign(before_sigmoid(net, jax.nn.softmax(z))) != jnp.sign(h)
        return crossed & (margin(z) > 0)

    def search(carry, weight):
        best, alive = carry

        def loss(z):
            p = jax.nn.softmax(z)
            distance = weight * jnp.abs(p - u).sum()
            return (
                jnp.abs(before_sigmoid(net, p))
                + WEIGHT_OF_LABEL * jax.nn.relu(-margin(z))
                + distance
            )

        def going(carry):
            z, steps = carry
            return alive & ~is_done(z) & (steps < STEPS)

        def move(carry):
            z, steps = carry
            slope = jax.grad(loss)(z)
            length = jnp.maximum(jnp.linalg.norm(slope), 1e-30)
            return z - STEP_SIZE * slope / length, steps + 1

        z, _ = jax.lax.while_loop(going, move, (start, 0))
        alive &= is_done(z)
        return (jnp.where(alive, z, best), alive), None

    weights = jnp.array(WEIGHTS_OF_DISTORTION)
    (best, _), _ = jax.lax.scan(search, (start, ~undecided), weights)
    return jnp.zeros_like(logits).at[order].set(best)


def within_budget(net, logits, noise, key, budget: float):
    """The noisy logits where a coin says so, else those without noise, of ONE example.

    The coin's probability is min(budget / |noise|_1, 1), so that the mean distortion of the
    confidences is at most the budget; 0 where g is no nearer to one half than before.

    Args:
      logits, noise: float32 [classes], without noise and with it.
    """
    p, q = jax.nn.softmax(logits), jax.nn.softmax(noise)
    before, after = (
        jnp.abs(jax.nn.sigmoid(before_sigmoid(net, jnp.sort(v))) - 0.5) for v in (p, q)
    )
    chance = jnp.where(after < before, budget / jnp.maximum(jnp.abs(p - q).sum(), 1e-30), 0)
    return jnp.where(jax.random.uniform(key) < chance, noise, logits)
