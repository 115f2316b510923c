"""Scores models side by side on all examples of a view, streamed to the run directory."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax.attacks.shared.plain import MAY_FAIL
from lira_jax.data import augment
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, lift
from lira_jax.ensemble.sweep import sweep, usual_batch
from lira_jax.experiment import Experiment
from lira_jax.models import recipe as recipes
from lira_jax.models.conv import usual_form
from lira_jax.models.network import Network
from lira_jax.runs import health
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Summary
from lira_jax.runs.layout import View
from lira_jax.signals import measure, table
from lira_jax.signals.measure import Measure


class Said(NamedTuple):
    """What one model said of all examples.

    Attributes:
      outputs: for the plain query.
      finite: bool [examples], whether all its signals that must be are finite numbers.
      failed: name of a signal that a model may have none of -> of how many examples it has none.
    """

    outputs: Summary
    finite: np.ndarray
    failed: Mapping[str, int]


class ChunkScorer:
    """The lifted program that measures signals, and what it writes.

    Attributes:
      strategy: as `lift.lift` takes it.
      program: lifted, (variables, images, labels, index) -> (signals, outputs).
      batch: examples in a step.
      num_examples: of the view.
      queries: that are asked of each example: one if all signals are of the plain query.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Network,
        measures: Mapping[str, Measure],
        examples: Dataset,
        devices: Mesh,
        *,
        queries: int,
    ):
        """Compiles nothing yet.

        Args:
          experiment: says how to compute, and of which queries logits are kept.
          measures: name of a signal -> how it is measured.
          examples: of the view.
          queries: of each example.

        Raises:
          UserError: `map` was asked for where it is slow.
        """
        e = experiment
        plain = [name for name in measures if table.is_plain_now(name, e)]
        self.queries = 1 if len(plain) == len(measures) else queries
        self.strategy = lift.choose_strategy(
            e.strategy,
            convolutional=network.convolutional,
            platform=devices.devices.flat[0].platform,
            form="plain" if recipes.is_own_code(e) else usual_form(e.conv_form),
        )
        # As many as of a whole run, so that the blocks do not depend on what is left to do.
        width = chunks.width(self.strategy, e.models_per_chunk, e.num_models, devices)
        side_by_side = width // devices.size if self.strategy == "vmap" else 1
        of_one = measure.make_step(
            network,
            measures,
            augment.query_grid(self.queries),
            plain=plain,
            block_bytes=_block_bytes(devices) // side_by_side,
        )
        self._shapes = measure.shapes(of_one, network, examples.x, examples.y)
        self.program = lift.lift(of_one, self.strategy, devices, shared=3)
        batch = e.score_batch_size or usual_batch(devices, network)
        self.batch = max(1, batch // max(self.queries, table.images(measures)))
        self.num_examples = len(examples.y)

    def __call__(
        self,
        run: RunDirectory,
        view: View,
        left: Mapping[int, list[str]],
        variables: Any,
        images: Any,
        labels: Any,
        *,
        advance: Callable[[int], None] = lambda examples: None,
        entering: Callable[[int, Said], None] = lambda model, said: None,
    ) -> None:
        """Writes the signals of a chunk.

        Args:
          left: model -> its signals to write, which may be none.
          variables: of the same models in their order, [width, ...]; the rest is padding.
          images, labels: of the view, on the devices or in host memory.
          advance: called after each batch with its number of examples.
          entering: called with each model before its dumps are entered in the manifest.
        """
        names = {view.signal(name, i): name for i, own in left.items() for name in own}
        shapes = {file: (self.num_examples, *self._shapes[n]) for file, n in names.items()}
        seen: list[list[Said]] = [[] for _ in left]
        with run.rows_writers(shapes, np.float32) as write:
            swept = sweep(self.program, variables, images, labels, self.batch)
            for signals, outputs in swept:
                for row, (i, own) in enumerate(left.items()):
                    of_model = {name: array[row] for name, array in signals.items()}
                    for name in own:
                        write[view.signal(name, i)](of_model[name])
                    failed = {n: int(np.isnan(of_model[n]).sum()) for n in own if n in MAY_FAIL}
                    seen[row].append(Said(outputs.of_model(row), _finite(of_model), failed))
                advance(len(seen[0][-1].finite))
            for i, batches in zip(left, seen, strict=True):
                said, finite, failed = zip(*batches, strict=True)
                totals = {name: sum(f[name] for f in failed) for name in failed[0]}
                entering(i, Said(health.concatenate(said), np.concatenate(finite), totals))


def stack(trees: list[Any], width: int, devices: Mesh) -> Any:
    """Variables of several models as those of a chunk of a width, on the devices."""
    padded = [trees[min(row, len(trees) - 1)] for row in range(width)]
    return lift.spread(jax.tree.map(lambda *a: np.stack(a), *padded), devices)


def _finite(signals: dict[str, np.ndarray]) -> np.ndarray:
    """bool [examples], whether all signals of an example that must be are finite numbers."""
    flat = {
        name: np.isfinite(array).reshape(len(array), -1).all(-1) for name, array in signals.items()
    }
    length = len(next(iter(flat.values())))
    must = [finite for name, finite in flat.items() if name not in MAY_FAIL]
    return np.all([np.ones(length, bool), *must], axis=0)


def _block_bytes(devices: Mesh) -> int:
    """What the gradients of a block of examples, of all models side by side on a device, may take.

    It does not depend on what is free at the moment, so that the numbers do not either.
    """
    device = devices.devices.flat[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    return int(stats["bytes_limit"]) // 16 if stats and "bytes_limit" in stats else 1 << 28
