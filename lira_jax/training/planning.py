"""What a training runs side by side: by a rule or as measured, never more than memory holds."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax import progress
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.ensemble import chunks, hardware, lift
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import recipe as recipes
from lira_jax.models.conv import usual_form
from lira_jax.models.onednn import operations
from lira_jax.models.table import has_convolution
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import tuning
from lira_jax.training.programs import Plan, Programs, bytes_needed

FIRST_WIDTH = 16  # models side by side when forms are compared
WIDEST = 256
# Of dense networks side by side on a CPU: up to so many weights, and from so many models on, vmap
# is faster than a loop (docs/measurements/training_speed.md).
CACHED_WEIGHTS = 4_000_000
WORTH_BATCHING = 4

_DENSE = [("vmap", "plain"), ("loop", "plain"), ("map", "plain")]
_ONEDNN = [("loop", "onednn")]  # of a prototype, nothing else was faster
_CPU = [
    ("loop", "plain"),
    ("unroll", "plain"),
    ("vmap", "patches"),
    ("vmap", "unrolled"),
    ("vmap", "shifted"),
]
_ACCELERATOR = [
    ("vmap", "grouped"),
    ("vmap", "plain"),
    ("loop", "plain"),
    ("vmap", "unrolled"),
    ("map", "plain"),
    ("vmap", "shifted"),
    ("vmap", "patches"),
    ("unroll", "plain"),
]


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A training of some models, with its data in place.

    Attributes:
      keep: bool [models of the run, examples].
      normalizer: of the data set.
      images, labels: of the pool, on the devices or in host memory, as the experiment says.
      reference: bool [examples], the non-members of recipes that ask for some; None for all that
        a model does not train on.
    """

    experiment: Experiment
    dataset: Dataset
    keep: np.ndarray
    devices: Mesh
    normalizer: Normalizer
    images: Any
    labels: Any
    reference: np.ndarray | None = None

    def programs(self, plan: Plan, *, by_step: bool = False) -> Programs:
        """The programs of a plan."""
        members = self.keep.sum(1)
        return Programs(
            self.experiment,
            self.dataset,
            (int(members.min()), int(members.max())),
            self.devices,
            plan,
            normalizer=self.normalizer,
            reference=self.reference,
            by_step=by_step,
        )


def make(job: Job, num_models: int, params, run: RunDirectory) -> tuple[Programs, int]:
    """The programs that train so many models, and how many of these run side by side.

    Args:
      params: of one model, or their shapes.
      run: what is measured is kept there, in plan.json.
    """
    plan = plan_by_rule(job.experiment, num_models, job.devices, params)
    if job.experiment.strategy == "auto":
        plan = _measured(job, plan, num_models, params, run)
    _, width = chunks.chunks(list(range(num_models)), plan.width, job.devices)
    programs = job.programs(plan)
    # The programs serve any width: built anew, the one that fits would be compiled again.
    return programs, fitting(programs, width)


def plan_by_rule(experiment: Experiment, models: int, devices: Mesh, params) -> Plan:
    """The plan where nothing is measured.

    Args:
      models: that are to be trained.
      params: of one model, or their shapes.

    Raises:
      UserError: `map` was asked for convolutional models on a CPU, or oneDNN where there is none.
    """
    e, asked = experiment, experiment.models_per_chunk
    convolutional, platform = has_convolution(params), devices.devices.flat[0].platform
    form = "plain"
    if e.conv_form != "auto":
        form = e.conv_form
    elif convolutional and not recipes.is_own_code(e):
        form = usual_form()
    if form == "onednn" and not operations.available():
        raise UserError(
            "--conv_form=onednn: oneDNN is not installed, or not for this machine; "
            "pip install 'lira_jax[onednn]' on Linux x86-64, or take another form"
        )
    strategy = lift.choose_strategy(
        e.strategy,
        convolutional=convolutional,
        platform=platform,
        form="plain" if recipes.is_own_code(e) else form,
    )
    if e.strategy == "auto" and strategy == "vmap" and not asked and platform == "cpu":
        asked = min(_in_cache(params), chunks.width(strategy, 0, models, devices))
        if _in_cache(params) < WORTH_BATCHING:
            strategy = "loop"
    return Plan(strategy, form, chunks.width(strategy, asked, models, devices))


def candidates(experiment: Experiment, models: int, devices: Mesh, params) -> list[Plan]:
    """The plans that auto compares first, in order of promise, the rule's own strategy first.

    Args:
      models: that are to be trained.
      params: of one model, or their shapes.
    """
    e, known, first_width = experiment, _DENSE, FIRST_WIDTH
    on_cpu = devices.devices.flat[0].platform == "cpu"
    if has_convolution(params):
        known = _ACCELERATOR
        if on_cpu:
            known = _CPU
            if usual_form(e.conv_form) == "onednn" and not recipes.is_own_code(e):
                known = _ONEDNN
    elif on_cpu:
        first_width = min(first_width, max(2, _in_cache(params)))
        rule = plan_by_rule(e, models, devices, params).strategy
        known = sorted(known, key=lambda plan: plan[0] != rule)
    found = []
    for strategy, form in known:
        # A user's own model has convolutions of its own.
        if _free(e.conv_form, strategy, form) and not (":" in e.model and form != "plain"):
            asked = e.models_per_chunk or (first_width if strategy in ("vmap", "map") else 0)
            found.append(Plan(strategy, form, chunks.width(strategy, asked, models, devices)))
    return found


def _free(asked: str, strategy: str, form: str) -> bool:
    """Whether --conv_form allows it; only under vmap do XLA's own forms differ."""
    if asked == "auto" or asked == form:
        return True
    return "onednn" not in (asked, form) and strategy != "vmap"


def _in_cache(params) -> int:
    """Dense models side by side whose training step finds the weights in a CPU's caches."""
    return max(1, CACHED_WEIGHTS // sum(leaf.size for leaf in jax.tree.leaves(params)))


def _measured(job: Job, rule: Plan, num_models: int, params, run: RunDirectory) -> Plan:
    """The plan that this run has measured, or now measures, to be the fastest on such devices."""
    e, devices = job.experiment, job.devices
    where = hardware.describe(devices)
    kept = tuning.read(run.read_plan(where))
    if kept and kept.conv_form == "onednn" and not operations.available():
        kept = None
    if kept and e.conv_form in ("auto", kept.conv_form) and not e.models_per_chunk:
        return dataclasses.replace(
            kept, width=chunks.width(kept.strategy, kept.width, num_models, devices)
        )
    timings = _timings(job, num_models, params)
    best = rule  # where the training is too short to compare
    if len(timings) > 1:
        best = timings[0].plan
        progress.note(f"timed training steps on {where}:\n{tuning.as_text(timings)}")
    if kept is None:  # what was measured without the flags that rule it out here is worth keeping
        run.write_plan(where, dataclasses.asdict(best), [tuning.as_record(t) for t in timings])
    return best


def _timings(job: Job, num_models: int, params) -> list[tuning.Timing]:
    """As many plans as a training of so many models is long enough to time, the fastest first."""
    e, devices = job.experiment, job.devices
    plans = candidates(e, num_models, devices, params)
    if len(plans) == 1:
        return []
    first = job.programs(plans[0])
    images = num_models * e.epochs * first.steps * e.batch_size
    if not tuning.worth_measuring(images * first.flops_per_image(), devices):
        return []
    limit = hardware.usable_bytes(devices.devices.flat[0])
    state = first.init(lift.spread(np.arange(devices.size, dtype=np.int32), devices))

    def trial(plan: Plan) -> tuning.Timing | None:
        rows = job.keep[np.arange(plan.width) % len(job.keep)]
        programs = job.programs(plan, by_step=True)
        return tuning.time_step(programs, state, rows, job.images, job.labels, limit=limit)

    widest = 0 if e.models_per_chunk else chunks.width("vmap", WIDEST, num_models, devices)
    return tuning.choose(plans, trial, lambda t: images / t.images_per_second, widest=widest)


def check_size(experiment: Experiment, state, devices: Mesh) -> None:
    """Checks that one model fits on a device at all.

    Args:
      state: of one model in training, or its shapes: weights and what the optimiser remembers.

    Raises:
      UserError: it does not.
    """
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    limit = hardware.usable_bytes(devices.devices.flat[0])
    if needed > limit:
        raise UserError(
            f"--model={experiment.model}: the weights of one model and the optimiser's memory are "
            f"{needed} bytes ({needed / 2**30:.1f} GiB), and a device has {limit} to spare "
            f"({limit / 2**30:.1f} GiB); a model is not split over devices, so take a smaller one "
            "(--depth, --width) or a larger device"
        )


def fitting(programs: Programs, width: int) -> int:
    """The largest width, at most the one given, whose program fits into memory."""
    devices = programs.devices.size
    limit = hardware.usable_bytes(programs.devices.devices.flat[0])
    while True:
        try:
            needed = bytes_needed(programs.compile_train(width))
        except jax.errors.JaxRuntimeError as error:
            # A compiler that tries out kernels needs memory for them.
            if not chunks.out_of_memory(error):
                raise
            needed = 2 * limit
        if needed <= limit or width <= devices:
            return width
        estimate = int(width * limit / needed) // devices * devices
        smaller = max(devices, min(estimate, width - devices))
        progress.note(
            f"{width} models side by side need {needed / 2**30:.1f} GiB, there are "
            f"{limit / 2**30:.1f}; trying {smaller}"
        )
        width = smaller
