"""What happens beside the training of a chunk of models, epoch after epoch.

A hook is called after each epoch, while the devices may still compute it; hooks are called in the
order of their list.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from tqdm import tqdm

from lira_jax import progress
from lira_jax.experiment import scored_epochs
from lira_jax.runs import checkpoint
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import event_files
from lira_jax.training import metrics as metrics_lib
from lira_jax.training.metrics import Outcome
from lira_jax.training.programs import Programs


@dataclasses.dataclass(frozen=True, eq=False)
class Epoch:
    """What a hook is told.

    Attributes:
      models: ids of the chunk's models.
      width: models side by side, padding counted.
      first: epochs that the models had behind them when this process took them up.
      done: epochs that they have behind them now.
      last: whether they are finished; before the last epoch if all have diverged.
      started: time.monotonic() when this process took them up.
      state: of the models, [width, ...], on the devices.
      metrics: of this epoch, name -> [width, steps], on the devices.
      evaluate: () -> outcomes of the models as they are now.
    """

    models: list[int]
    width: int
    first: int
    done: int
    last: bool
    started: float
    state: Any
    metrics: Mapping[str, Any]
    evaluate: Callable[[], list[Outcome]]

    @functools.cached_property
    def outcomes(self) -> list[Outcome]:
        """Of the models as they are now; computed once, for all hooks that ask."""
        return self.evaluate()


class Hook:
    """The interface of hooks."""

    def after_epoch(self, epoch: Epoch) -> None:
        """Called after each epoch of each chunk."""
        raise NotImplementedError

    def abandoned(self) -> None:
        """Called when memory ran out in a chunk: its models go on in smaller chunks."""


class ShowProgress(Hook):
    """Keeps the progress bar; metrics are fetched an epoch late, while the device goes on."""

    def __init__(self, bar: tqdm, programs: Programs, num_models: int):
        """`num_models` are to be trained in all."""
        self.bar, self.programs, self.num_models = bar, programs, num_models
        self.finished: list[Outcome] = []
        self.waiting: Epoch | None = None
        self.before = bar.n  # of this chunk
        self.stopped = False

    def after_epoch(self, epoch: Epoch) -> None:
        if self.waiting:
            self._show(self.waiting)
        # What is known of an epoch but its state, whose memory the next epoch takes.
        self.waiting = dataclasses.replace(epoch, state=None, evaluate=list)
        if epoch.last:
            self.finished += epoch.outcomes
            self._show(self.waiting)
            self._pass_over(epoch)
            self.waiting, self.before = None, self.bar.n

    def abandoned(self) -> None:
        self.waiting, self.bar.n = None, self.before

    def _pass_over(self, epoch: Epoch) -> None:
        """Counts the epochs that a training that stopped early has left out, and says so once."""
        e = self.programs.experiment
        left = e.epochs - epoch.done
        if not left:
            return
        self.bar.total -= len(epoch.models) * left * self.programs.steps * e.batch_size
        if not self.stopped:
            self.stopped = True
            why = epoch.outcomes[0].diagnosis.diverged
            progress.note(
                f"{progress.named_models(epoch.models)}: training stops after epoch {epoch.done} "
                f"of {e.epochs}, for {why}"
            )

    def _show(self, epoch: Epoch) -> None:
        e = self.programs.experiment
        shown = [f"{len(self.finished)}/{self.num_models} models", f"epoch {epoch.done}/{e.epochs}"]
        known = [o for o in self.finished if o.out_accuracy is not None]
        if known:
            kind = "out" if known[0].test_accuracy is None else "test"
            shown.append(f"{kind} {np.mean([getattr(o, f'{kind}_accuracy') for o in known]):.1%}")
        lost = sum(o.diagnosis.diverged is not None for o in self.finished)
        if lost:
            shown.append(f"{lost} diverged")
        loss = np.asarray(epoch.metrics["loss"])[: len(epoch.models)].mean()
        shown.append(f"loss {loss:.3f}")
        self.bar.set_postfix_str(", ".join(shown), refresh=False)
        self.bar.update(len(epoch.models) * self.programs.steps * e.batch_size)


class LogMetrics(Hook):
    """Writes metrics.jsonl, and TensorBoard's files if they are asked for."""

    def __init__(self, run: RunDirectory, programs: Programs, flops_per_image: float):
        self.run, self.programs, self.flops_per_image = run, programs, flops_per_image
        self.events = event_files.EventFiles(run.tensorboard())
        self.scored = scored_epochs(programs.experiment)

    def after_epoch(self, epoch: Epoch) -> None:
        e = self.programs.experiment
        due = e.log_every and epoch.done % e.log_every == 0
        if not (epoch.last or due or epoch.done in self.scored):
            return
        records = metrics_lib.records(
            epoch.outcomes,
            epoch.metrics,
            self.programs,
            epoch=epoch.done,
            epochs_run=epoch.done - epoch.first,
            seconds=time.monotonic() - epoch.started,
            width=epoch.width,
            flops_per_image=self.flops_per_image,
        )
        self.run.append_metrics(records)
        if e.tensorboard:
            self.events.append(records)


class ScoreEpochs(Hook):
    """Hands the models over to be scored after some epochs.

    It stands before the hook that saves checkpoints: a model that has a checkpoint is scored as far
    as that goes, so a training that was killed leaves no epoch out when it goes on.
    """

    def __init__(self, programs: Programs, score: "Score", images: Any, labels: Any):
        """`images` and `labels` are of the pool, on the devices or in host memory."""
        self.programs, self.score, self.images, self.labels = programs, score, images, labels

    def after_epoch(self, epoch: Epoch) -> None:
        if epoch.done in self.score.epochs:
            variables = self.programs.variables(epoch.state)
            self.score(epoch.done, epoch.models, variables, self.images, self.labels)


class Score(Protocol):
    """What scores models after an epoch, such as `signals.epochs.EpochScorer`."""

    epochs: tuple[int, ...]

    def __call__(
        self, epoch: int, models: Sequence[int], variables: Any, images: Any, labels: Any, /
    ) -> None: ...


class SaveCheckpoints(Hook):
    """Saves what an interrupted training resumes from, and in the end what the models are.

    A checkpoint costs about 30 ms of orbax's own work a model, however small it is, so by default
    they are as many minutes apart as a user may want to lose.
    """

    def __init__(self, run: RunDirectory, programs: Programs):
        self.folder, self.programs = run.checkpoints(), programs
        self.saved = -math.inf  # time.monotonic() of the last ones, of whatever chunk

    def after_epoch(self, epoch: Epoch) -> None:
        if not (epoch.last or self._due(epoch)):
            return
        state = jax.device_get(epoch.state)
        for row, i in enumerate(epoch.models):
            own = jax.tree.map(lambda a, row=row: np.asarray(a[row]), state)
            if epoch.last:
                own = jax.tree.map(np.asarray, self.programs.recipe.variables(own))
            name = checkpoint.FINAL if epoch.last else checkpoint.epoch_name(epoch.done)
            checkpoint.save(self.folder, i, name, own)
        self.saved = time.monotonic()

    def _due(self, epoch: Epoch) -> bool:
        e = self.programs.experiment
        since = time.monotonic() - max(self.saved, epoch.started)
        by_time = e.checkpoint_minutes and since >= 60 * e.checkpoint_minutes
        return bool(by_time or (e.checkpoint_every and epoch.done % e.checkpoint_every == 0))
