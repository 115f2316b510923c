"""Trains the models of a run, chunk by chunk, resuming where a run was interrupted."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.data import augment, normalize
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, feed, hardware, lift
from lira_jax.ensemble.sweep import sweep, usual_batch
from lira_jax.experiment import Experiment
from lira_jax.runs import checkpoint, health
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import event_files, step, tuning
from lira_jax.training.programs import (
    Plan,
    Programs,
    abstract_variables,
    bytes_needed,
    flops_per_image,
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one model."""

    model: int
    train_accuracy: float
    out_accuracy: float  # on the pool's examples it did not train on
    test_accuracy: float | None  # on the test set, if there is one
    diverged: str | None


class Trainer:
    """Trains models of one run in this process."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        keep: np.ndarray,
        run: RunDirectory,
        devices: Mesh | None = None,
    ):
        """Checks that the experiment can be trained; nothing is computed yet.

        Args:
          keep: bool [models, examples], of ALL models of the run, so that programs do not depend on
            the chunk.
          devices: as `lift.mesh` gives them; all by default.

        Raises:
          UserError: the model, the strategy or the augmentation does not fit the data or the
            device.
        """
        e = self.experiment = experiment
        augment.check_size(dataset.x.shape, augment=e.augment, shift=e.shift, queries=e.queries)
        self.dataset, self.keep, self.run = dataset, keep, run
        self.folder = run.checkpoints()
        self.event_files = event_files.EventFiles(run.tensorboard())
        self.devices = devices or lift.mesh()
        self.fewest_members = int(keep.sum(1).min())
        self.params = abstract_variables(e, dataset)["params"]
        self._by_rule(e.num_models)

    def train_all(self, ids: Sequence[int]) -> list[Outcome]:
        """Trains the models that are not finished yet, and says what became of each of them."""
        todo = [i for i in ids if not checkpoint.is_finished(self.folder, i)]
        progress.note_finished(len(ids), len(todo), "trained already")
        self.outcomes: list[Outcome] = []
        if not todo:
            return self.outcomes
        self._prepare(len(todo))
        self.todo, begun = len(todo), {i: checkpoint.latest_epoch(self.folder, i) for i in todo}
        images = self.programs.steps * self.experiment.batch_size  # of one epoch
        total, done = len(todo) * self.experiment.epochs * images, sum(begun.values()) * images
        with progress.bar("train", total, "images", initial=done, rate=True) as self.bar:
            for epoch in sorted(set(begun.values())):
                together = [i for i in todo if begun[i] == epoch]
                chunks.in_chunks(together, self.programs.plan.width, self.devices, self.train_chunk)
        return self.outcomes

    def _prepare(self, num_models: int) -> None:
        """Puts the data in place, and chooses and builds the programs for so many models."""
        e = self.experiment
        self.images, self.labels = self.dataset.x, self.dataset.y
        if e.data_on == "device":
            self.images, self.labels = lift.replicate((self.images, self.labels), self.devices)
        self.limit = hardware.usable_bytes(self.devices.devices.flat[0])
        self.normalizer = normalize.fit(self.dataset.x, e.normalize)
        self.flops_per_image = flops_per_image(e, self.dataset, self.normalizer)
        plan = self._measured(num_models) if e.strategy == "auto" else self._by_rule(num_models)
        _, width = chunks.chunks(list(range(num_models)), plan.width, self.devices)
        self.programs = self._build(plan)
        self.compiled: dict[int, float] = {}  # width -> seconds of compilation
        # The programs serve any width: built anew, the one that fits would be compiled again.
        self.programs.plan = dataclasses.replace(plan, width=self._fitting(width))

    def _build(self, plan: Plan, *, by_step: bool = False) -> Programs:
        return Programs(
            self.experiment,
            self.dataset,
            self.fewest_members,
            self.devices,
            plan,
            normalizer=self.normalizer,
            by_step=by_step,
        )

    def _by_rule(self, num_models: int) -> Plan:
        return tuning.plan_by_rule(self.experiment, num_models, self.devices, self.params)

    def _measured(self, num_models: int) -> Plan:
        """The plan that this run has measured to be the fastest on such devices; measures if it has
        not."""
        e, devices = self.experiment, self.devices
        where = hardware.describe(devices)
        kept = tuning.read(self.run.read_plan(where))
        if kept and e.conv_form in ("auto", kept.conv_form) and not e.models_per_chunk:
            return dataclasses.replace(
                kept, width=chunks.width(kept.strategy, kept.width, num_models, devices)
            )
        timings = self._timings(num_models)
        if len(timings) > 1:
            best = timings[0].plan
            progress.note(f"timed training steps on {where}:\n{tuning.as_text(timings)}")
        else:  # the training is too short to compare
            best = self._by_rule(num_models)
        if (
            kept is None
        ):  # what was measured without the flags that rule it out here is worth keeping
            self.run.write_plan(
                where, dataclasses.asdict(best), [tuning.as_record(t) for t in timings]
            )
        return best

    def _timings(self, num_models: int) -> list[tuning.Timing]:
        """As many plans as a training of so many models is long enough to time, the fastest
        first."""
        e, devices = self.experiment, self.devices
        candidates = tuning.plans(e, num_models, devices, self.params)
        first = self._build(candidates[0])
        images = num_models * e.epochs * first.steps * e.batch_size
        if not tuning.worth_measuring(images * self.flops_per_image, devices):
            return []
        state = first.init(lift.spread(np.arange(devices.size, dtype=np.int32), devices))

        def trial(plan: Plan) -> tuning.Timing | None:
            rows = self.keep[np.arange(plan.width) % len(self.keep)]
            programs = self._build(plan, by_step=True)
            return tuning.time_step(
                programs, plan, state, rows, self.images, self.labels, limit=self.limit
            )

        widest = (
            0 if e.models_per_chunk else chunks.width("vmap", tuning.WIDEST, num_models, devices)
        )
        return tuning.choose(
            candidates, trial, lambda t: images / t.images_per_second, widest=widest
        )

    def _fitting(self, width: int) -> int:
        """The largest width, at most the one given, whose program fits into memory as the compiler
        sees it."""
        while True:
            try:
                needed = bytes_needed(self._compile(width))
            except (
                jax.errors.JaxRuntimeError
            ) as error:  # a compiler that tries out kernels needs memory for them
                if not chunks.out_of_memory(error):
                    raise
                needed = 2 * self.limit
            if needed <= self.limit or width <= self.devices.size:
                return width
            estimate = int(width * self.limit / needed) // self.devices.size * self.devices.size
            smaller = max(self.devices.size, min(estimate, width - self.devices.size))
            progress.note(
                f"{width} models side by side need {needed / 2**30:.1f} GiB, there are "
                f"{self.limit / 2**30:.1f}; trying {smaller}"
            )
            width = smaller

    def _compile(self, width: int) -> jax.stages.Compiled:
        started = time.monotonic()
        compiled = self.programs.compile_train(width)
        self.compiled.setdefault(width, time.monotonic() - started)
        return compiled

    def train_chunk(self, ids: list[int], width: int) -> None:
        """Trains some models, which have all got equally far, side by side to the end."""
        e = self.experiment
        if width not in self.compiled:
            self._compile(width)
        first_epoch, shown = checkpoint.latest_epoch(self.folder, ids[0]), self.bar.n
        padded = chunks.pad(ids, width)
        model_ids, keep = lift.spread((padded, self.keep[padded]), self.devices)
        state = self._restore(padded, first_epoch) if first_epoch else self.programs.init(model_ids)
        started, losses, accuracies = time.monotonic(), None, []
        try:
            for epoch in range(first_epoch, e.epochs):
                state, newer = self._epoch(state, model_ids, keep, epoch)
                if losses is not None:  # fetched one epoch late, while the device computes the next
                    self._show(len(ids), epoch, losses, accuracies)
                losses, done = newer, epoch + 1
                if e.log_every and done % e.log_every == 0 and done < e.epochs:
                    accuracies = self.evaluate(state, ids)
                    self._log(accuracies, losses, done, started, first_epoch, width)
                if e.checkpoint_every and done % e.checkpoint_every == 0 and done < e.epochs:
                    self._save(state, ids, checkpoint.epoch_name(done))
            outcomes = self.evaluate(state, ids)
        except jax.errors.JaxRuntimeError:
            self.bar.n = shown  # out of memory: these models go on in smaller chunks
            raise
        self._show(len(ids), e.epochs, losses, outcomes)
        self._log(outcomes, losses, e.epochs, started, first_epoch, width)
        self._save(
            {"params": state.params, "batch_stats": state.batch_stats}, ids, checkpoint.FINAL
        )
        for outcome in outcomes:
            if outcome.diverged:
                logging.error(
                    "MODEL %d HAS DIVERGED: %s; no attack will use it",
                    outcome.model,
                    outcome.diverged,
                )
        self.outcomes += outcomes

    def _epoch(self, state, model_ids, keep, epoch: int):
        indices = self.programs.epoch_batches(model_ids, keep, np.int32(epoch))
        first, losses = epoch * self.programs.steps, []
        if self.programs.scan:
            return self.programs.train(
                state, model_ids, indices, np.int32(first), self.images, self.labels
            )
        if self.programs.resident:
            given = (
                ((indices[:, s],), (self.images, self.labels)) for s in range(self.programs.steps)
            )
        else:
            fed = feed.batches(self.images, self.labels, jax.device_get(indices), self.devices)
            given = ((batch, ()) for batch in fed)
        for s, (own, shared) in enumerate(given):
            state, loss = self.programs.train(state, model_ids, *own, np.int32(first + s), *shared)
            losses.append(loss)
        return state, jax.numpy.stack(losses, 1)

    def evaluate(self, state: step.TrainState, ids: list[int]) -> list[Outcome]:
        """Accuracies of some models on the plain examples. `state` may be padded; `ids` are its
        first."""
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
        batch = usual_batch(self.devices, convolutional=self.programs.convolutional)
        for logits, _ in sweep(self.programs.score, state.variables, images, labels, batch):
            logits = logits[:, :, 0]
            correct.append(logits.argmax(-1) == truth[done : done + logits.shape[1]])
            finite.append(np.isfinite(logits).all(-1))
            done += logits.shape[1]
        return np.concatenate(correct, 1), np.concatenate(finite, 1)

    def _restore(self, ids: np.ndarray, epoch: int) -> step.TrainState:
        like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), self.programs.state)
        loaded = {
            i: checkpoint.load(self.folder, int(i), checkpoint.epoch_name(epoch), like)
            for i in set(ids)
        }
        return lift.spread(
            jax.tree.map(lambda *a: np.stack(a), *[loaded[i] for i in ids]), self.devices
        )

    def _save(self, tree: Any, ids: list[int], name: str) -> None:
        tree = jax.device_get(tree)
        for row, i in enumerate(ids):
            checkpoint.save(
                self.folder, i, name, jax.tree.map(lambda a, row=row: np.asarray(a[row]), tree)
            )

    def _show(self, models: int, epochs: int, losses, outcomes: list[Outcome]) -> None:
        """Tells of one more epoch of some models; `outcomes` are their newest, if there are any."""
        e, known = self.experiment, [*self.outcomes, *outcomes]
        finished = len(self.outcomes) + models * (epochs == e.epochs)
        shown = [f"{finished}/{self.todo} models", f"epoch {epochs}/{e.epochs}"]
        if known:
            kind = "out" if known[0].test_accuracy is None else "test"
            shown.append(f"{kind} {np.mean([getattr(o, f'{kind}_accuracy') for o in known]):.1%}")
        shown.append(f"loss {np.asarray(losses)[:models].mean():.3f}")
        self.bar.set_postfix_str(", ".join(shown), refresh=False)
        self.bar.update(models * self.programs.steps * e.batch_size)

    def _log(
        self,
        outcomes: list[Outcome],
        losses,
        epochs: int,
        started: float,
        first_epoch: int,
        width: int,
    ) -> None:
        mean_loss = np.asarray(losses).mean(1)
        seconds = time.monotonic() - started
        images = (epochs - first_epoch) * self.programs.steps * self.experiment.batch_size
        speed = len(outcomes) * images / seconds
        flops = speed * self.flops_per_image
        peak = hardware.peak_flops(self.devices.devices.flat[0])
        chunk = {
            "chunk_models": len(outcomes),
            "chunk_seconds": round(seconds, 3),
            "chunk_images_per_second": round(speed, 1),
            "compile_seconds": round(self.compiled[width], 3),
            "flops_per_second": float(f"{flops:.4g}"),
            "flop_utilisation": peak and round(flops / (peak * self.devices.size), 4),
        }
        records = [
            {
                "model": o.model,
                "epoch": epochs,
                "loss": _number(mean_loss[row]),
                "train_accuracy": round(o.train_accuracy, 6),
                "out_accuracy": round(o.out_accuracy, 6),
                "test_accuracy": o.test_accuracy and round(o.test_accuracy, 6),
                "diverged": o.diverged,
                **chunk,
            }
            for row, o in enumerate(outcomes)
        ]
        self.run.append_metrics(records)
        if self.experiment.tensorboard:
            self.event_files.append(records)


def _number(x) -> float | None:
    """A float for JSON, which has no NaN."""
    return round(float(x), 6) if np.isfinite(x) else None
