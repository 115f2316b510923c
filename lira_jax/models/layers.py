"""What model families share beside the convolution: normalisation, pooling, the last layer."""

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.errors import UserError
from lira_jax.models.onednn import operations

ACTIVATIONS = {"relu": nn.relu, "tanh": jnp.tanh}

_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "truncated_normal")


_MOST_GROUPS = 16


class GroupNorm(nn.Module):
    """GroupNorm, which sees one example at a time (Wu and He 2018, arXiv:1803.08494).

    Of 16 groups, as De et al. 2022 (https://arxiv.org/abs/2204.13650) train with DP-SGD, or as many
    of these as the channels can be cut into.
    """

    dtype: Any
    relu: bool = False

    @nn.compact
    def __call__(self, x):
        groups = math.gcd(_MOST_GROUPS, x.shape[-1])
        x = nn.GroupNorm(groups, epsilon=1e-5, dtype=self.dtype)(x)
        return nn.relu(x) if self.relu else x


def batch_norm(train: bool, dtype: Any, norm: str = "batch") -> nn.BatchNorm | GroupNorm:
    """BatchNorm with statistics in float32: the batch's in training, running ones otherwise.

    Args:
      norm: "batch", or "group" for GroupNorm in its place.
    """
    if norm == "group":
        return GroupNorm(dtype)
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, dtype=dtype)


class BatchNorm(nn.BatchNorm):
    """BatchNorm, then ReLU; in training on CPUs both by oneDNN if that is the form."""

    conv_form: str = "plain"

    def __call__(self, x, use_running_average=None, *, mask=None):
        running = self.use_running_average or use_running_average or mask is not None
        if running or self.conv_form != "onednn" or not operations.supports(x):
            return nn.relu(super().__call__(x, use_running_average, mask=mask))
        return self._fused(x)

    @nn.compact
    def _fused(self, x):
        """As flax's, the running variance is that of the batch, not Bessel's estimate."""
        channels = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones_init(), channels, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), channels, jnp.float32)
        y, *statistics = _norm_relu(x.astype(self.dtype), scale, bias, self.epsilon)
        for name, start, now in zip(
            ("mean", "var"), (jnp.zeros, jnp.ones), statistics, strict=True
        ):
            running = self.variable("batch_stats", name, start, channels, jnp.float32)
            if not self.is_initializing():
                running.value = self.momentum * running.value + (1 - self.momentum) * now
        return y


def batch_norm_relu(
    train: bool, dtype: Any, conv_form: str, norm: str = "batch"
) -> BatchNorm | GroupNorm:
    """As `batch_norm`, with ReLU after it. `conv_form` is that of the model's convolutions."""
    if norm == "group":
        return GroupNorm(dtype, relu=True)
    return BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        epsilon=1e-5,
        dtype=dtype,
        conv_form=conv_form,
    )


def _plain_norm_relu(x, scale, bias, epsilon: float):
    """The same numbers by XLA, to rounding: y, mean and variance."""
    x32 = x.astype(jnp.float32)
    mean = x32.mean((0, 1, 2))
    variance = jnp.maximum(jnp.square(x32).mean((0, 1, 2)) - jnp.square(mean), 0)
    y = (x32 - mean) * (jax.lax.rsqrt(variance + epsilon) * scale) + bias
    return nn.relu(y).astype(x.dtype), mean, variance


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _norm_relu(x, scale, bias, epsilon):
    return _norm_relu_forward(x, scale, bias, epsilon)[0]


def _norm_relu_forward(x, scale, bias, epsilon):
    workspace = operations.norm_workspace(x, epsilon)

    def elsewhere(x, scale, bias):
        return *_plain_norm_relu(x, scale, bias, epsilon), jnp.zeros(workspace.shape, jnp.uint8)

    y, mean, variance, passed = jax.lax.platform_dependent(
        x,
        scale,
        bias,
        cpu=lambda x, scale, bias: operations.norm_relu(x, scale, bias, epsilon),
        default=elsewhere,
    )
    return (y, mean, variance), (x, scale, bias, mean, variance, passed)


def _norm_relu_backward(epsilon, saved, gradients):
    """Mean and variance are for the running statistics, which have no gradients."""
    x, scale, bias, mean, variance, passed = saved

    def elsewhere(dy, x, scale, bias):
        return jax.vjp(lambda x, s, b: _plain_norm_relu(x, s, b, epsilon)[0], x, scale, bias)[1](dy)

    return jax.lax.platform_dependent(
        gradients[0],
        x,
        scale,
        bias,
        cpu=lambda dy, x, scale, _: operations.norm_relu_gradients(
            dy, x, scale, mean, variance, passed, epsilon
        ),
        default=elsewhere,
    )


_norm_relu.defvjp(_norm_relu_forward, _norm_relu_backward)


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
