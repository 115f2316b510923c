"""What model families share beside the convolution: BatchNorm, pooling, the last layer."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.errors import UserError

ACTIVATIONS = {"relu": nn.relu, "tanh": jnp.tanh}

_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "truncated_normal")


def batch_norm(train: bool, dtype: Any) -> nn.BatchNorm:
    """BatchNorm with statistics in float32: the batch's in training, running ones otherwise."""
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, dtype=dtype)


def classifier(num_classes: int, kernel_init: Callable = _GLOROT) -> nn.Dense:
    """The last layer, float32: low FPRs are decided by what bfloat16 would round away.

    The full precision is asked for because accelerators multiply float32 in fewer bits by default.
    """
    highest = jax.lax.Precision.HIGHEST
    return nn.Dense(
        num_classes, dtype=jnp.float32, precision=highest, kernel_init=kernel_init, name="logits"
    )


def global_mean(x: jax.Array) -> jax.Array:
    """[batch, height, width, channels] -> float32 [batch, channels]."""
    return x.mean((1, 2), dtype=jnp.float32)


def pool(x: jax.Array, reduce: Callable) -> jax.Array:
    """Halves height and width with `reduce` (jnp.mean or jnp.max), dropping an odd last row.

    A reshape instead of reduce_window, whose max has a gradient that scatters.
    """
    batch, height, width, channels = x.shape
    height, width = height // 2, width // 2
    blocks = x[:, : 2 * height, : 2 * width].reshape(batch, height, 2, width, 2, channels)
    return reduce(blocks, axis=(2, 4))


def require_images(model: str, x: jax.Array, smallest: int = 1) -> None:
    """Checks that a convolutional model can take inputs of this shape.

    Raises:
      UserError: x is not [batch, height, width, channels], or a side is below `smallest` pixels.
    """
    if x.ndim != 4:
        raise UserError(
            f"--model: {model} takes images, not examples of shape {list(x.shape[1:])}; use "
            "--model=mlp"
        )
    if min(x.shape[1:3]) < smallest:
        raise UserError(
            f"--model: {model} needs images of at least {smallest}x{smallest} pixels, not "
            f"{x.shape[1]}x{x.shape[2]}; use --model=mlp or larger images"
        )
