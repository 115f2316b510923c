"""BatchNorm followed by ReLU of one model by oneDNN, in training: forward and backward in one."""

import functools
from collections.abc import Callable, Sequence

from lira_jax.models.onednn import library as dnnl
from lira_jax.models.onednn.convolution import images

_TRAINING, _BACKWARD = 64, 128
_SCALE_SHIFT_RELU = 2 | 4 | 8
_SRC, _DST, _MEAN, _VARIANCE, _SCALE, _SHIFT, _WORKSPACE = 1, 17, 49, 50, 51, 52, 64
_DIFF_SRC, _DIFF_DST, _DIFF_SCALE, _DIFF_SHIFT = 129, 145, 255, 256
_WORKSPACE_MD = 135


@functools.cache
def _forward(shape: tuple[int, ...], dtype: str, epsilon: float):
    src = images(shape, dtype)
    return dnnl.made(
        "dnnl_batch_normalization_forward_primitive_desc_create",
        dnnl.engine(), _TRAINING, src, src, dnnl.number(epsilon), _SCALE_SHIFT_RELU,
        dnnl.attributes(),
    )  # fmt: skip


def workspace_bytes(shape: tuple[int, ...], dtype: str, epsilon: float) -> int:
    """Bytes of what forward leaves to backward: where ReLU passed."""
    return dnnl.size(dnnl.queried(_forward(shape, dtype, epsilon), _WORKSPACE_MD))


@functools.cache
def build(key: str) -> Callable[[Sequence[int]], None]:
    """One function of addresses.

    Args:
      key: `norm_forward dtype shape epsilon` (x, scale, bias -> y, mean, variance, workspace) or
        `norm_backward dtype shape epsilon` (dy, x, scale, mean, variance, workspace -> dx, dscale,
        dbias); scale and bias are not looked at but for their values.
    """
    kind, dtype, sizes, text = key.split()
    shape, epsilon = tuple(map(int, sizes.split(","))), float(text)
    src, channel = images(shape, dtype), dnnl.description(shape[-1:], "float32", (1,))
    forward = _forward(shape, dtype, epsilon)
    workspace = dnnl.queried(forward, _WORKSPACE_MD)
    if kind == "norm_forward":
        roles = [(_SRC, src), (_SCALE, channel), (_SHIFT, channel)]
        roles += [(_DST, src), (_MEAN, channel), (_VARIANCE, channel), (_WORKSPACE, workspace)]
        return dnnl.Primitive(forward, roles).run
    desc = dnnl.made(
        "dnnl_batch_normalization_backward_primitive_desc_create",
        dnnl.engine(), _BACKWARD, src, src, src, dnnl.number(epsilon), _SCALE_SHIFT_RELU, forward,
        dnnl.attributes(),
    )  # fmt: skip
    roles = [(_DIFF_DST, src), (_SRC, src), (_SCALE, channel), (_MEAN, channel)]
    roles += [(_VARIANCE, channel), (_WORKSPACE, workspace)]
    roles += [(_DIFF_SRC, src), (_DIFF_SCALE, channel), (_DIFF_SHIFT, channel)]
    return dnnl.Primitive(desc, roles).run
