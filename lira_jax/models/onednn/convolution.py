"""Convolutions of one model by oneDNN: forward, input gradient and weight gradient."""

import ctypes
import functools
from collections.abc import Callable, Sequence

from lira_jax.models.onednn import library as dnnl

_TRAINING, _AUTO = 64, 3
_SRC, _DST, _WEIGHTS, _DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS = 1, 17, 33, 129, 145, 161
_WEIGHTS_MD, _DIFF_WEIGHTS_MD = 131, 132


def images(shape: Sequence[int], dtype: str) -> ctypes.c_void_p:
    """[batch, height, width, channels] as it lies in memory, in oneDNN's order of axes."""
    n, h, w, c = shape
    return dnnl.description((n, c, h, w), dtype, (h * w * c, 1, w * c, c))


def _kernel(shape: Sequence[int], dtype: str):
    """[height, width, channels, features] likewise."""
    h, w, i, o = shape
    return dnnl.description((o, i, h, w), dtype, (1, o, w * i * o, i * o))


@functools.cache
def build(key: str) -> Callable[[Sequence[int]], None]:
    """One convolution's function of addresses (operands, then the result).

    Args:
      key: `kind dtype image kernel output stride pads`, sizes joined by commas; kind is forward
        (image, kernel -> output), image (output's gradient, kernel -> image's) or kernel (image,
        output's gradient -> kernel's). A string, so that compiled programs can be stored with it.
    """
    kind, dtype, *numbers = key.split()
    image, kernel, output, stride, pads = (tuple(map(int, n.split(","))) for n in numbers)
    h, w, i, o = kernel
    src, dst, plain = images(image, dtype), images(output, dtype), _kernel(kernel, dtype)
    free = dnnl.description((o, i, h, w), dtype)
    geometry = (
        dnnl.ints(stride * 2),
        dnnl.ints((0, 0)),
        dnnl.ints(pads[::2]),
        dnnl.ints(pads[1::2]),
    )
    forward = dnnl.made(
        "dnnl_convolution_forward_primitive_desc_create",
        dnnl.engine(), _TRAINING, _AUTO, src, free, None, dst, *geometry, dnnl.attributes(),
    )  # fmt: skip
    if kind == "forward":
        liked = dnnl.queried(forward, _WEIGHTS_MD)
        run = dnnl.Primitive(forward, [(_SRC, src), (_WEIGHTS, liked), (_DST, dst)])
        return _with_kernel(run, 1, plain, liked, reads=True)
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
        dnnl.engine(), _AUTO, src, free, None, dst, *geometry, forward, dnnl.attributes(),
    )  # fmt: skip
    liked = dnnl.queried(desc, _DIFF_WEIGHTS_MD)
    run = dnnl.Primitive(desc, [(_SRC, src), (_DIFF_DST, dst), (_DIFF_WEIGHTS, liked)])
    return _with_kernel(run, 2, plain, liked, reads=False)


def _with_kernel(run, place, plain, liked, *, reads):
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
        moved = [*addresses[:place], between, *addresses[place + 1 :]]
        if reads:
            reorder.run((addresses[place], between))
            run.run(moved)
        else:
            run.run(moved)
            reorder.run((between, addresses[place]))

    return with_kernel
