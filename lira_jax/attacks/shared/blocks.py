"""Runs an attack over blocks of examples, on all cores."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

BLOCK_ELEMENTS = 2**16
"""Scores [models, block, queries] in one block: half a MiB in float64, so the handful of
temporaries an attack makes of a block stays in or near a core's cache."""

MAX_THREADS = 16
"""Beyond this the attacks are bound by memory bandwidth."""


def over_blocks(
    function: Callable[[slice], Any], num_examples: int, per_example: int
) -> Iterator[Any]:
    """Applies a function to successive slices of the examples.

    numpy releases the interpreter lock while it computes, so threads are enough. The slices depend
    on the shape of the data alone and the results come in order, so that what is summed over them
    varies neither from run to run nor with the number of cores.

    Args:
      function: takes a slice of examples; called from several threads at once.
      num_examples: examples, N.
      per_example: scores the function touches for one example, models (or targets) times queries.

    Yields:
      The function's results, in the order of the slices.
    """
    size = max(1, BLOCK_ELEMENTS // per_example)
    blocks = [slice(i, min(i + size, num_examples)) for i in range(0, num_examples, size)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        yield from pool.map(function, blocks)


def sum_over_blocks(
    function: Callable[[slice], tuple[np.ndarray, ...]], num_examples: int, per_example: int
) -> tuple[np.ndarray, ...]:
    """Sums, entry by entry, the tuples of arrays a function returns; arguments as in
    `over_blocks`."""
    results = over_blocks(function, num_examples, per_example)
    total = next(results)
    for result in results:
        total = tuple(a + b for a, b in zip(total, result, strict=True))
    return total
