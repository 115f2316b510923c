"""Convolutions of one model by oneDNN: forward, input gradient and weight gradient."""

import ctypes
import functools
from collections.abc import Callable, Sequence

from lira_jax.models.onednn import library as dnnl

_TRAINING, _AUTO = 64, 3
_SRC, _DST, _WEIGHTS, _BIAS = 1, 17, 33, 41
_DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS, _DIFF_BIAS = 129, 145, 161, 169
_WEIGHTS_MD, _DIFF_WEIGHTS_MD = 131, 132


def images(shape: Sequence[int], dtype: str) -> ctypes.c_void_p:
    """[batch, height, width, channels] as it lies in memory, in oneDNN's order of axes."""
    n, h, w, c = shape
    return dnnl.description((n, c, h, w), dtype, (h * w * c, 1, w * c, c))


def _kernel(shape: Sequence[int], dtype: str, groups: int, *, as_it_lies: bool):
    """[height, width, channels / groups, features] likewise, or in the order oneDNN likes best."""
    h, w, i, o = shape
    dims: tuple[int, ...] = (o, i, h, w)
    strides: tuple[int, ...] = (1, o, w * i * o, i * o)
    if groups > 1:
        dims, strides = (groups, o // groups, *dims[1:]), (o // groups, *strides)
    return dnnl.description(dims, dtype, strides if as_it_lies else None)


@functools.cache
def build(key: str) -> Callable[[Sequence[int]], None]:
    """One convolution's function of addresses (operands, then results).

    Args:
      key: `kind dtype image kernel output stride pads groups slope`, sizes joined by commas; kind
        is forward (image, kernel -> output), image (output's gradient, kernel -> image's) or kernel
        (image, output's gradient -> kernel's). A slope other than "none" is that of a leaky ReLU
        after a bias, float32: forward (image, kernel, bias -> output), kernel (image, gradient
        before the ReLU -> kernel's, bias's). A string, so that compiled programs can be stored with
        it.
    """
    kind, dtype, *numbers, after = key.split()
    image, kernel, output, stride, pads, (groups,) = (
        tuple(map(int, n.split(","))) for n in numbers
    )
    slope = None if after == "none" else float(after)
    src, dst = images(image, dtype), images(output, dtype)
    plain = _kernel(kernel, dtype, groups, as_it_lies=True)
    free = _kernel(kernel, dtype, groups, as_it_lies=False)
    bias = None if slope is None else dnnl.description(kernel[3:], "float32", (1,))
    geometry = (
        dnnl.ints(stride * 2),
        dnnl.ints((0, 0)),
        dnnl.ints(pads[::2]),
        dnnl.ints(pads[1::2]),
    )
    forward = dnnl.made(
        "dnnl_convolution_forward_primitive_desc_create",
        dnnl.engine(), _TRAINING, _AUTO, src, free, bias, dst, *geometry, dnnl.attributes(slope),
    )  # fmt: skip
    if kind == "forward":
        liked = dnnl.queried(forward, _WEIGHTS_MD)
        roles = [(_SRC, src), (_WEIGHTS, liked), *([(_BIAS, bias)] if bias else []), (_DST, dst)]
        return _with_kernel(dnnl.Primitive(forward, roles), 1, plain, liked, reads=True)
    if kind == "image":
        desc = dnnl.made(
            "dnnl_convolution_backward_data_primitive_desc_create",
            dnnl.engine(), _AUTO, src, free, dst, *geometry, forward, dnnl.attributes(),
        )  # fmt: skip
        liked = dnnl.queried(desc, _WEIGHTS_MD)
        run = dnnl.Primitive(desc, [(_DIFF_DST, dst), (_WEIGHTS, liked), (_DIFF_SRC, src)])
        return _with_kernel(run, 1, plain, liked, reads=True)
    desc = dnnl.made(
        "dnnl_convolution_backward_weights_primitive_desc_create",
        dnnl.engine(), _AUTO, src, free, bias, dst, *geometry, forward, dnnl.attributes(),
    )  # fmt: skip
    liked = dnnl.queried(desc, _DIFF_WEIGHTS_MD)
    roles = [(_SRC, src), (_DIFF_DST, dst), (_DIFF_WEIGHTS, liked)]
    roles += [(_DIFF_BIAS, bias)] if bias else []
    return _with_kernel(dnnl.Primitive(desc, roles), 2, plain, liked, reads=False)


def _with_kernel(run: dnnl.Primitive, place: int, plain, liked, *, reads: bool):
    """`run` on a kernel as it lies in memory: it is brought into the order that oneDNN likes."""
    if dnnl.same(plain, liked):
        return run.run
    ends = (plain, liked) if reads else (liked, plain)
    desc = dnnl.made(
        "dnnl_reorder_primitive_desc_create",
        ends[0], dnnl.engine(), ends[1], dnnl.engine(), dnnl.attributes(),
    )  # fmt: skip
    reorder = dnnl.Primitive(desc, [(_SRC, ends[0]), (_DST, ends[1])])
    num_bytes = dnnl.size(liked)

    def with_kernel(addresses: Sequence[int]) -> None:
        between = dnnl.scratch("kernel", num_bytes)
        moved = [*addresses]
        moved[place] = between
        if reads:
            reorder.run((addresses[place], between))
            run.run(moved)
        else:
            run.run(moved)
            reorder.run((between, addresses[place]))

    return with_kernel
