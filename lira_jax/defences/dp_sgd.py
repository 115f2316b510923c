"""DP-SGD's gradient rule (Abadi et al. 2016, https://arxiv.org/abs/1607.00133, algorithm 1).

For ONE model, so that it is lifted as any other step. What the noise proves is in accounting.py.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from lira_jax.errors import UserError
from lira_jax.models.recipe import Batch
from lira_jax.models.table import has_convolution

_NUMBERS, _NUMBERS_ON_CPU = 16_000_000, 1_000_000
"""Of per-example gradients side by side in one model: 64 MB, and 4 MB, which caches hold."""


def gradient_rule(*, clip: float, noise: float, expected: int, block: int = 0) -> Callable:
    """Builds a gradient rule, as `training.recipe.mean_gradient`.

        g = (sum_i w_i grad_i min(1, C / |grad_i|) + N(0, (sigma C)^2 I)) / expected

    Args:
      clip: C, largest norm of an example's gradient, over all parameters together.
      noise: sigma, standard deviation of the noise in multiples of C.
      expected: batch size that the sum is divided by, whatever the batch really holds.
      block: examples whose gradients are held at the same time; 0 for as many as 64 MB hold, or
        4 MB on a CPU.
    """

    def gradient(loss_of: Callable, params, batch: Batch, key):
        example_key, noise_key = jax.random.split(key)

        def of_example(one: Batch, key):
            alone = jax.tree.map(lambda a: a[None], one)._replace(weights=jnp.ones(1))
            (loss, _), slope = jax.value_and_grad(loss_of, has_aux=True)(params, alone, key)
            return loss, [jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(slope)]

        def of_block(total, block):
            examples, keys = block
            losses, slopes = jax.vmap(of_example)(examples, keys)
            share = shares(sum(squares(s) for s in slopes), examples.weights, clip)
            # A matrix product: XLA:CPU adds up the rows of a long matrix ten times as slowly.
            products = [jnp.matmul(share, s, precision="highest") for s in slopes]
            return [t + p for t, p in zip(total, products, strict=True)], losses

        size = len(batch.weights)
        number = math.ceil(size / _block(params, size, block))
        filled = jax.tree.map(lambda a: _split(a, number), padded_by_real(batch))
        blocks = filled, jax.random.split(example_key, filled.weights.shape)
        leaves, structure = jax.tree.flatten(params)
        nothing = [jnp.zeros(leaf.size) for leaf in leaves]
        # XLA:CPU must not see a convolution's gradient inside a compiled loop.
        written_out = has_convolution(params) and jax.default_backend() == "cpu"
        total, losses = jax.lax.scan(of_block, nothing, blocks, unroll=number if written_out else 1)
        total = [t.reshape(leaf.shape) for t, leaf in zip(total, leaves, strict=True)]
        losses = jnp.where(batch.weights > 0, losses.reshape(-1)[:size], 0)
        mean_loss = losses.sum() / jnp.maximum(batch.weights.sum(), 1)
        whole = jax.tree.unflatten(structure, total)
        return (mean_loss, {}), finished(whole, batch, noise_key, noise * clip, expected)

    return gradient


def padded_by_real(batch: Batch) -> Batch:
    """The batch with a real example, of weight 0, in each free place.

    Whatever stands there might have a gradient of NaN, which times a weight of 0 is still NaN.
    """
    real, first = batch.weights > 0, jnp.argmax(batch.weights)
    filled = jax.tree.map(
        lambda a: jnp.where(real.reshape(-1, *(1,) * (a.ndim - 1)), a, a[first]), batch
    )
    return filled._replace(weights=batch.weights)


def squares(array):
    """Squared lengths, [B, numbers] -> [B]."""
    return jnp.square(array).sum(-1)


def shares(squared, weights, clip: float):
    """What of each example's gradient goes into the sum, [B].

    Args:
      squared: [B], squared lengths of the gradients over all parameters.
      weights: [B], 0 or 1.
    """
    return weights * jnp.minimum(1, clip / jnp.maximum(jnp.sqrt(squared), 1e-30))


def finished(total, batch: Batch, key, deviation: float, expected: int):
    """The gradient of a step: (the sum of clipped gradients + noise) / expected.

    Args:
      total: the sum; of a batch without a real example it may be anything.
      deviation: of the noise.
    """
    leaves, structure = jax.tree.flatten(total)
    keys, is_empty = jax.random.split(key, len(leaves)), batch.weights.sum() == 0
    noisy = [
        (jnp.where(is_empty, 0, leaf) + deviation * jax.random.normal(k, leaf.shape)) / expected
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)


def check(variables, experiment) -> None:
    """Checks that a model's loss is a sum over examples.

    Args:
      variables: of one model, or their shapes.

    Raises:
      UserError: it has BatchNorm, through which one example acts on the gradients of all others.
    """
    if jax.tree.leaves(variables["batch_stats"]):
        raise UserError(
            f"--defence=dp_sgd: --model={experiment.model} has BatchNorm, which mixes the examples "
            "of a batch, so that no gradient is of one example; add --norm=group where the model "
            "has it, or take one without, such as mlp, cnn or salem_cnn"
        )
    if experiment.data_on == "host":
        raise UserError(
            "--data_on=host: --defence=dp_sgd draws batches that are not full, which needs "
            "--data_on=device"
        )
    if experiment.mixup or experiment.cutmix:
        raise UserError(
            "--defence=dp_sgd: mixup and CutMix make one example of two, so that clipping bounds "
            "neither; drop them"
        )


def _block(params, size: int, asked: int) -> int:
    """Examples side by side: as asked, or as many as memory is meant for; no more than there are.

    Blocks are made even, so that the last is not nearly empty.
    """
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    numbers = _NUMBERS_ON_CPU if jax.default_backend() == "cpu" else _NUMBERS
    most = min(size, asked or max(1, numbers // weights))
    return math.ceil(size / math.ceil(size / most))


def _split(array, number: int):
    """[B, ...] -> [number, B / number, ...], padded with zeros, which are of weight 0."""
    missing = -len(array) % number
    array = jnp.pad(array, ((0, missing), *((0, 0),) * (array.ndim - 1)))
    return array.reshape(number, -1, *array.shape[1:])
