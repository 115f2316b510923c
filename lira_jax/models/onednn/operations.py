"""The operations of oneDNN as JAX functions of one model, for CPUs alone.

Under jax.vmap each is done once a model, one after the other, in one call: the numbers are exactly
those of a model alone, and a compiled loop is as fast as a Python loop.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lira_jax.models.onednn import convolution, ffi, library, normalization

_TARGET = "lira_jax_onednn"


def _build(key: str):
    return (normalization if key.startswith("norm") else convolution).build(key)


@functools.cache
def available() -> bool:
    """Whether oneDNN is installed (the extra `onednn`) and can be loaded."""
    if library.library() is None:
        return False
    ffi.register(_TARGET, _build)
    return True


def supports(x: jax.Array) -> bool:
    """Whether arrays of this type and size can be given to it."""
    return x.dtype.name in library.DTYPES and x.size > 0 and available()


def _call(results, *operands, key: str) -> Any:
    return jax.ffi.ffi_call(_TARGET, results, vmap_method="expand_dims")(*operands, key=key)


def _text(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def _like(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


def _output(image, kernel, stride: int, pads) -> jax.ShapeDtypeStruct:
    height, width = (
        (size + sum(pad) - window) // stride + 1
        for size, window, pad in zip(image.shape[1:3], kernel.shape, pads, strict=False)
    )
    return jax.ShapeDtypeStruct((image.shape[0], height, width, kernel.shape[3]), image.dtype)


def _key(kind: str, image, kernel, output, stride: int, pads) -> str:
    shapes = (_text(of.shape) for of in (image, kernel, output))
    return " ".join((kind, image.dtype.name, *shapes, str(stride), _text([*pads[0], *pads[1]])))


def conv(x, kernel, stride: int, pads) -> jax.Array:
    """Two-dimensional convolution.

    Args:
      x: [batch, height, width, channels].
      kernel: [height, width, channels, features], of the dtype of x.
      stride: step in pixels along both axes.
      pads: ((top, bottom), (left, right)), pixels.

    Returns:
      [batch, height, width, features] in the dtype of x.
    """
    output = _output(x, kernel, stride, pads)
    return _call(output, x, kernel, key=_key("forward", x, kernel, output, stride, pads))


def image_gradient(image, kernel, dy, stride: int, pads) -> jax.Array:
    """The gradient with respect to x, which `image` is like; dy is that of the result."""
    key = _key("image", image, kernel, dy, stride, pads)
    return _call(_like(image), dy, kernel, key=key)


def kernel_gradient(x, kernel, dy, stride: int, pads) -> jax.Array:
    """The gradient with respect to the kernel, which `kernel` is like."""
    return _call(_like(kernel), x, dy, key=_key("kernel", x, kernel, dy, stride, pads))


def norm_workspace(x, epsilon: float) -> jax.ShapeDtypeStruct:
    """What `norm_relu` leaves to its gradients: where ReLU passed, in bits."""
    num_bytes = normalization.workspace_bytes(x.shape, x.dtype.name, epsilon)
    return jax.ShapeDtypeStruct((num_bytes,), jnp.uint8)


def norm_relu(x, scale, bias, epsilon: float) -> list[jax.Array]:
    """ReLU of BatchNorm with the batch's own statistics (https://arxiv.org/abs/1502.03167).

    Args:
      x: [batch, height, width, channels].
      scale, bias: float32 [channels].
      epsilon: added to the variance.

    Returns:
      relu(scale (x - mean) / sqrt(variance + epsilon) + bias) in the dtype of x; mean and (biased)
      variance, float32 [channels]; and the workspace.
    """
    results = (_like(x), _like(scale), _like(scale), norm_workspace(x, epsilon))
    return _call(results, x, scale, bias, key=_norm_key("forward", x, epsilon))


def norm_relu_gradients(dy, x, scale, mean, variance, workspace, epsilon: float):
    """The gradients with respect to x, scale and bias; dy is that of the first result."""
    results = (_like(x), _like(scale), _like(scale))
    operands = (dy, x, scale, mean, variance, workspace)
    return _call(results, *operands, key=_norm_key("backward", x, epsilon))


def _norm_key(kind: str, x, epsilon: float) -> str:
    return f"norm_{kind} {x.dtype.name} {_text(x.shape)} {epsilon!r}"
