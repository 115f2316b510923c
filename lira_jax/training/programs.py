"""The programs of training, built from shapes alone: no array on a device, no file.

Training runs them, tuning times them, and planners and scripts compile them, for hardware at hand
or not.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.defences import accounting
from lira_jax.defences import table as defences
from lira_jax.ensemble import feed, lift
from lira_jax.experiment import Experiment
from lira_jax.models import network, tokens
from lira_jax.models import recipe as recipes
from lira_jax.models.table import has_convolution
from lira_jax.runs import health
from lira_jax.training import batches, losses, step
from lira_jax.training import recipe as training_recipe


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
      places: B, of a batch.
      recipe, network: of ONE model.
      state: shapes of ONE model's state.
      scan: whether an epoch is one program.
      init: (model_ids) -> state.
      draw: (model_ids, keep, epoch) -> the batches of an epoch: a tuple of int [models, steps, B],
        of members and, if the recipe asks for them, of non-members.
      train: what `run_epoch` calls, for an epoch (scan) or a step; see `train_arguments`.
      evaluate: (state, images, labels, index) -> (health.Summary, cross-entropy) of plain examples,
        [models, B]; cross-entropy is None of outputs that are no logits.
      variables: (state) -> what finished models need of it, [models, ...].
      compile_seconds: width -> seconds that the compilation of `train` took.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        members: tuple[int, int],
        devices: Mesh,
        plan: Plan,
        *,
        normalizer: Normalizer | None = None,
        reference: np.ndarray | None = None,
        by_step: bool = False,
    ):
        """Builds the programs.

        Args:
          members: the fewest and the most of any model of the run, so that programs do not depend
            on the chunk.
          devices: as `lift.mesh` gives them, or of a topology that is only compiled for.
          normalizer: of the data set, if it is at hand; fitted by default.
          reference: bool [examples], the non-members of recipes that ask for some; None for all
            that a model does not train on.
          by_step: never scan over an epoch.

        Raises:
          UserError: the model or the recipe does not fit the data.
        """
        e = self.experiment = defences.effective(experiment)
        self.dataset, self.devices, self.plan = dataset, devices, plan
        self.reference = reference
        normalizer = normalizer or normalize.fit(dataset.x, e.normalize)
        self.recipe = training_recipe.make(recipes.context(e, dataset, plan.conv_form))
        self.network = network.of_recipe(self.recipe, recipes.flag(e), dataset, normalizer)
        self.steps = recipes.steps_per_epoch(e, len(dataset.y))
        self.places = _places(e, members, self.steps)
        init = step.make_init(self.recipe, e.seed)
        self.state = jax.eval_shape(init, 0)
        self.resident = e.data_on == "device"
        # XLA:CPU must not see a convolution's gradient inside a compiled loop, so there an epoch is
        # many programs, unless oneDNN convolves.
        by_xla = plan.conv_form != "onednn" or recipes.is_own_code(e)
        on_cpu = devices.devices.flat[0].platform == "cpu"
        convolutional = has_convolution(self.state)  # also of what only training needs
        self.scan = self.resident and not by_step and not (convolutional and on_cpu and by_xla)
        self.one_step = step.make_step(self.recipe, normalizer, e)
        if self.scan:
            train = step.scan_epoch(self.one_step)
        elif self.resident:
            train = self.one_step
        else:
            train = step.make_step_on_batches(self.recipe, normalizer, e)

        # Initial weights and batches are random bits and sorting: vmap serves them well everywhere.
        self.init = lift.lift(init, "vmap", devices)
        self.draw = lift.lift(self._draw_one(members), "vmap", devices, shared=1)
        self.train = lift.lift(
            train, plan.strategy, devices, shared=3 if self.resident else 1, donate=True
        )
        self.evaluate = lift.lift(self._evaluate_one, plan.strategy, devices, shared=3)
        self.variables = lift.lift(self.recipe.variables, "vmap", devices)
        self.compile_seconds: dict[int, float] = {}

    def run_epoch(self, state, model_ids, drawn, epoch: int, images, labels):
        """Trains some models for an epoch.

        Args:
          state: of these models; its memory is reused.
          drawn: what `draw` gives, or the first steps of it where the epoch is not one program.
          images, labels: on the devices, or in host memory if the experiment says so.

        Returns:
          (state, metrics): name -> [models, steps].
        """
        first = epoch * self.steps
        if self.scan:
            return self.train(state, model_ids, drawn, np.int32(first), images, labels)
        given: Iterator[Any]
        if self.resident:
            steps = drawn[0].shape[1]
            given = (jax.tree.map(lambda a, s=s: a[:, s], drawn) for s in range(steps))
            shared: tuple[Any, ...] = (images, labels)
        else:
            given = feed.batches(images, labels, jax.device_get(drawn), self.devices)
            shared = ()
        taken = []
        for s, batch in enumerate(given):
            state, metrics = self.train(state, model_ids, batch, np.int32(first + s), *shared)
            taken.append(metrics)
        return state, jax.tree.map(lambda *steps: jnp.stack(steps, 1), *taken)

    def train_arguments(self, width: int) -> tuple:
        """Shapes of the arguments of `train` for so many models."""
        x, y = self.dataset.x, self.dataset.y
        number = jax.ShapeDtypeStruct((), np.int32)
        size = (self.places,)
        if self.resident:
            batch: Any = jax.ShapeDtypeStruct((self.steps, *size) if self.scan else size, np.int32)
            shared = lift.abstract_replicate((x, y), self.devices)
        else:
            batch = (
                jax.ShapeDtypeStruct((*size, *x.shape[1:]), x.dtype),
                jax.ShapeDtypeStruct(size, y.dtype),
            )
            shared = ()
        own = (self.state, number, (batch,) * (1 + self.recipe.reference))
        return (*lift.abstract_spread(own, width, self.devices), number, *shared)

    def compile_train(self, width: int) -> jax.stages.Compiled:
        """Compiles `train` for so many models; `run_epoch` then compiles nothing."""
        started = time.monotonic()
        compiled = self.train.lower(*self.train_arguments(width)).compile()
        self.compile_seconds.setdefault(width, time.monotonic() - started)
        return compiled

    def flops_per_image(self) -> float:
        """FLOP of a training step of one model, an image, as XLA counts them before optimising."""
        e, x, y = self.experiment, self.dataset.x, self.dataset.y
        index = jax.ShapeDtypeStruct((self.places,), jnp.int32)
        data = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (x, y))
        indices = (index,) * (1 + self.recipe.reference)
        cost = jax.jit(self.one_step).lower(self.state, 0, indices, 0, *data).cost_analysis()
        return float(cost.get("flops", 0)) / e.batch_size if cost else 0.0

    def _draw_one(self, members: tuple[int, int]):
        e, (fewest, most) = self.experiment, members
        shape = {"steps": self.steps, "batch_size": e.batch_size}

        def passes(smallest: int) -> int:
            return batches.passes_in_epoch(smallest, self.steps, e.batch_size)

        def draw_private(model_id, keep, epoch):
            key = step.batch_key(e.seed, model_id)
            if e.dp_batches == "shuffled":
                return (batches.one_pass(key, keep, epoch, **shape),)
            drawn = batches.poisson_batches(
                key, keep, epoch, steps=self.steps, expected=e.batch_size, places=self.places
            )
            return (drawn,)

        if step.pads(e):
            return draw_private

        def epoch_of(key, keep, epoch, smallest: int):
            if e.drop_last:
                return batches.whole_batches(key, keep, epoch, **shape)
            return batches.epoch_batches(key, keep, epoch, passes=passes(smallest), **shape)

        def draw(model_id, keep, epoch):
            key = step.batch_key(e.seed, model_id)
            drawn: tuple[Any, ...] = (epoch_of(key, keep, epoch, fewest),)
            if self.recipe.reference:
                key, n = step.reference_key(e.seed, model_id), len(self.dataset.y) - most
                apart = ~keep
                if self.reference is not None:
                    apart, n = jnp.asarray(self.reference), int(self.reference.sum())
                drawn += (epoch_of(key, apart, epoch, n),)
            return drawn

        return draw

    def _evaluate_one(self, state, images, labels, index):
        inputs, network, loss = images[index], self.network, None
        outputs = network.outputs(self.recipe.variables(state), inputs)
        if network.classifies:
            loss = losses.cross_entropy(outputs, labels[index])
        elif network.reads_text:
            loss, _ = tokens.mean_loss(outputs, inputs)
        return health.summarise(outputs, network.classifies), loss


def _places(e: Experiment, members: tuple[int, int], steps: int) -> int:
    """Places of a batch: its size, or more where that is only the expected one."""
    if not step.pads(e) or e.dp_batches == "shuffled":
        return e.batch_size
    return accounting.capacity(e.batch_size, *members, e.epochs * steps)


def bytes_needed(compiled: jax.stages.Compiled) -> int:
    """Bytes of a device that a program takes: arguments, results and what lies between."""
    m = compiled.memory_analysis()
    if m is None:  # the backend does not say
        return 0
    return (
        m.argument_size_in_bytes
        + m.output_size_in_bytes
        - m.alias_size_in_bytes
        + m.temp_size_in_bytes
    )
