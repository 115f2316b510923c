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

_NUMBERS = 16_000_000  # of per-example gradients side by side in one model: 64 MB


def gradient_rule(*, clip: float, noise: float, expected: int, block: int = 0) -> Callable:
    """Builds a gradient rule, as `training.recipe.mean_gradient`.

        g = (sum_i w_i grad_i min(1, C / |grad_i|) + N(0, (sigma C)^2 I)) / expected

    Args:
      clip: C, largest norm of an example's gradient, over all parameters together.
      noise: sigma, standard deviation of the noise in multiples of C.
      expected: batch size that the sum is divided by, whatever the batch really holds.
      block: examples whose gradients are held at the same time; 0 for as many as 64 MB hold.
    """

    def gradient(loss_of: Callable, params, batch: Batch, key):
        example_key, noise_key = jax.random.split(key)

        def of_example(one: Batch, key):
            alone = jax.tree.map(lambda a: a[None], one)._replace(weights=jnp.ones(1))
            slopes = jax.value_and_grad(loss_of, has_aux=True)
            (loss, _), slope = slopes(params, alone, key)
            share = one.weights * jnp.minimum(1, clip / jnp.maximum(_norm(slope), 1e-30))
            # Padding may have any gradient, even NaN.
            return jax.tree.map(lambda g: jnp.where(one.weights > 0, share * g, 0), slope), loss

        def of_block(total, block):
            slopes, losses = jax.vmap(of_example)(*block)
            return jax.tree.map(lambda t, s: t + s.sum(0), total, slopes), losses

        size = len(batch.weights)
        number = math.ceil(size / _block(params, size, block))
        filled = jax.tree.map(lambda a: _split(a, number), batch)
        blocks = filled, jax.random.split(example_key, filled.weights.shape)
        nothing = jax.tree.map(jnp.zeros_like, params)
        # XLA:CPU must not see a convolution's gradient inside a compiled loop.
        written_out = has_convolution(params) and jax.default_backend() == "cpu"
        total, losses = jax.lax.scan(of_block, nothing, blocks, unroll=number if written_out else 1)
        losses = jnp.where(batch.weights > 0, losses.reshape(-1)[:size], 0)
        mean_loss = losses.sum() / jnp.maximum(batch.weights.sum(), 1)
        slope = jax.tree.map(lambda t: t / expected, _noisy(total, noise_key, noise * clip))
        return (mean_loss, {}), slope

    return gradient


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


def _norm(tree):
    return jnp.sqrt(sum(jnp.square(a.astype(jnp.float32)).sum() for a in jax.tree.leaves(tree)))


def _block(params, size: int, asked: int) -> int:
    """Examples side by side: as asked, or as many as memory is meant for; no more than there are.

    Blocks are made even, so that the last is not nearly empty.
    """
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    most = min(size, asked or max(1, _NUMBERS // weights))
    return math.ceil(size / math.ceil(size / most))


def _split(array, number: int):
    """[B, ...] -> [number, B / number, ...], padded with zeros, which are of weight 0."""
    missing = -len(array) % number
    array = jnp.pad(array, ((0, missing), *((0, 0),) * (array.ndim - 1)))
    return array.reshape(number, -1, *array.shape[1:])


def _noisy(tree, key, deviation: float):
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        leaf + deviation * jax.random.normal(k, leaf.shape, leaf.dtype)
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)
