"""Sweeps models over examples in batches and streams the results to the host."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax.sharding import Mesh

if TYPE_CHECKING:
    from lira_jax.models.network import Network

_BATCH, _CPU_CONVOLUTION_BATCH = 1024, 64
_OUTPUTS = 1 << 20  # numbers that a model says of a batch; of text, the logits of each token


def usual_batch(devices: Mesh, network: "Network") -> int:
    """Examples of one model in one scoring step, queries counted, where the user does not say.

    The activations of a convolutional network stay in a CPU's cache for small batches only
    (docs/measurements/scoring_and_attack_speed.md).
    """
    on_cpu = devices.devices.flat[0].platform == "cpu"
    usual = _CPU_CONVOLUTION_BATCH if network.convolutional and on_cpu else _BATCH
    if len(network.output_shape) < 2:
        return usual
    return max(1, min(usual, _OUTPUTS // math.prod(network.output_shape)))


def sweep(step: Callable, state, images, labels, batch_size: int) -> Iterator:
    """Runs a lifted step over all examples.

    The next batch is dispatched before the last one is fetched, so the device does not wait.

    Args:
      step: (state, images, labels, index) -> any pytree of arrays [models, B, ...], of the examples
        `index`; lifted by `lift.lift` with three shared arguments.
      state: of all models, leading axis [models].
      images, labels: on the devices, or numpy arrays in host memory, of which each batch is sent on
        its own.
      batch_size: examples a batch.

    Yields:
      The step's results as numpy arrays, batch after batch, without the padding of the last one.
    """
    total = len(labels)
    batch_size = min(batch_size, total)
    pending, within = None, np.arange(batch_size, dtype=np.int32)
    for start in range(0, total, batch_size):
        index = np.minimum(start + within, total - 1)
        if isinstance(images, np.ndarray):
            result = step(state, images[index], labels[index], within)
        else:
            result = step(state, images, labels, index)
        if pending is not None:
            yield _fetch(*pending)
        pending = result, min(batch_size, total - start)
    if pending is not None:
        yield _fetch(*pending)


def _fetch(result, count: int):
    return jax.tree.map(lambda array: array[:, :count], jax.device_get(result))
