"""Feeds batches from host memory, for data sets that do not fit on the device."""

import queue
import threading
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax.ensemble import lift

_AHEAD = 2  # batches that wait on the device


def batches(x: np.ndarray, y: np.ndarray, indices, devices: Mesh) -> Iterator:
    """The batches of one epoch, gathered and sent ahead by a thread while the device computes.

    Args:
      x, y: examples [N, ...] and labels [N] in host memory; x may be memory-mapped.
      indices: pytree of int [models, steps, B], of the examples in each batch.
      devices: mesh that the models are spread over.

    Yields:
      For each step the pytree with (images [models, B, ...], labels [models, B]), on the devices,
      in the place of each array of indices.
    """
    waiting: queue.Queue = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def fill():
        try:
            for s in range(jax.tree.leaves(indices)[0].shape[1]):
                batch = jax.tree.map(lambda index, s=s: (x[index[:, s]], y[index[:, s]]), indices)
                batch = lift.spread(batch, devices)
                while not stopped.is_set():
                    try:
                        waiting.put(batch, timeout=0.1)
                        break
                    except queue.Full:
                        continue
                if stopped.is_set():
                    return
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while (batch := waiting.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        stopped.set()
        thread.join()
