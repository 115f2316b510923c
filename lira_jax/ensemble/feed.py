"""Feeds batches from host memory, for data sets that do not fit on the device."""

import queue
import threading
from collections.abc import Iterator

import numpy as np

from lira_jax.ensemble import lift

_AHEAD = 2  # batches that wait on the device


def batches(x: np.ndarray, y: np.ndarray, indices: np.ndarray, devices) -> Iterator[tuple]:
    """The batches of one epoch, gathered and sent ahead by a thread while the device computes.

    Args:
      x, y: examples [N, ...] and labels [N] in host memory; x may be memory-mapped.
      indices: int [models, steps, B], of the examples in each batch.
      devices: mesh that the models are spread over.

    Yields:
      For each step, images [models, B, ...] and labels [models, B], on the devices.
    """
    waiting: queue.Queue = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def fill():
        try:
            for index in indices.swapaxes(0, 1):
                batch = lift.spread((x[index], y[index]), devices)
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
