"""Which models run side by side: chunks of equal width, and smaller ones where memory runs out."""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.errors import UserError

_DEFAULT_CHUNK = {"vmap": 64, "map": 64, "unroll": 4, "loop": 1}  # models a chunk; loop: a device


def width(strategy: str, asked: int, models: int, devices: Mesh) -> int:
    """Models side by side: a multiple of the devices' number, no more than there are to do.

    Args:
      asked: models a chunk; 0 for the strategy's default.
    """
    wanted = 1 if strategy == "loop" else min(asked or _DEFAULT_CHUNK[strategy], models)
    return _whole(wanted, devices)


def chunks(ids: list[int], width: int, devices: Mesh) -> tuple[list[list[int]], int]:
    """Splits models into chunks that run at the same time.

    Returns:
      (chunks, width): lists of ids that differ in length by one at most, and the width, at most the
      one given, that each is to be padded to (see `pad`), so that one compiled program serves all.
    """
    if not ids:
        return [], 0
    parts = [[int(i) for i in part] for part in np.array_split(ids, -(-len(ids) // width))]
    return parts, _whole(len(parts[0]), devices)


def in_chunks(
    ids: list[int], width: int, devices: Mesh, run: Callable[[list[int], int], None]
) -> None:
    """Calls run(chunk, width) for one chunk after the other; out of memory, halves the width.

    Raises:
      UserError: the device's memory does not suffice for one model.
    """
    parts, width = chunks(ids, width, devices)
    while parts:
        part = parts[0]
        try:
            run(part, width)
        except jax.errors.JaxRuntimeError as error:
            if not out_of_memory(error):
                raise
            if width == devices.size:
                raise UserError(
                    "the device's memory does not suffice for one model: lower --batch_size or "
                    "--score_batch_size, or take --data_on=host"
                ) from error
            smaller = _whole(width // 2, devices)
            smaller -= devices.size if smaller == width else 0
            progress.note(
                f"out of memory with {width} models side by side; going on with {smaller}"
            )
            parts = [piece for part in parts for piece in chunks(part, smaller, devices)[0]]
            width = smaller
        else:
            parts = parts[1:]


def out_of_memory(error: Exception) -> bool:
    """Whether XLA says that memory was exhausted."""
    return "RESOURCE_EXHAUSTED" in str(error) or "Out of memory" in str(error)


def _whole(models: int, devices: Mesh) -> int:
    return max(1, -(-models // devices.size)) * devices.size


def pad(ids: list[int], width: int) -> np.ndarray:
    """Repeats the last id up to `width`; the copies' results are dropped."""
    return np.array(ids + [ids[-1]] * (width - len(ids)), np.int32)
