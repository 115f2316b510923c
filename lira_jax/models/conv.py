"""The one convolution of all models, and how it batches over models.

`jax.vmap` over images and kernels turns a convolution into one grouped convolution. Forward and
input gradient stay cheap, but on a GPU the weight gradient becomes a convolution whose window is as
large as the image, for which cuDNN has no fast kernel. The forms below compute the same numbers in
other ways:

    plain     whatever jax.vmap makes of it
    grouped   the weight gradient as that of one grouped convolution, which XLA gives to cuDNN
              as such
    unrolled  under vmap, one ordinary weight gradient a model; forward and input gradient as plain
    shifted   the weight gradient as one matrix product for each kernel position, batched under vmap
    patches   im2col: everything is matrix products, at kernel-area times the memory traffic
    onednn    on CPUs by oneDNN, one model after the other; as plain on other devices and where the
              extra onednn is not installed

"unrolled" writes the weight gradient out once for each element of a vmapped axis: it is meant for
an axis of models, not for per-example gradients. Inside shard_map it needs check_vma=False, because
custom_vmap functions carry no varying-axes types. All but "plain" and "patches" have no forward
mode (jvp), and "grouped", "unrolled" and "onednn" no second derivative.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from lira_jax.errors import bad_choice
from lira_jax.models.onednn import operations
from lira_jax.models.onednn.operations import Geometry

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(
    x, kernel, stride: int = 1, padding: str | int = "SAME", *, groups: int = 1, form: str = "plain"
):
    """Two-dimensional convolution of one model.

    Args:
      x: [batch, height, width, channels].
      kernel: [height, width, channels / groups, features], of the dtype of x.
      stride: step in pixels along both axes.
      padding: "SAME" (output ceil(size / stride), odd pixel at the end), "VALID", or pixels on each
        side.
      groups: number of blocks of channels that do not mix.
      form: how it batches over models, a key of FORMS.

    Returns:
      [batch, height, width, features] in the dtype of x.

    Raises:
      UserError: for an unknown form.
    """
    return _form(form)(
        x, kernel, Geometry(stride, _pads(x, kernel.shape[:2], stride, padding), groups)
    )


def conv_relu(
    x,
    kernel,
    bias,
    slope: float,
    stride: int = 1,
    padding: str | int = "SAME",
    *,
    groups: int = 1,
    form: str = "plain",
):
    """`conv`, its bias and a leaky ReLU: in one pass over the result where the form is onednn.

    Args:
      bias: float32 [features].
      slope: of the ReLU below zero; 0 for ReLU itself.
    """
    geometry = Geometry(stride, _pads(x, kernel.shape[:2], stride, padding), groups, slope)
    if form == "onednn":
        return _onednn(x, kernel, geometry, bias)
    return _relu(_form(form)(x, kernel, geometry) + bias.astype(x.dtype), slope)


def _form(name: str) -> Callable:
    if name not in FORMS:
        raise bad_choice("--conv_form", name, FORMS)
    return FORMS[name]


def _relu(x, slope: float):
    return nn.leaky_relu(x, slope) if slope else nn.relu(x)


def windows(
    x, size: tuple[int, int], stride: int = 1, padding: str | int = "SAME"
) -> list[jax.Array]:
    """The image as each kernel position sees it: arrays [batch, out, out, channels]."""
    return _windows(x, size, stride, _pads(x, size, stride, padding))


def _pads(x, size, stride, padding):
    if isinstance(padding, int):
        return ((padding, padding),) * 2
    return tuple(
        tuple(p) for p in lax.padtype_to_pads(x.shape[1:3], size, (stride, stride), padding)
    )


def _windows(x, size, stride, pads):
    x = lax.pad(
        x, jnp.zeros((), x.dtype), ((0, 0, 0), *((low, high, 0) for low, high in pads), (0, 0, 0))
    )
    rows, columns = (
        (n - k) // stride * stride + 1 for n, k in zip(x.shape[1:3], size, strict=True)
    )
    return [
        x[:, i : i + rows : stride, j : j + columns : stride]
        for i in range(size[0])
        for j in range(size[1])
    ]


def _plain(x, kernel, geometry: Geometry):
    return lax.conv_general_dilated(
        x,
        kernel,
        (geometry.stride,) * 2,
        geometry.pads,
        dimension_numbers=_LAYOUT,
        feature_group_count=geometry.groups,
    )


def _patches(x, kernel, geometry: Geometry):
    height, width, channels, features = kernel.shape
    parts = _windows(x, (height, width), geometry.stride, geometry.pads)
    patches = jnp.stack(parts, axis=3)
    patches = patches.reshape(*patches.shape[:4], geometry.groups, channels)
    kernel = kernel.reshape(height * width, channels, geometry.groups, features // geometry.groups)
    out = jnp.einsum("nhwkgc,kcgf->nhwgf", patches, kernel)
    return out.reshape(*out.shape[:3], features)


def _shifted_weight_gradient(x, dy, kernel_shape, geometry: Geometry):
    dy = dy.reshape(*dy.shape[:3], geometry.groups, -1)
    parts = _windows(x, kernel_shape[:2], geometry.stride, geometry.pads)
    parts = [part.reshape(*part.shape[:3], geometry.groups, -1) for part in parts]
    products = [jnp.einsum("nhwgc,nhwgf->cgf", part, dy) for part in parts]
    return jnp.stack(products).reshape(kernel_shape)


def _plain_weight_gradient(x, dy, kernel_shape, geometry: Geometry):
    kernel = jax.ShapeDtypeStruct(kernel_shape, dy.dtype)
    return jax.linear_transpose(lambda k: _plain(x, k, geometry), kernel)(dy)[0]


def _plain_image_gradient(image, kernel, dy, geometry: Geometry):
    return jax.linear_transpose(lambda x: _plain(x, kernel, geometry), image)(dy)[0]


def _under_vmap(rule: Callable) -> Callable:
    """A weight gradient that under vmap is rule(gradient, models, batched, x, dy, ...)."""

    def weight_gradient(x, dy, kernel_shape, geometry: Geometry):
        @custom_vmap
        def gradient(x, dy):
            return _plain_weight_gradient(x, dy, kernel_shape, geometry)

        @gradient.def_vmap
        def of_many(models, batched, x, dy):
            return rule(gradient, models, batched, x, dy, kernel_shape, geometry), True

        return gradient(x, dy)

    return weight_gradient


def _unrolled(gradient, models, batched, x, dy, kernel_shape, geometry: Geometry):
    each = [gradient(x[m] if batched[0] else x, dy[m] if batched[1] else dy) for m in range(models)]
    return jnp.stack(each)


def _grouped(gradient, models, batched, x, dy, kernel_shape, geometry: Geometry):
    # jax.vmap of the gradient would make one convolution that is grouped over features. The
    # gradient of a grouped convolution is one with batch groups, in which XLA recognises a backward
    # filter.
    x, dy = (_models_into_channels(a, models, b) for a, b in zip((x, dy), batched, strict=True))
    *window, features = kernel_shape
    folded = geometry._replace(groups=models * geometry.groups)
    dk = _plain_weight_gradient(x, dy, (*window, models * features), folded)
    return jnp.moveaxis(dk.reshape(*window, models, features), 3, 0)


def _models_into_channels(x, models: int, batched: bool):
    """[models, batch, height, width, channels] -> [batch, height, width, models * channels]."""
    x = jnp.moveaxis(x, 0, 3) if batched else jnp.repeat(x[:, :, :, None], models, 3)
    return x.reshape(*x.shape[:3], -1)


def _with_weight_gradient(weight_gradient: Callable) -> Callable:
    """A plain convolution whose gradient with respect to the kernel is computed another way."""

    @functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
    def apply(x, kernel, geometry):
        return _plain(x, kernel, geometry)

    def forward(x, kernel, geometry):
        return _plain(x, kernel, geometry), (x, kernel)

    def backward(geometry, saved, dy):
        x, kernel = saved
        dx = _plain_image_gradient(x, kernel, dy, geometry)
        return dx, weight_gradient(x, dy, kernel.shape, geometry)

    apply.defvjp(forward, backward)
    return apply


def _plain_relu(x, kernel, bias, geometry: Geometry):
    """The convolution, and the bias and ReLU if there is a slope."""
    y = _plain(x, kernel, geometry)
    return y if geometry.slope is None else _relu(y + bias.astype(y.dtype), geometry.slope)


def _result(x, kernel, geometry: Geometry) -> jax.ShapeDtypeStruct:
    return jax.eval_shape(lambda x, k: _plain(x, k, geometry), x, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _by_onednn(x, kernel, bias, geometry):
    output = _result(x, kernel, geometry)
    return lax.platform_dependent(
        x,
        kernel,
        bias,
        cpu=lambda x, k, b: operations.conv(x, k, geometry, output, b),
        default=lambda x, k, b: _plain_relu(x, k, b, geometry),
    )


def _by_onednn_forward(x, kernel, bias, geometry):
    y = _by_onednn(x, kernel, bias, geometry)
    return y, (x, kernel, None if geometry.slope is None else y)


def _by_onednn_backward(geometry, saved, dy):
    x, kernel, y = saved
    if slope := geometry.slope:
        dy = jnp.where(y >= 0, dy, slope * dy)  # y has the sign of what the leaky ReLU was given
    elif slope is not None:
        dy = jnp.where(y > 0, dy, 0)

    def elsewhere(x, dy):
        dk = _plain_weight_gradient(x, dy, kernel.shape, geometry)
        return dk if slope is None else (dk, dy.sum((0, 1, 2), jnp.float32))

    dx = lax.platform_dependent(
        kernel,
        dy,
        cpu=lambda k, dy: operations.image_gradient(x, k, dy, geometry),
        default=lambda k, dy: _plain_image_gradient(x, k, dy, geometry),
    )
    dk = lax.platform_dependent(
        x,
        dy,
        cpu=lambda x, dy: operations.kernel_gradient(x, kernel, dy, geometry),
        default=elsewhere,
    )
    return (dx, dk, None) if slope is None else (dx, *dk)


_by_onednn.defvjp(_by_onednn_forward, _by_onednn_backward)


def _onednn(x, kernel, geometry: Geometry, bias=None):
    # Shapes or types that do not fit are refused by XLA's convolution, whatever the form.
    output = _result(x, kernel, geometry)
    if not operations.supports(x, kernel, output):
        return _plain_relu(x, kernel, bias, geometry)
    return _by_onednn(x, kernel, bias, geometry)


FORMS = {
    "plain": _plain,
    "grouped": _with_weight_gradient(_under_vmap(_grouped)),
    "unrolled": _with_weight_gradient(_under_vmap(_unrolled)),
    "shifted": _with_weight_gradient(_shifted_weight_gradient),
    "patches": _patches,
    "onednn": _onednn,
}


def usual_form(asked: str = "auto") -> str:
    """The form where nothing is measured: onednn on a CPU if it is installed, else plain.

    Args:
      asked: of --conv_form; what it gives if that is no "auto".
    """
    if asked != "auto":
        return asked
    return "onednn" if jax.default_backend() == "cpu" and operations.available() else "plain"


def form_by_example() -> str:
    """The form for gradients of one example at a time, many of them under vmap.

    Measured on CPUs (BUILD_NOTES.md): of XLA's, matrix products are the only ones that stay fast in
    a compiled loop, as which blocks of examples are computed.
    """
    usual = usual_form()
    return "patches" if usual == "plain" and jax.default_backend() == "cpu" else usual


def he_normal(groups: int = 1) -> Callable:
    """He et al. 2015 (arXiv:1502.01852), equation 14: variance 2 / fan-out, within a group."""
    return nn.initializers.variance_scaling(2.0 * groups, "fan_out", "normal")


class Conv(nn.Module):
    """A convolution in `dtype` that owns the float32 parameter `kernel` (and `bias`).

    `size` is the side of a square, or height and width. The other fields are those of `conv` and,
    for a layer with a bias and a (leaky) ReLU after it, the slope of `conv_relu`; kernel_init
    defaults to `he_normal`.
    """

    features: int
    size: int | tuple[int, int] = 3
    stride: int = 1
    padding: str | int = "SAME"
    groups: int = 1
    use_bias: bool = False
    slope: float | None = None
    kernel_init: Callable | None = None
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x):
        sides = (self.size,) * 2 if isinstance(self.size, int) else self.size
        shape = (*sides, x.shape[-1] // self.groups, self.features)
        kernel = self.param(
            "kernel", self.kernel_init or he_normal(self.groups), shape, jnp.float32
        )
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        how: Any = {"groups": self.groups, "form": self.conv_form}
        if not self.use_bias:
            return conv(x, kernel, self.stride, self.padding, **how)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
        if self.slope is not None:
            return conv_relu(x, kernel, bias, self.slope, self.stride, self.padding, **how)
        return conv(x, kernel, self.stride, self.padding, **how) + bias.astype(self.dtype)
