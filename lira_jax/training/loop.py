"""Trains the models of a run, chunk by chunk, resuming where a run was interrupted."""

import dataclasses
import functools
import time
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.data import augment, normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.defences import table as defences
from lira_jax.ensemble import chunks, lift
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.models import recipe as recipes
from lira_jax.models.network import Network
from lira_jax.runs import checkpoint
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import hooks, metrics, planning
from lira_jax.training import recipe as training_recipe
from lira_jax.training.metrics import Outcome
from lira_jax.training.programs import Programs


def check(
    experiment: Experiment,
    dataset: Dataset,
    normalizer: Normalizer | None = None,
    devices: Mesh | None = None,
) -> Network:
    """The network of an experiment that can be trained; no model is computed.

    Args:
      normalizer: of the data set's pool; fitted by default.
      devices: as `lift.mesh` gives them; all by default.

    Raises:
      UserError: the model, the recipe, the strategy or the augmentation does not fit the data or
        the device.
    """
    e, devices = defences.effective(experiment), devices or lift.mesh()
    shape = dataset.x.shape
    augment.check_images(shape, rotation=e.rotation, colour_jitter=e.colour_jitter, cutmix=e.cutmix)
    queries = max(e.queries, e.epoch_queries)
    augment.check_size(shape, augment=e.augment, shift=e.shift, queries=queries)
    context = recipes.context(e, dataset)
    if context.vocabulary and e.mixup:
        raise UserError(f"--mixup={e.mixup:g}: tokens of text cannot be averaged; drop it")
    recipe = training_recipe.make(context)
    normalizer = normalizer or normalize.fit(dataset.x, e.normalize)
    network = networks.of_recipe(recipe, recipes.flag(e), dataset, normalizer)
    planning.plan_by_rule(e, e.num_models, devices, network.shapes)
    planning.check_size(e, jax.eval_shape(recipe.init, jax.random.key(0)), devices)
    return network


def train(
    experiment: Experiment,
    network: Network,
    dataset: Dataset,
    keep: np.ndarray,
    run: RunDirectory,
    ids: Sequence[int],
    devices: Mesh | None = None,
    score: hooks.Score | None = None,
) -> list[Outcome]:
    """Trains the models that are not finished yet, and says what became of each of them.

    Args:
      network: of the experiment, as `check` gives it.
      keep: bool [models, examples], of ALL models of the run, so that programs do not depend on
        the chunk.
      ids: of the models that this process trains.
      devices: as `lift.mesh` gives them; all by default.
      score: what scores the models after the epochs that the experiment says.

    Raises:
      UserError: memory does not suffice for one model, or another process is training one of them.
    """
    devices = devices or lift.mesh()
    for i in set(ids) - set(_unfinished(run, ids)):
        checkpoint.tidy(run.checkpoints(), i)
    if not _unfinished(run, ids):
        progress.note_finished(len(ids), 0, "trained already")
        return []
    with run.working("train", experiment, _unfinished(run, ids)):
        todo = _unfinished(run, ids)  # another process may have finished some in between
        progress.note_finished(len(ids), len(todo), "trained already")
        if not todo:
            return []
        return _train(experiment, network, dataset, keep, run, todo, devices, score)


def _unfinished(run: RunDirectory, ids: Sequence[int]) -> list[int]:
    return [i for i in ids if not checkpoint.is_finished(run.checkpoints(), i)]


def _train(
    experiment: Experiment,
    network: Network,
    dataset: Dataset,
    keep: np.ndarray,
    run: RunDirectory,
    todo: list[int],
    devices: Mesh,
    score: hooks.Score | None,
) -> list[Outcome]:
    """`train` on models that are this process's own."""
    folder = run.checkpoints()
    for i in todo:
        checkpoint.tidy(folder, i)
    images, labels = dataset.x, dataset.y
    if experiment.data_on == "device":
        images, labels = lift.replicate((images, labels), devices)
    job = planning.Job(
        defences.effective(experiment),
        dataset,
        keep,
        devices,
        network.normalizer,
        images,
        labels,
        run_data.reference(run, keep.shape[1]),
    )
    programs, width = planning.make(job, len(todo), network.shapes, run)

    begun = {i: checkpoint.latest_epoch(folder, i) for i in todo}
    in_epoch = programs.steps * experiment.batch_size
    total, done = len(todo) * experiment.epochs * in_epoch, sum(begun.values()) * in_epoch
    outcomes: list[Outcome] = []
    with progress.bar("train", total, dataset.unit, initial=done, rate=True) as bar:
        called = [
            hooks.ShowProgress(bar, programs, len(todo)),
            hooks.LogMetrics(run, programs, programs.flops_per_image()),
            *([hooks.ScoreEpochs(programs, score, images, labels)] if score else []),
            hooks.SaveCheckpoints(run, programs),
        ]

        def run_chunk(ids: list[int], width: int) -> None:
            outcomes.extend(train_chunk(job, programs, ids, width, run, called))

        for epoch in sorted(set(begun.values())):
            together = [i for i in todo if begun[i] == epoch]
            chunks.in_chunks(together, width, devices, run_chunk)
    return outcomes


def train_chunk(
    job: planning.Job,
    programs: Programs,
    ids: list[int],
    width: int,
    run: RunDirectory,
    called: Sequence[hooks.Hook],
) -> list[Outcome]:
    """Trains some models, equally far, side by side to the end or until all have diverged."""
    e, first = job.experiment, checkpoint.latest_epoch(run.checkpoints(), ids[0])
    if width not in programs.compile_seconds:
        programs.compile_train(width)
    padded = chunks.pad(ids, width)
    model_ids, keep = lift.spread((padded, job.keep[padded]), job.devices)
    started = time.monotonic()
    try:
        state = restore(programs, run, padded, first) if first else programs.init(model_ids)
        newest, looked = None, False
        for epoch in range(first, e.epochs):
            before = newest
            drawn = programs.draw(model_ids, keep, np.int32(epoch))
            state, newest = programs.run_epoch(
                state, model_ids, drawn, epoch, job.images, job.labels
            )
            told = hooks.Epoch(
                models=ids,
                width=width,
                first=first,
                done=epoch + 1,
                last=epoch + 1 == e.epochs,
                started=started,
                state=state,
                metrics=newest,
                evaluate=functools.partial(
                    metrics.evaluate, programs, state, ids, job.keep, job.images, job.labels
                ),
            )
            # Metrics of the epoch before, which are fetched while the device computes this one.
            if before is not None and not looked and metrics.no_loss(before, len(ids)):
                looked = True
                if all(o.diagnosis.diverged for o in told.outcomes):
                    told = dataclasses.replace(told, last=True)
            for hook in called:
                hook.after_epoch(told)
            if told.last:
                break
    except jax.errors.JaxRuntimeError:
        for hook in called:
            hook.abandoned()
        raise
    return told.outcomes


def restore(programs: Programs, run: RunDirectory, ids: np.ndarray, epoch: int):
    """The state of some models after so many epochs, from their checkpoints.

    Raises:
      UserError: a checkpoint is damaged.
    """
    like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), programs.state)
    name = checkpoint.epoch_name(epoch)
    loaded = {i: checkpoint.load(run.checkpoints(), int(i), name, like) for i in set(ids)}
    stacked = jax.tree.map(lambda *a: np.stack(a), *[loaded[i] for i in ids])
    return lift.spread(stacked, programs.devices)
