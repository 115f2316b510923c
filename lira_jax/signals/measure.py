"""Measures signals of ONE model: all that are asked for, from one forward pass a query."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from lira_jax.data import augment
from lira_jax.models.network import Network
from lira_jax.runs import health


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A model and a batch that it is asked about: what the signal of a table line is measured on.

    Attributes:
      network: the model's pure functions.
      variables: of the model, as `network.init` gives them.
      inputs: [B, ...], one query each, raw as in the data set.
      labels: int [B].
      block_bytes: what the gradients of a block of examples may take.
    """

    network: Network
    variables: Any
    inputs: Any
    labels: Any
    block_bytes: int = 1 << 28

    @functools.cached_property
    def outputs(self) -> Any:
        """float32 [B, ...]: the forward pass, made once however many signals read it."""
        return self.network.outputs(self.variables, self.inputs)

    @functools.cached_property
    def normalised(self) -> Any:
        """float32 [B, ...]: the inputs as the first layer sees them."""
        return self.network.normalizer(self.inputs)


Measure = Callable[[Measurement], Any]


def make_step(
    network: Network,
    measures: Mapping[str, Measure],
    grid,
    *,
    plain: Collection[str],
    block_bytes: int = 1 << 28,
) -> Callable:
    """Builds step(variables, images, labels, index) -> (signals, outputs) for ONE model.

    Args:
      network: of the model.
      measures: name -> measure(Measurement) -> float32 [B, ...].
      grid: of the queries, as `augment.query_grid` gives it.
      plain: names of which the plain query alone is returned. If all are, no other is asked.
      block_bytes: of a Measurement.

    Returns:
      A function of variables, images [N, ...] and labels [N] on the device and index int [B], which
      examples. Its signals are name -> float32 [B, queries, ...], or [B, ...] of the plain query
      alone; outputs is the health.Summary [B] of the plain query's.
    """

    asked = grid[:1] if all(name in plain for name in measures) else grid

    def step(variables, images, labels, index):
        queries = augment.query_views(images, index, asked)
        per_example = len(queries) // len(index)

        def by_query(array):
            return array.reshape(len(index), per_example, *array.shape[1:])

        own = labels[index]
        batch = Measurement(network, variables, queries, jnp.repeat(own, per_example), block_bytes)
        first = Measurement(network, variables, by_query(queries)[:, 0], own, block_bytes)
        first.__dict__["outputs"] = by_query(batch.outputs)[:, 0]  # of the same forward pass
        signals = {
            name: measure(first) if name in plain else by_query(measure(batch))
            for name, measure in measures.items()
        }
        signals = {name: array.astype(jnp.float32) for name, array in signals.items()}
        return signals, health.summarise(first.outputs, network.classifies)

    return step


def shapes(step: Callable, network: Network, images, labels) -> dict[str, tuple[int, ...]]:
    """Name -> the shape of a signal of one example, as a step of `make_step` gives it."""
    index = jax.ShapeDtypeStruct((1,), jnp.int32)
    arrays = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (images, labels)]
    signals, _ = jax.eval_shape(step, network.shapes, *arrays, index)
    return {name: array.shape[1:] for name, array in signals.items()}
