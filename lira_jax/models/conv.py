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
    onednn    on CPUs by oneDNN, one model after the other; as plain on other devices, for groups,
              and where the extra onednn is not installed

"unrolled" writes the weight gradient out once for each element of a vmapped axis: it is meant for
an axis of models, not for per-example gradients. Inside shard_map it needs check_vma=False, because
custom_vmap functions carry no varying-axes types. All but "plain" and "patches" have no forward
mode (jvp), and "grouped", "unrolled" and "onednn" no second derivative.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from lira_jax.errors import bad_choice
from lira_jax.models.onednn import operations

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class _Geometry(NamedTuple):
    """What is static about a convolution; hashable, as custom_vjp asks of such arguments."""

    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]
    groups: int


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
    if form not in FORMS:
        raise bad_choice("--conv_form", form, FORMS)
    return FORMS[form](
        x, kernel, _Geometry(stride, _pads(x, kernel.shape[:2], stride, padding), groups)
    )


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


def _plain(x, kernel, geometry: _Geometry):
    return lax.conv_general_dilated(
        x,
        kernel,
        (geometry.stride,) * 2,
        geometry.pads,
        dimension_numbers=_LAYOUT,
        feature_group_count=geometry.groups,
    )


def _patches(x, kernel, geometry: _Geometry):
    height, width, channels, features = kernel.shape
    parts = _windows(x, (height, width), geometry.stride, geometry.pads)
    patches = jnp.stack(parts, axis=3)
    patches = patches.reshape(*patches.shape[:4], geometry.groups, channels)
    kernel = kernel.reshape(height * width, channels, geometry.groups, features // geometry.groups)
    out = jnp.einsum("nhwkgc,kcgf->nhwgf", patches, kernel)
    return out.reshape(*out.shape[:3], features)


def _shifted_weight_gradient(x, dy, kernel_shape, geometry: _Geometry):
    dy = dy.reshape(*dy.shape[:3], geometry.groups, -1)
    parts = _windows(x, kernel_shape[:2], geometry.stride, geometry.pads)
    parts = [part.reshape(*part.shape[:3], geometry.groups, -1) for part in parts]
    products = [jnp.einsum("nhwgc,nhwgf->cgf", part, dy) for part in parts]
    return jnp.stack(products).reshape(kernel_shape)


def _plain_weight_gradient(x, dy, kernel_shape, geometry: _Geometry):
    kernel = jax.ShapeDtypeStruct(kernel_shape, dy.dtype)
    return jax.linear_transpose(lambda k: _plain(x, k, geometry), kernel)(dy)[0]


def _plain_image_gradient(image, kernel, dy, geometry: _Geometry):
    return jax.linear_transpose(lambda x: _plain(x, kernel, geometry), image)(dy)[0]


def _under_vmap(rule: Callable) -> Callable:
    """A weight gradient that under vmap is rule(gradient, models, batched, x, dy, ...)."""

    def weight_gradient(x, dy, kernel_shape, geometry: _Geometry):
        @custom_vmap
        def gradient(x, dy):
            return _plain_weight_gradient(x, dy, kernel_shape, geometry)

        @gradient.def_vmap
        def of_many(models, batched, x, dy):
            return rule(gradient, models, batched, x, dy, kernel_shape, geometry), True

        return gradient(x, dy)

    return weight_gradient


def _unrolled(gradient, models, batched, x, dy, kernel_shape, geometry: _Geometry):
    each = [gradient(x[m] if batched[0] else x, dy[m] if batched[1] else dy) for m in range(models)]
    return jnp.stack(each)


def _grouped(gradient, models, batched, x, dy, kernel_shape, geometry: _Geometry):
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


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _by_onednn(x, kernel, geometry):
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, k: operations.conv(x, k, geometry.stride, geometry.pads),
        default=lambda x, k: _plain(x, k, geometry),
    )


def _by_onednn_forward(x, kernel, geometry):
    return _by_onednn(x, kernel, geometry), (x, kernel)


def _by_onednn_backward(geometry, saved, dy):
    x, kernel = saved
    stride, pads = geometry.stride, geometry.pads
    dx = lax.platform_dependent(
        kernel,
        dy,
        cpu=lambda k, dy: operations.image_gradient(x, k, dy, stride, pads),
        default=lambda k, dy: _plain_image_gradient(x, k, dy, geometry),
    )
    dk = lax.platform_dependent(
        x,
        dy,
        cpu=lambda x, dy: operations.kernel_gradient(x, kernel, dy, stride, pads),
        default=lambda x, dy: _plain_weight_gradient(x, dy, kernel.shape, geometry),
    )
    return dx, dk


_by_onednn.defvjp(_by_onednn_forward, _by_onednn_backward)


def _onednn(x, kernel, geometry: _Geometry):
    if geometry.groups > 1 or not operations.supports(x):
        return _plain(x, kernel, geometry)
    return _by_onednn(x, kernel, geometry)


FORMS = {
    "plain": _plain,
    "grouped": _with_weight_gradient(_under_vmap(_grouped)),
    "unrolled": _with_weight_gradient(_under_vmap(_unrolled)),
    "shifted": _with_weight_gradient(_shifted_weight_gradient),
    "patches": _patches,
    "onednn": _onednn,
}


def usual_form() -> str:
    """The form where nothing is measured: onednn on a CPU if it is installed, else plain."""
    return "onednn" if jax.default_backend() == "cpu" and operations.available() else "plain"


def form_by_example() -> str:
    """The form for gradients of one example at a time, many of them under vmap.

    measured on CPUs (BUILD_NOTES.md): of XLA's, matrix products are the only ones
    that stay fast in a compiled loop.
    """
    usual = usual_form()
    return "patches" if usual == "plain" and jax.default_backend() == "cpu" else usual


def he_normal(groups: int = 1) -> Callable:
    """He et al. 2015 (arXiv:1502.01852), equation 14: variance 2 / fan-out, within a group."""
    return nn.initializers.variance_scaling(2.0 * groups, "fan_out", "normal")


class Conv(nn.Module):
    """A convolution in `dtype` that owns the float32 parameter `kernel` (and `bias`).

    `size` is the side of a square, or height and width. The other fields are those of `conv`;
    kernel_init defaults to `he_normal`.
    """

    features: int
    size: int | tuple[int, int] = 3
    stride: int = 1
    padding: str | int = "SAME"
    groups: int = 1
    use_bias: bool = False
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
        y = conv(x, kernel, self.stride, self.padding, groups=self.groups, form=self.conv_form)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
            y = y + bias.astype(self.dtype)
        return y
