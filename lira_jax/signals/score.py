"""Scores finished models: any number of signals from one sweep, streamed to the run directory."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.attacks.shared.plain import MAY_FAIL
from lira_jax.data import augment
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, lift
from lira_jax.experiment import Experiment
from lira_jax.models.network import Network
from lira_jax.runs import checkpoint, diagnoses, health
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL, View
from lira_jax.signals import chunk, dependence, measure, table
from lira_jax.signals.chunk import ChunkScorer, Said


def missing(run: RunDirectory, model: int, names: Iterable[str], view: View = POOL) -> list[str]:
    """The signals of a model of which there is no dump in a view."""
    return [name for name in names if not run.has(view.signal(name, model))]


def check(experiment: Experiment, network: Network, examples: Dataset) -> dict[str, table.Measure]:
    """How the signals of the experiment are measured on this network, tried on shapes alone.

    Raises:
      UserError: as `table.measures`, or a signal that the network cannot give.
    """
    measures = table.measures(experiment.signal_names, network, experiment)
    if any(name in measures for name in ("gradient_norms_x", "boundary_distance")):
        dependence.check_gradient(network, examples)
    if unsure := {n: m for n, m in measures.items() if n not in ("phi", "logits")}:
        step = measure.make_step(network, unsure, augment.query_grid(1), plain=unsure)
        measure.shapes(step, network, examples.x, examples.y)
    return measures


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
    measures = check(e, network, examples)

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
    # What every model has already is not computed again: a signal may cost a thousand passes.
    measures = {n: m for n, m in measures.items() if any(n in names for names in left.values())}
    score = ChunkScorer(e, network, measures, examples, devices, queries=e.queries)
    like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), network.shapes)
    if e.data_on == "device":
        images, labels = lift.replicate((images, labels), devices)
    num_examples = score.num_examples
    finished: list[int] = []
    # Only of the pool is it known who trained on what.
    keep = run.read(KEEP, (e.num_models, num_examples)) if view == POOL else None
    records = diagnoses.last_records(run)
    moved: dict[int, str] = {}
    known = run.diagnoses() if view == POOL else {}
    failed: dict[str, dict[int, int]] = {name: {} for name in measures if name in MAY_FAIL}

    def diagnose(i: int, said: Said) -> None:
        """Before the dumps are entered: what is scored is diagnosed."""
        for name in failed.keys() & set(left[i]):
            failed[name][i] = said.failed[name]
        if keep is None:
            return
        found = health.diagnose(said.outputs, examples.y, keep[i], said.finite)
        if i in known and known[i].diverged and set(left[i]) < set(e.signal_names):
            found = known[i]  # another signal, scored before, says so
        run.record_diagnosis(i, found)
        record = records.get(i, {})
        if record.get("epoch") == e.epochs and not found.diverged:
            moved[i] = diagnoses.moved(record, said.outputs, examples.y, keep[i])

    def score_chunk(ids: list[int], width: int) -> None:
        # also after a chunk that ran out of memory
        bar.n = len(finished) * num_examples * score.queries
        loaded = [checkpoint.load_final(run.checkpoints(), i, like) for i in ids]
        score(
            run,
            view,
            {i: [name for name in left[i] if name in measures] for i in ids},
            chunk.stack(loaded, width, devices),
            images,
            labels,
            advance=lambda examples: bar.update(len(ids) * examples * score.queries),
            entering=diagnose,
        )
        finished.extend(ids)
        bar.set_postfix_str(f"{len(finished)}/{len(todo)} models")

    width = chunks.width(score.strategy, e.models_per_chunk, len(todo), devices)
    total = len(todo) * num_examples * score.queries
    with progress.bar(f"score{where}", total, examples.unit, rate=True) as bar:
        chunks.in_chunks(todo, width, devices, score_chunk)
    for name, numbers in failed.items():
        if sum(numbers.values()):
            progress.note(_failures(e, name, numbers, num_examples, where))
    if lost := {model: how for model, how in moved.items() if how}:
        progress.note(
            f"WARNING: the predictions of {progress.named_models(lost)} are not those at the end "
            f"of training: of model {min(lost)} {lost[min(lost)]}; has its code changed since?"
        )


def _failures(
    e: Experiment, name: str, numbers: Mapping[int, int], num_examples: int, where: str
) -> str:
    """How many examples have none of a signal, in a line."""
    worst = max(numbers, key=lambda model: numbers[model])
    share = sum(numbers.values()) / (len(numbers) * num_examples)
    return (
        f"{name}{where}: {share:.2%} of {num_examples} examples of {len(numbers)} models have none "
        f"(model {worst}: {numbers[worst]}): no other class within --boundary_steps="
        f"{e.boundary_steps} of --boundary_step={e.boundary_step:g}, or a third one between; "
        "attacks on it leave these examples out"
    )
