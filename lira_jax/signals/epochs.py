"""Scores models after some epochs, while they train (Rezaei and Liu 2021, section 7.1,
https://arxiv.org/abs/2005.13702)."""

from collections.abc import Sequence
from typing import Any

from jax.sharding import Mesh

from lira_jax.data import augment
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment, scored_epochs
from lira_jax.models.network import Network
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.signals import table
from lira_jax.signals.chunk import ChunkScorer
from lira_jax.signals.score import missing


class EpochScorer:
    """Writes the signals of models as they are after an epoch to the epoch's view of their run.

    Attributes:
      epochs: after which models are to be scored, ascending.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Network,
        dataset: Dataset,
        run: RunDirectory,
        devices: Mesh | None = None,
    ):
        """Compiles and writes nothing yet.

        Args:
          devices: as `lift.mesh` gives them; all by default.

        Raises:
          UserError: a signal is unknown, or the data cannot be augmented as asked.
        """
        e = experiment
        self.epochs, self._run, self._labels = scored_epochs(e), run, dataset.y
        queries = e.epoch_queries or e.queries
        augment.check_size(dataset.x.shape, augment=e.augment, shift=e.shift, queries=queries)
        measures = table.measures(e.signal_names, network, e)
        self._names = list(measures)
        self._score = ChunkScorer(
            e, network, measures, dataset, devices or lift.mesh(), queries=queries
        )

    def __call__(
        self, epoch: int, models: Sequence[int], variables: Any, images: Any, labels: Any
    ) -> None:
        """Scores models of which the epoch's signals are not all there yet.

        Args:
          epoch: epochs that the models have behind them, one of `epochs`.
          models: ids.
          variables: of these models in their order, [width, ...], on the devices; what is beyond
            them is padding.
          images, labels: of the pool, on the devices or in host memory.
        """
        view = layout.epoch(epoch)
        left = {i: missing(self._run, i, self._names, view) for i in models}
        if not any(left.values()):
            return
        if not self._run.has(view.labels):
            self._run.write_once(view.labels, self._labels)
        self._score(self._run, view, left, variables, images, labels)
