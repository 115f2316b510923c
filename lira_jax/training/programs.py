"""The programs of training, built from shapes alone: no array on a device, no file.

Training runs them, tuning times them, and planners and scripts compile them, for hardware at hand
or not.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from lira_jax.data import augment, masks, normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.models import table as models
from lira_jax.signals import forward
from lira_jax.training import batches, optimizer, step


@dataclasses.dataclass(frozen=True)
class Plan:
    """How one model's step becomes many: never what the numbers are, beyond rounding.

    Attributes:
      strategy: as `lift.lift` takes it.
      conv_form: a key of `models.conv.FORMS`.
      width: models side by side, all devices together.
    """

    strategy: str
    conv_form: str
    width: int


class Programs:
    """The lifted programs of one plan.

    Attributes:
      steps: of one epoch.
      state: shapes of ONE model's TrainState.
      scan: whether `train` is a whole epoch.
      init: (model_ids) -> state.
      epoch_batches: (model_ids, keep, epoch) -> indices [models, steps, B].
      train: as `step.scan_epoch` (scan), `step.make_train_step`, or `step.on_batch` (data on the
        host). The state's memory is reused.
      score: as `forward.make_score_step`, of the plain query.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        fewest_members: int,
        devices: Mesh,
        plan: Plan,
        *,
        normalizer: Normalizer | None = None,
        by_step: bool = False,
    ):
        """Builds the programs.

        Args:
          fewest_members: of any model of the run, so that programs do not depend on the chunk.
          devices: as `lift.mesh` gives them, or of a topology that is only compiled for.
          normalizer: of the data set, if it is at hand; fitted by default.
          by_step: never scan over an epoch.
        """
        e = self.experiment = experiment
        self.dataset, self.devices, self.plan = dataset, devices, plan
        module = networks.make_module(e, dataset.num_classes, plan.conv_form)
        share = masks.members_share(e.masks, e.pkeep)
        self.steps = batches.steps_per_epoch(len(dataset.y), share, e.batch_size)
        descent = optimizer.make(e, self.steps * e.epochs)
        normalizer = normalizer or normalize.fit(dataset.x, e.normalize)
        init = step.make_init(module, descent, e.seed, dataset.x.shape[1:])
        self.state = jax.eval_shape(init, 0)
        self.convolutional = models.has_convolution(self.state.params)
        self.resident = e.data_on == "device"
        # XLA:CPU must not see a convolution's gradient inside a compiled loop, so there an epoch is
        # many programs.
        on_cpu = devices.devices.flat[0].platform == "cpu"
        self.scan = self.resident and not by_step and not (self.convolutional and on_cpu)

        train = step.make_train_step(module, descent, normalizer, e)
        if self.scan:
            train = step.scan_epoch(train)
        elif not self.resident:
            train = step.on_batch(train)
        passes = batches.passes_in_epoch(fewest_members, self.steps, e.batch_size)

        def epoch_batches(model_id, keep, epoch):
            key = step.batch_key(e.seed, model_id)
            return batches.epoch_batches(
                key, keep, epoch, steps=self.steps, batch_size=e.batch_size, passes=passes
            )

        # Initial weights and batches are random bits and sorting: vmap serves them well everywhere.
        self.init = lift.lift(init, "vmap", devices)
        self.epoch_batches = lift.lift(epoch_batches, "vmap", devices, shared=1)
        self.train = lift.lift(
            train, plan.strategy, devices, shared=3 if self.resident else 1, donate=True
        )
        network = networks.make(e, dataset, normalizer, plan.conv_form)
        score = forward.make_score_step(network, augment.query_grid(1))
        self.score = lift.lift(score, plan.strategy, devices, shared=3)

    def train_arguments(self, width: int) -> tuple:
        """Shapes of the arguments of `train` for so many models."""
        batch, x, y = self.experiment.batch_size, self.dataset.x, self.dataset.y
        number = jax.ShapeDtypeStruct((), np.int32)
        own: tuple[Any, ...] = (self.state, number)
        if self.resident:
            shape = (self.steps, batch) if self.scan else (batch,)
            own += (jax.ShapeDtypeStruct(shape, np.int32),)
            shared = lift.abstract_replicate((x, y), self.devices)
        else:
            own += (
                jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype),
                jax.ShapeDtypeStruct((batch,), y.dtype),
            )
            shared = ()
        return (*lift.abstract_spread(own, width, self.devices), number, *shared)

    def compile_train(self, width: int) -> jax.stages.Compiled:
        """Compiles `train` for so many models; a call of `train` then does not compile again."""
        return self.train.lower(*self.train_arguments(width)).compile()


def bytes_needed(compiled: jax.stages.Compiled) -> int:
    """Memory of one device that a compiled program takes: arguments, results and what lies
    between."""
    m = compiled.memory_analysis()
    if m is None:  # the backend does not say
        return 0
    return (
        m.argument_size_in_bytes
        + m.output_size_in_bytes
        - m.alias_size_in_bytes
        + m.temp_size_in_bytes
    )


def flops_per_image(experiment: Experiment, dataset: Dataset, normalizer: Normalizer) -> float:
    """Floating-point operations of one training step of one model, an image, as XLA counts them
    before optimising."""
    e = experiment
    module = networks.make_module(e, dataset.num_classes)
    descent = optimizer.make(e, e.epochs)
    init = step.make_init(module, descent, e.seed, dataset.x.shape[1:])
    train = step.make_train_step(module, descent, normalizer, e)
    index = jax.ShapeDtypeStruct((e.batch_size,), jnp.int32)
    data = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (dataset.x, dataset.y))
    cost = jax.jit(train).lower(jax.eval_shape(init, 0), 0, index, 0, *data).cost_analysis()
    return float(cost.get("flops", 0)) / e.batch_size if cost else 0.0
