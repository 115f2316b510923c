"""Scores finished models: phi of every query and logits, streamed to the run directory."""

import contextlib
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.data import augment
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, lift
from lira_jax.ensemble.sweep import sweep, usual_batch
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.runs import checkpoint, directory
from lira_jax.runs.directory import RunDirectory
from lira_jax.signals import forward


def is_scored(run: RunDirectory, model: int, probe: str = "") -> bool:
    """Whether a model's dumps, on the pool or on a set of probes, are here."""
    return run.has(directory.scores_name(model, probe)) and run.has(
        directory.logits_name(model, probe)
    )


def score_models(
    experiment: Experiment,
    dataset: Dataset,
    run: RunDirectory,
    ids: Sequence[int],
    devices: Mesh | None = None,
    *,
    probe: str = "",
    examples: Dataset | None = None,
) -> None:
    """Writes scores/ and logits/ of the models that have none yet.

    Args:
      dataset: of the run.
      devices: as `lift.mesh` gives them; all by default.
      probe: name of a set of probes to be scored instead of the pool.
      examples: the probes.

    Raises:
      UserError: a model is not trained to the end, or the data cannot be augmented as asked.
    """
    e = experiment
    augment.check_size(dataset.x.shape, augment=e.augment, shift=e.shift, queries=e.queries)
    examples = examples or dataset
    todo = [i for i in ids if not is_scored(run, i, probe)]
    progress.note_finished(
        len(ids), len(todo), "scored already" + (f" on {probe}" if probe else "")
    )
    network = networks.make(e, dataset)
    like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), network.shapes)
    devices = devices or lift.mesh()
    convolutional = network.convolutional
    strategy = lift.choose_strategy(
        e.strategy, convolutional=convolutional, platform=devices.devices.flat[0].platform
    )
    step = forward.make_score_step(network, augment.query_grid(e.queries))
    step = lift.lift(step, strategy, devices, shared=3)
    images, labels = examples.x, examples.y
    if e.data_on == "device":
        images, labels = lift.replicate((images, labels), devices)
    batch = e.score_batch_size or usual_batch(devices, convolutional=convolutional)
    batch = max(1, batch // e.queries)
    kept_queries = e.queries if e.save_logits == "all" else 1
    num_examples, num_classes = len(examples.y), dataset.num_classes
    logits_shape = (num_examples, kept_queries, num_classes)[:: 1 if e.save_logits == "all" else 2]

    finished: list[int] = []

    def score_chunk(ids: list[int], width: int) -> None:
        bar.n = (
            len(finished) * num_examples * e.queries
        )  # also after a chunk that ran out of memory
        loaded = [checkpoint.load_final(run.checkpoints(), i, like) for i in ids]
        padded = [loaded[min(row, len(ids) - 1)] for row in range(width)]
        variables = lift.spread(jax.tree.map(lambda *a: np.stack(a), *padded), devices)
        with contextlib.ExitStack() as files:
            writers = [
                (
                    files.enter_context(
                        run.rows_writer(view.signal("logits", i), logits_shape, np.float32)
                    ),
                    files.enter_context(
                        run.rows_writer(
                            view.signal("phi", i), (num_examples, e.queries), np.float32
                        )
                    ),
                )
                for i in ids
            ]
            for logits, phi in sweep(step, variables, images, labels, batch):
                for row, (write_logits, write_phi) in enumerate(writers):
                    write_logits(logits[row, :, :kept_queries].reshape(-1, *logits_shape[1:]))
                    write_phi(phi[row])
                bar.update(len(ids) * phi[0].size)
        finished.extend(ids)
        bar.set_postfix_str(f"{len(finished)}/{len(todo)} models")

    width = chunks.width(strategy, e.models_per_chunk, len(todo), devices)
    total = len(todo) * num_examples * e.queries
    with progress.bar(f"score {probe}".rstrip(), total, "images", rate=True) as bar:
        chunks.in_chunks(todo, width, devices, score_chunk)
