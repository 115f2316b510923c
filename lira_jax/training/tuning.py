"""strategy=auto: chooses how to lift the training step by timing it on the device and shapes at
hand.

Which form is fastest depends on the network, the device and the compiler's version, so real
training steps of the candidates are timed. That may take a small share of what the training is
expected to take; candidates stand in order of promise, so a short training tries few of them, or
none and goes by a rule.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from lira_jax.ensemble import chunks, hardware, lift
from lira_jax.experiment import Experiment
from lira_jax.models.conv import FORMS
from lira_jax.models.table import has_convolution
from lira_jax.training.programs import Plan, Programs, bytes_needed

BUDGET_SHARE = 0.02  # of the expected seconds of training
BUDGET_MOST = 600.0  # seconds
FIRST_WIDTH = 16  # models side by side when forms are compared
WIDEST = 256
WORTHWHILE = 1.02  # times faster, for another width to be taken
_TRIAL_SECONDS = 0.5
# Of dense networks side by side on a CPU (BUILD_NOTES.md has the measurement): up to so many
# weights, and from so many models on, vmap is faster than a loop.
CACHED_WEIGHTS = 4_000_000
WORTH_BATCHING = 4

_DENSE = [("vmap", "plain"), ("loop", "plain"), ("map", "plain")]
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


@dataclasses.dataclass(frozen=True)
class Timing:
    """How fast one plan was: images a second, of all models together, and seconds of
    compilation."""

    plan: Plan
    images_per_second: float
    compile_seconds: float


def plan_by_rule(experiment: Experiment, models: int, devices, params) -> Plan:
    """The plan where nothing is measured.

    Args:
      models: that are to be trained.
      params: of one model, or their shapes.

    Raises:
      UserError: `map` was asked for convolutional models on a CPU.
    """
    e, asked = experiment, experiment.models_per_chunk
    convolutional, platform = has_convolution(params), devices.devices.flat[0].platform
    strategy = lift.choose_strategy(e.strategy, convolutional=convolutional, platform=platform)
    if e.strategy == "auto" and strategy == "vmap" and not asked and platform == "cpu":
        asked = min(_in_cache(params), chunks.width(strategy, 0, models, devices))
        if _in_cache(params) < WORTH_BATCHING:
            strategy = "loop"
    form = "plain" if e.conv_form == "auto" else e.conv_form
    return Plan(strategy, form, chunks.width(strategy, asked, models, devices))


def plans(experiment: Experiment, models: int, devices, params) -> list[Plan]:
    """The plans that auto compares first, in order of promise; the rule's own strategy is the
    first.

    Args:
      models: that are to be trained.
      params: of one model, or their shapes.
    """
    e, known, first_width = experiment, _DENSE, FIRST_WIDTH
    on_cpu = devices.devices.flat[0].platform == "cpu"
    if has_convolution(params):
        known = _CPU if on_cpu else _ACCELERATOR
    elif on_cpu:
        first_width = min(first_width, max(2, _in_cache(params)))
        rule = plan_by_rule(e, models, devices, params).strategy
        known = sorted(known, key=lambda plan: plan[0] != rule)
    found = []
    for strategy, form in known:
        # Only under vmap is there a choice of forms. A user's own model has convolutions of its
        # own.
        free = e.conv_form in ("auto", form) or strategy != "vmap"
        if free and not (":" in e.model and form != "plain"):
            asked = e.models_per_chunk or (first_width if strategy in ("vmap", "map") else 0)
            found.append(Plan(strategy, form, chunks.width(strategy, asked, models, devices)))
    return found


def _in_cache(params) -> int:
    """Dense models side by side whose training step finds the weights in a CPU's caches."""
    return max(1, CACHED_WEIGHTS // sum(leaf.size for leaf in jax.tree.leaves(params)))


def worth_measuring(flops: float, devices) -> bool:
    """Whether a training is so long that within the budget more than one plan could be timed.

    Args:
      flops: floating-point operations of the whole training; 0 if they are not known.
    """
    return not flops or BUDGET_SHARE * flops / hardware.usual_flops(devices) > 2 * _TRIAL_SECONDS


def choose(
    candidates: Sequence[Plan],
    trial: Callable[[Plan], Timing | None],
    expected_seconds: Callable[[Timing], float],
    *,
    widest: int = WIDEST,
    budget: float | None = None,
) -> list[Timing]:
    """Times candidates, then other widths of the fastest, while the budget lasts.

    Args:
      candidates: in order of promise; the first is timed in any case.
      trial: times a plan; None if it does not fit into memory.
      expected_seconds: of the whole training at the speed of a timing.
      widest: models side by side; at most the width of the candidates to keep theirs.
      budget: seconds; by default BUDGET_SHARE of what is expected from the first candidate.

    Returns:
      The timings, the fastest first; empty if no plan fits.
    """
    started = time.monotonic()
    first = trial(candidates[0])
    timings = [first] if first else []
    if budget is None:
        budget = min(BUDGET_MOST, BUDGET_SHARE * expected_seconds(first)) if first else BUDGET_MOST

    def affordable(plan: Plan) -> bool:
        # Programs that are written out once a model take as many times as long to compile.
        longest = max((t.compile_seconds / _written_out(t.plan) for t in timings), default=0)
        return time.monotonic() - started + longest * _written_out(plan) < budget

    for plan in candidates[1:]:
        if affordable(plan) and (timing := trial(plan)):
            timings.append(timing)
    for factor in (2, 0.5):
        best = max(timings, key=_speed, default=None)
        while best and best.plan.strategy != "loop":
            plan = dataclasses.replace(best.plan, width=int(best.plan.width * factor))
            tried = any(t.plan == plan for t in timings)
            if (
                tried
                or not 2 <= plan.width <= widest
                or not affordable(plan)
                or not (timing := trial(plan))
            ):
                break
            timings.append(timing)
            if _speed(timing) < WORTHWHILE * _speed(best):
                break
            best = timing
    return sorted(timings, key=_speed, reverse=True)


def time_step(
    programs: Programs, plan: Plan, state, keep: np.ndarray, images, labels, *, limit: int
) -> Timing | None:
    """Times training steps of a plan with real batches.

    Args:
      programs: of the plan, by step.
      state: TrainState of one model a device, repeated to the plan's width.
      keep: bool [width, N].
      images, labels: on the devices, or in host memory if the experiment says so.
      limit: bytes of memory of a device.

    Returns:
      The timing, or None if the program does not fit.
    """
    devices, width = programs.devices, plan.width
    try:
        started = time.monotonic()
        compiled = programs.compile_train(width)
        compile_seconds = time.monotonic() - started
        if bytes_needed(compiled) > limit:
            return None
        model_ids, keep = lift.spread((np.arange(width, dtype=np.int32), keep), devices)
        index = programs.epoch_batches(model_ids, keep, np.int32(0))[:, 0]
        if programs.resident:
            own, shared = (index,), (images, labels)
        else:
            index = jax.device_get(index)
            own, shared = lift.spread((images[index], labels[index]), devices), ()
        copies = width // devices.size
        state = lift.spread(
            jax.tree.map(lambda a: np.repeat(np.asarray(a), copies, 0), state), devices
        )
        durations: list[float] = []
        while len(durations) < 4 or (sum(durations) < _TRIAL_SECONDS and len(durations) < 50):
            started = time.monotonic()
            state, loss = programs.train(state, model_ids, *own, np.int32(len(durations)), *shared)
            loss.block_until_ready()
            durations.append(time.monotonic() - started)
        # The fastest: others include what happens once, such as page faults of a heap that is still
        # growing.
        return Timing(
            plan, width * programs.experiment.batch_size / min(durations), compile_seconds
        )
    except jax.errors.JaxRuntimeError as error:
        if not chunks.out_of_memory(error):
            raise
        return None


def as_text(timings: Sequence[Timing]) -> str:
    """The table, the fastest first."""
    lines = ["strategy  conv_form  models side by side  images/s  compilation"]
    for t in timings:
        p = t.plan
        lines.append(
            f"{p.strategy:8}  {p.conv_form:9}  {p.width:19d}  {t.images_per_second:8.0f}  "
            f"{t.compile_seconds:9.1f} s"
        )
    return "\n".join(lines)


def read(record) -> Plan | None:
    """The Plan that a record in plan.json describes, or None if it describes none that can be
    run."""
    match record:
        case {
            "strategy": "vmap" | "map" | "unroll" | "loop" as strategy,
            "conv_form": str(form),
            "width": int(width),
        }:
            return Plan(strategy, form, width) if form in FORMS and width > 0 else None
    return None


def as_record(timing: Timing) -> dict:
    """A timing for JSON."""
    return {
        **dataclasses.asdict(timing.plan),
        "images_per_second": round(timing.images_per_second, 1),
        "compile_seconds": round(timing.compile_seconds, 2),
    }


def _speed(timing: Timing) -> float:
    return timing.images_per_second


def _written_out(plan: Plan) -> int:
    return plan.width if plan.strategy in ("unroll", "loop") or plan.conv_form == "unrolled" else 1
