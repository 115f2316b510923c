"""The operations of oneDNN as JAX functions of one model, for CPUs alone.

Under jax.vmap each is done once a model, one after the other, in one call: the numbers are exactly
those of a model alone, and a compiled loop is as fast as a Python loop.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

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


def exists_here() -> bool:
    """Whether the extra onednn could be installed on this machine."""
    return library.exists_here()


def supports(*arrays) -> bool:
    """Whether arrays of these types and sizes can be given to it."""
    sizes = [a.size for a in arrays]
    return {a.dtype.name for a in arrays} <= {*library.DTYPES} and all(sizes) and available()


def _call(results, *operands, key: str) -> Any:
    return jax.ffi.ffi_call(_TARGET, results, vmap_method="expand_dims")(*operands, key=key)


def _text(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def _like(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


class Geometry(NamedTuple):
    """What is static about a convolution; hashable, as custom_vjp asks of such arguments.

    Attributes:
      stride: step in pixels along both axes.
      pads: ((top, bottom), (left, right)), pixels.
      groups: number of blocks of channels that do not mix.
      slope: of the leaky ReLU after the bias; None without bias and ReLU.
    """

    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]
    groups: int = 1
    slope: float | None = None

    def key(self, kind: str, image, kernel, output) -> str:
        """As `convolution.build` takes it."""
        shapes = (_text(of.shape) for of in (image, kernel, output))
        pads = _text([*self.pads[0], *self.pads[1]])
        slope = "none" if self.slope is None else repr(self.slope)
        sizes = (*shapes, str(self.stride), pads, str(self.groups))
        return " ".join((kind, image.dtype.name, *sizes, slope))


def conv(x, kernel, geometry: Geometry, output, bias=None) -> jax.Array:
    """Two-dimensional convolution.

    Args:
      x: [batch, height, width, channels].
      kernel: [height, width, channels / groups, features], of the dtype of x.
      output: like the result, [batch, height, width, features] of the dtype of x.
      bias: float32 [features], if there is a slope.
    """
    operands = (x, kernel) if bias is None else (x, kernel, bias)
    return _call(_like(output), *operands, key=geometry.key("forward", x, kernel, output))


def image_gradient(image, kernel, dy, geometry: Geometry) -> jax.Array:
    """The gradient with respect to x, which `image` is like; dy is that before the ReLU."""
    key = geometry._replace(slope=None).key("image", image, kernel, dy)
    return _call(_like(image), dy, kernel, key=key)


def kernel_gradient(x, kernel, dy, geometry: Geometry) -> Any:
    """The gradient with respect to the kernel, which `kernel` is like, and of a bias: float32."""
    results: Any = _like(kernel)
    if geometry.slope is not None:
        results = (results, jax.ShapeDtypeStruct(kernel.shape[3:], jnp.float32))
    return _call(results, x, dy, key=geometry.key("kernel", x, kernel, dy))


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
