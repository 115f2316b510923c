"""Norms of one example's loss gradient, by the weights and by the input."""

import jax
import jax.numpy as jnp

from lira_jax.signals.blocks import in_blocks
from lira_jax.signals.measure import Measurement
from lira_jax.signals.phi import loss

NAMES = ("l1", "l2", "min", "linf", "mean", "skewness", "kurtosis")
"""The seven numbers of Rezaei and Liu 2021, in their order."""

COPIES = 3  # of the gradients of a block: themselves, and two powers of them


def gradient_norms_w(batch: Measurement) -> jax.Array:
    """Seven numbers of the gradient of each example's cross-entropy by all trainable weights.

    Rezaei and Liu 2021, section 5.4 (https://arxiv.org/abs/2005.13702); Carlini et al. 2022,
    appendix A-B, takes the second. Trainable are `params`; of a recipe's variables that have none,
    all. Gradients are held for a block of examples at a time.

    Returns:
      float32 [B, 7], see NAMES; skewness m3 / m2^1.5 and excess kurtosis m4 / m2^2 - 3 are 0 where
      all parts of the gradient are equal.
    """
    network, variables = batch.network, batch.variables
    named = isinstance(variables, dict) and "params" in variables
    weights = variables["params"] if named else variables

    def loss_of(weights, x, label):
        whole = {**variables, "params": weights} if named else weights
        return loss(network.by_example(whole, x[None])[0], label)

    def norms(x, label):
        return seven(jax.tree.leaves(jax.grad(loss_of)(weights, x, label)))

    size = COPIES * sum(4 * leaf.size for leaf in jax.tree.leaves(weights))
    block = max(1, batch.block_bytes // max(1, size))
    return in_blocks(norms, (batch.normalised, batch.labels), block)


def gradient_norms_x(batch: Measurement) -> jax.Array:
    """The same of the gradient by the model's input, normalised as the first layer sees it.

    Returns:
      float32 [B, 7].
    """
    network, variables = batch.network, batch.variables

    def total(x):  # examples do not mix in evaluation mode
        return loss(network.evaluate(variables, x), batch.labels).sum()

    return jax.vmap(lambda g: seven([g]))(jax.grad(total)(batch.normalised))


def seven(gradient: list[jax.Array]) -> jax.Array:
    """The seven numbers of one vector, whose parts are float arrays of any shape: float32 [7].

    All are taken of the vector over its largest part, so that no power of it leaves float32's
    range.
    """
    number = sum(part.size for part in gradient)
    largest = jnp.stack([jnp.abs(part).max() for part in gradient]).max()
    unit = [part / jnp.where(largest > 0, largest, 1) for part in gradient]

    def mean(function):
        return sum(function(part).sum() for part in unit) / number

    centre = mean(lambda u: u)
    m2, m3, m4 = (mean(lambda u, p=p: (u - centre) ** p) for p in (2, 3, 4))
    varies = m2 > 0
    m2 = jnp.where(varies, m2, 1)
    return jnp.stack(
        [
            largest * (number * mean(jnp.abs)),
            largest * jnp.sqrt(number * mean(jnp.square)),
            largest * jnp.stack([jnp.abs(u).min() for u in unit]).min(),
            largest,
            largest * centre,
            jnp.where(varies, m3 / m2**1.5, 0),
            jnp.where(varies, m4 / m2**2 - 3, 0),
        ]
    )
