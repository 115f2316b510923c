"""Scores finished models: any number of signals from one sweep, streamed to the run directory."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.data import augment
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, lift
from lira_jax.ensemble.sweep import sweep, usual_batch
from lira_jax.experiment import Experiment
from lira_jax.models.network import Network
from lira_jax.runs import checkpoint, diagnoses, health
from lira_jax.runs.directory import KEEP, POOL, RunDirectory, View
from lira_jax.signals import measure, table


def missing(run: RunDirectory, model: int, names: Iterable[str], view: View = POOL) -> list[str]:
    """The signals of a model of which there is no dump in a view."""
    return [name for name in names if not run.has(view.signal(name, model))]


def score_models(
    experiment: Experiment,
    network: Network,
    examples: Dataset,
    run: RunDirectory,
    ids: Sequence[int],
    devices: Mesh | None = None,
    *,
    view: View = POOL,
) -> None:
    """Writes the signals of the experiment that the models have none of yet.

    Args:
      network: of the experiment, as `network.make` gives it.
      examples: of the view.
      devices: as `lift.mesh` gives them; all by default.
      view: what is scored.

    Raises:
      UserError: a model is not trained to the end, a signal is unknown, the data cannot be
        augmented as asked, or another process is scoring one of the models.
    """
    e, devices = experiment, devices or lift.mesh()
    augment.check_size(examples.x.shape, augment=e.augment, shift=e.shift, queries=e.queries)
    measures = table.measures(e.signal_names, network)

    def unscored() -> dict[int, list[str]]:
        left = {i: missing(run, i, measures, view) for i in ids}
        return {i: names for i, names in left.items() if names}

    with contextlib.ExitStack() as held:
        if todo := unscored():
            held.enter_context(run.working("score", e, todo))
            todo = unscored()  # another process may have scored some in between
        on = "" if view == POOL else f" on {view.name}"
        progress.note_finished(len(ids), len(todo), f"scored already{on}")
        if todo:
            _score(e, network, examples, run, todo, devices, view, measures)


def _score(
    e: Experiment,
    network: Network,
    examples: Dataset,
    run: RunDirectory,
    left: Mapping[int, list[str]],
    devices: Mesh,
    view: View,
    measures: Mapping[str, table.Measure],
) -> None:
    """`score_models` of the signals that are left of models that are this process's own."""
    images, labels = examples.x, examples.y
    todo = list(left)
    where = "" if view == POOL else f" {view.name}"
    plain = () if e.save_logits == "all" else measure.SCORED_PLAIN
    of_one = measure.make_step(network, measures, augment.query_grid(e.queries), plain=plain)
    shapes = measure.shapes(of_one, network, images, labels)
    strategy = lift.choose_strategy(
        e.strategy,
        convolutional=network.convolutional,
        platform=devices.devices.flat[0].platform,
    )
    of_many = lift.lift(of_one, strategy, devices, shared=3)

    like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), network.shapes)
    if e.data_on == "device":
        images, labels = lift.replicate((images, labels), devices)
    batch = e.score_batch_size or usual_batch(
        devices, convolutional=network.convolutional, output_shape=network.output_shape
    )
    batch = max(1, batch // e.queries)
    num_examples = len(examples.y)
    finished: list[int] = []
    # Only of the pool is it known who trained on what.
    keep = run.read(KEEP, (e.num_models, num_examples)) if view == POOL else None
    records = diagnoses.last_records(run)
    moved: dict[int, str] = {}

    def score_chunk(ids: list[int], width: int) -> None:
        # also after a chunk that ran out of memory
        bar.n = len(finished) * num_examples * e.queries
        loaded = [checkpoint.load_final(run.checkpoints(), i, like) for i in ids]
        padded = [loaded[min(row, len(ids) - 1)] for row in range(width)]
        variables = lift.spread(jax.tree.map(lambda *a: np.stack(a), *padded), devices)
        seen: list[list[tuple]] = [[] for _ in ids]  # (finite, outputs) of each batch
        with contextlib.ExitStack() as files:
            writers = []
            for i in ids:
                names = {name: view.signal(name, i) for name in left[i]}
                writers.append(_writers(files, run, names, shapes, num_examples))
            for signals, outputs in sweep(of_many, variables, images, labels, batch):
                for row, write in enumerate(writers):
                    own = {name: array[row] for name, array in signals.items()}
                    for name in write:
                        write[name](own[name])
                    seen[row].append((_finite(own), outputs.of_model(row)))
                bar.update(len(ids) * len(seen[0][-1][0]) * e.queries)
            if keep is not None:  # before the dumps are entered: what is scored is diagnosed
                for i, batches in zip(ids, seen, strict=True):
                    finite, said = zip(*batches, strict=True)
                    whole = health.concatenate(said)
                    found = health.diagnose(whole, examples.y, keep[i], np.concatenate(finite))
                    run.record_diagnosis(i, found)
                    record = records.get(i, {})
                    if record.get("epoch") == e.epochs and not found.diverged:
                        moved[i] = diagnoses.moved(record, whole, examples.y, keep[i])
        finished.extend(ids)
        bar.set_postfix_str(f"{len(finished)}/{len(todo)} models")

    width = chunks.width(strategy, e.models_per_chunk, len(todo), devices)
    total = len(todo) * num_examples * e.queries
    with progress.bar(f"score{where}", total, "images", rate=True) as bar:
        chunks.in_chunks(todo, width, devices, score_chunk)
    if lost := {model: how for model, how in moved.items() if how}:
        progress.note(
            f"WARNING: the predictions of {progress.named_models(lost)} are not those at the end "
            f"of training: of model {min(lost)} {lost[min(lost)]}; has its code changed since?"
        )


def _writers(
    files: contextlib.ExitStack,
    run: RunDirectory,
    names: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    num_examples: int,
) -> dict[str, Callable[[np.ndarray], None]]:
    """Signal -> what appends rows to its dump; `names` has the dumps' names."""
    return {
        signal: files.enter_context(
            run.rows_writer(name, (num_examples, *shapes[signal]), np.float32)
        )
        for signal, name in names.items()
    }


def _finite(signals: dict[str, np.ndarray]) -> np.ndarray:
    """bool [examples], whether all signals of an example are finite numbers."""
    flat = [np.isfinite(array).reshape(len(array), -1).all(-1) for array in signals.values()]
    return np.all(flat, axis=0)
