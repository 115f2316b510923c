"""strategy=auto: times the training step in several forms, on the device at hand.

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
from lira_jax.models.conv import FORMS
from lira_jax.training.programs import Plan, Programs, bytes_needed

BUDGET_SHARE = 0.02  # of the expected seconds of training
BUDGET_MOST = 600.0  # seconds
WORTHWHILE = 1.02  # times faster, for another width to be taken
_TRIAL_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Timing:
    """How fast one plan was: images a second of all models, and seconds of compilation."""

    plan: Plan
    images_per_second: float
    compile_seconds: float


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
    widest: int,
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
    programs: Programs, state, keep: np.ndarray, images, labels, *, limit: int
) -> Timing | None:
    """Times training steps of a plan with real batches.

    Args:
      programs: of the plan, by step.
      state: of one model a device, repeated to the plan's width.
      keep: bool [width, N].
      images, labels: on the devices, or in host memory if the experiment says so.
      limit: bytes of memory of a device.

    Returns:
      The timing, or None if the program does not fit.
    """
    devices, width = programs.devices, programs.plan.width
    try:
        compiled = programs.compile_train(width)
        if bytes_needed(compiled) > limit:
            return None
        model_ids, keep = lift.spread((np.arange(width, dtype=np.int32), keep), devices)
        drawn = programs.draw(model_ids, keep, np.int32(0))
        one_step = jax.tree.map(lambda index: index[:, :1], drawn)
        copies = width // devices.size
        state = lift.spread(
            jax.tree.map(lambda a: np.repeat(np.asarray(a), copies, 0), state), devices
        )
        durations: list[float] = []
        while len(durations) < 4 or (sum(durations) < _TRIAL_SECONDS and len(durations) < 50):
            started = time.monotonic()
            state, metrics = programs.run_epoch(
                state, model_ids, one_step, len(durations), images, labels
            )
            jax.block_until_ready(metrics)
            durations.append(time.monotonic() - started)
        # The fastest: others include what happens once, such as page faults of a heap that is still
        # growing.
        speed = width * programs.experiment.batch_size / min(durations)
        return Timing(programs.plan, speed, programs.compile_seconds[width])
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
    """The Plan that a record in plan.json describes, or None if it cannot be run."""
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
