"""Trains the models of a run, chunk by chunk, resuming where a run was interrupted."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh

from lira_jax import ensemble, masks, progress
from lira_jax.data import augment, normalize
from lira_jax.data.dataset import Dataset
from lira_jax.evaluation import health
from lira_jax.experiment import Experiment
from lira_jax.models import table as models
from lira_jax.signals import forward
from lira_jax.signals.sweep import sweep
from lira_jax.store import RunDirectory
from lira_jax.training import batches, checkpoint, feed, optimizer, step

EVALUATION_BATCH = 1024  # images of one model in one forward pass


def make_module(experiment: Experiment, dataset: Dataset) -> nn.Module:
    """The experiment's model for the data set's classes."""
    e = experiment
    return models.create(
        e.model, dataset.num_classes, depth=e.depth, width=e.width, hidden=e.hidden,
        activation=e.activation, dtype=e.compute_dtype,
    )  # fmt: skip


def abstract_variables(experiment: Experiment, dataset: Dataset) -> dict[str, Any]:
    """Shapes and types of one model's params and batch_stats."""
    module = make_module(experiment, dataset)
    example = np.zeros((1, *dataset.x.shape[1:]), np.float32)
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), example, train=False))
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one model."""

    model: int
    train_accuracy: float
    out_accuracy: float  # on the pool's examples it did not train on
    test_accuracy: float | None  # on the test set, if there is one
    diverged: str | None


class Trainer:
    """Everything that is built once and used by every chunk."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        keep: np.ndarray,
        run: RunDirectory,
        devices: Mesh | None = None,
    ):
        """Builds the programs.

        Args:
          keep: bool [models, examples], of ALL models of the run, so that programs do not depend on the chunk.
          devices: as `ensemble.mesh` gives them; all by default.
        """
        e = self.experiment = experiment
        augment.check_size(dataset.x.shape, augment=e.augment, shift=e.shift, queries=e.queries)
        self.dataset, self.keep, self.run = dataset, keep, run
        self.folder = run.checkpoints()
        self.devices = devices or ensemble.mesh()
        module = make_module(e, dataset)
        share = masks.members_share(e.masks, e.pkeep)
        self.steps = batches.steps_per_epoch(len(dataset.y), share, e.batch_size)
        descent = optimizer.make(e, self.steps * e.epochs)
        normalizer = normalize.fit(dataset.x, e.normalize)
        init = step.make_init(module, descent, e.seed, dataset.x.shape[1:])
        self.abstract_state = jax.eval_shape(init, 0)
        self.convolutional = models.has_convolution(self.abstract_state.params)
        self.strategy = ensemble.choose_strategy(e.strategy, convolutional=self.convolutional)
        self.resident = e.data_on == "device"
        # XLA:CPU must not see a convolution's gradient inside a compiled loop, so there an epoch is many programs.
        self.scan = self.resident and not (self.convolutional and jax.default_backend() == "cpu")

        train = step.make_train_step(module, descent, normalizer, e)
        if self.scan:
            train = step.scan_epoch(train)
        elif not self.resident:
            train = step.on_batch(train)
        passes = batches.passes_in_epoch(int(keep.sum(1).min()), self.steps, e.batch_size)

        def epoch_batches(model_id, keep, epoch):
            key = step.batch_key(e.seed, model_id)
            return batches.epoch_batches(
                key, keep, epoch, steps=self.steps, batch_size=e.batch_size, passes=passes
            )  # fmt: skip

        def lift(function, **options):
            return ensemble.lift(function, self.strategy, self.devices, **options)

        self.init = lift(init)
        self.epoch_batches = lift(epoch_batches, shared=1)
        self.train = lift(train, shared=3 if self.resident else 1, donate=True)
        self.score = lift(forward.make_score_step(module, normalizer, augment.query_grid(1)), shared=3)
        self.images, self.labels = dataset.x, dataset.y
        if self.resident:
            self.images, self.labels = ensemble.replicate((dataset.x, dataset.y), self.devices)

    def train_all(self, ids: Sequence[int]) -> list[Outcome]:
        """Trains the models that are not finished yet, and says what became of each of them."""
        todo = [i for i in ids if not checkpoint.is_finished(self.folder, i)]
        begun = {i: checkpoint.latest_epoch(self.folder, i) for i in todo}
        if len(todo) < len(ids):
            progress.note(f"{len(ids) - len(todo)} of {len(ids)} models are trained already")
        outcomes, epochs = [], self.experiment.epochs
        total, done = len(todo) * epochs, sum(begun.values())
        with progress.bar("train", total, "epochs", initial=done) as self.bar:
            for epoch in sorted(set(begun.values())):
                together = [i for i in todo if begun[i] == epoch]
                parts, width = ensemble.chunks(together, self.strategy, self.experiment.models_per_chunk, self.devices)
                for part in parts:
                    outcomes += self.train_chunk(part, width, epoch)
        return outcomes

    def train_chunk(self, ids: list[int], width: int, first_epoch: int) -> list[Outcome]:
        """Trains some models side by side from `first_epoch` to the end."""
        e = self.experiment
        padded = ensemble.pad(ids, width)
        model_ids, keep = ensemble.spread((padded, self.keep[padded]), self.devices)
        state = self._restore(padded, first_epoch) if first_epoch else self.init(model_ids)
        started, losses, accuracies = time.monotonic(), None, []
        for epoch in range(first_epoch, e.epochs):
            state, newer = self._epoch(state, model_ids, keep, epoch)
            if losses is not None:  # fetched one epoch late, while the device computes the next
                self._show(len(ids), losses, accuracies)
            losses, done = newer, epoch + 1
            if e.log_every and done % e.log_every == 0 and done < e.epochs:
                accuracies = self.evaluate(state, ids)
                self._log(accuracies, losses, done, started, first_epoch)
            if e.checkpoint_every and done % e.checkpoint_every == 0 and done < e.epochs:
                self._save(state, ids, checkpoint.epoch_name(done))
        outcomes = self.evaluate(state, ids)
        self._show(len(ids), losses, outcomes)
        self._log(outcomes, losses, e.epochs, started, first_epoch)
        self._save({"params": state.params, "batch_stats": state.batch_stats}, ids, checkpoint.FINAL)
        for outcome in outcomes:
            if outcome.diverged:
                logging.error("MODEL %d HAS DIVERGED: %s; no attack will use it", outcome.model, outcome.diverged)
        return outcomes

    def _epoch(self, state, model_ids, keep, epoch: int):
        indices = self.epoch_batches(model_ids, keep, np.int32(epoch))
        first, losses = epoch * self.steps, []
        if self.scan:
            return self.train(state, model_ids, indices, np.int32(first), self.images, self.labels)
        if self.resident:
            given = (((indices[:, s],), (self.images, self.labels)) for s in range(self.steps))
        else:
            fed = feed.batches(self.images, self.labels, jax.device_get(indices), self.devices)
            given = ((batch, ()) for batch in fed)
        for s, (own, shared) in enumerate(given):
            state, loss = self.train(state, model_ids, *own, np.int32(first + s), *shared)
            losses.append(loss)
        return state, jax.numpy.stack(losses, 1)

    def evaluate(self, state: step.TrainState, ids: list[int]) -> list[Outcome]:
        """Accuracies of some models on the plain examples. `state` may be padded; `ids` are its first."""
        labels, test_labels = self.dataset.y, self.dataset.y_test
        correct, finite = self._predict(state, self.images, self.labels)
        tested = None
        if test_labels is not None:
            tested, _ = self._predict(state, self.dataset.x_test, test_labels)
        outcomes = []
        for row, i in enumerate(ids):
            keep = self.keep[i]
            outcomes.append(
                Outcome(
                    model=i,
                    train_accuracy=float(correct[row, keep].mean()),
                    out_accuracy=float(correct[row, ~keep].mean()),
                    test_accuracy=None if tested is None else float(tested[row].mean()),
                    diverged=health.diagnose(correct[row], finite[row], labels, keep),
                )
            )
        return outcomes

    def _predict(self, state, images, labels):
        """Whether predictions are right and finite, bool [models, examples] each."""
        truth, correct, finite, done = np.asarray(labels), [], [], 0
        for logits, _ in sweep(self.score, state.variables, images, labels, EVALUATION_BATCH):
            logits = logits[:, :, 0]
            correct.append(logits.argmax(-1) == truth[done : done + logits.shape[1]])
            finite.append(np.isfinite(logits).all(-1))
            done += logits.shape[1]
        return np.concatenate(correct, 1), np.concatenate(finite, 1)

    def _restore(self, ids: np.ndarray, epoch: int) -> step.TrainState:
        like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), self.abstract_state)
        loaded = {i: checkpoint.load(self.folder, int(i), checkpoint.epoch_name(epoch), like) for i in set(ids)}
        return ensemble.spread(jax.tree.map(lambda *a: np.stack(a), *[loaded[i] for i in ids]), self.devices)

    def _save(self, tree: Any, ids: list[int], name: str) -> None:
        tree = jax.device_get(tree)
        for row, i in enumerate(ids):
            checkpoint.save(self.folder, i, name, jax.tree.map(lambda a, row=row: np.asarray(a[row]), tree))

    def _show(self, models: int, losses, outcomes: list[Outcome]) -> None:
        shown = {"loss": f"{np.asarray(losses)[:models].mean():.3f}"}
        if outcomes:
            shown["out"] = f"{np.mean([o.out_accuracy for o in outcomes]):.1%}"
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(models)

    def _log(self, outcomes: list[Outcome], losses, epochs: int, started: float, first_epoch: int) -> None:
        mean_loss = np.asarray(losses).mean(1)
        seconds = time.monotonic() - started
        images = (epochs - first_epoch) * self.steps * self.experiment.batch_size
        self.run.append_metrics(
            [
                {
                    "model": o.model,
                    "epoch": epochs,
                    "loss": _number(mean_loss[row]),
                    "train_accuracy": round(o.train_accuracy, 6),
                    "out_accuracy": round(o.out_accuracy, 6),
                    "test_accuracy": o.test_accuracy and round(o.test_accuracy, 6),
                    "diverged": o.diverged,
                    "chunk_models": len(outcomes),
                    "chunk_seconds": round(seconds, 3),
                    "chunk_images_per_second": round(len(outcomes) * images / seconds, 1),
                }
                for row, o in enumerate(outcomes)
            ]
        )


def _number(x) -> float | None:
    """A float for JSON, which has no NaN."""
    return round(float(x), 6) if np.isfinite(x) else None
