"""Where the time of a training step goes on a CPU: by kind of operation, from a profile.

    python scripts/profile_step.py [--model=wide_resnet] [--depth=16] [--width=1] [--batch_size=64]
    [--cores=1]

One model takes --steps training steps, by the program that lira-train runs with --strategy=loop in
a pinned process, under jax.profiler. Durations are summed by what the compiled program says of each
operation. A weight gradient is a convolution whose window is larger than its result; all else that
XLA moves or transposes for it is in the row "without a name". Zeros that pad an image count as
FLOPs. Matrix products are told by name, and their FLOPs not counted. The last line is the speed
that the network would have if convolutions, or a GPT's products, were all it did; with --cores=1
it is what one pinned process could reach at most. Profiles by jax 0.10.0 and older name
the operations of a CPU otherwise, so that none would be found.
"""

import argparse
import collections
import math
import os
import pathlib
import re
import sys
import tempfile
from typing import NamedTuple

import alternate
import jax
import numpy as np
from bench_train import OF_TEXT, SHAPES, TEXT, Case, lifted

from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment
from lira_jax.launch.pinned import keep_freed_memory
from lira_jax.training.programs import Plan, Programs

FORWARD, INPUT, WEIGHT = (
    f"convolutions, {kind}" for kind in ("forward", "input gradient", "weight gradient")
)
PRODUCTS = tuple(f"matrix products, {kind}" for kind in ("forward", "backward"))
REST = "all else, without a name"


class Operation(NamedTuple):
    """What is known of an operation of a compiled program."""

    kind: str
    flops: float


def operations(program: str) -> dict[str, Operation]:
    """Operations by name, from the text of a compiled program."""
    line = re.compile(r"^\s*(?:ROOT )?%(\S+) = \w+\[([\d,]*)\]\S* ([\w-]+)\((.*)$", re.M)
    found = [(name, _sizes(sizes), code, rest) for name, sizes, code, rest in line.findall(program)]
    shapes = {name: sizes for name, sizes, _, _ in found}
    return {name: _operation(sizes, code, rest, shapes) for name, sizes, code, rest in found}


def _sizes(text: str, separator: str = ",") -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(separator) if n)


def _operation(sizes, code: str, rest: str, shapes) -> Operation:
    named = re.search(r'op_name="([^"]*)"', rest)
    backward = named is not None and "transpose(jvp" in named[1]
    if code != "convolution" and named is None:
        return Operation(REST, 0)
    if code != "convolution":
        product = named[1].endswith("dot_general")
        rest = f"all else, {'backward' if backward else 'forward'}"
        return Operation(PRODUCTS[backward] if product else rest, 0)
    window = _sizes(re.search(r"window=\{size=([\dx]+)", rest)[1], "x")
    of_kernel, of_result = re.search(r"dim_labels=\w+_(\w+)->(\w+)", rest).groups()
    kernel = shapes[re.findall(r"%([\w.-]+)", rest)[1]]
    dilated = re.search(r"lhs_dilate=([\dx]+)", rest)  # of that many pixels all but one are zeros
    flops = 2 * math.prod(sizes) * math.prod(window) * kernel[of_kernel.index("i")]
    flops /= math.prod(_sizes(dilated[1], "x")) if dilated else 1
    if window > tuple(sizes[of_result.index(axis)] for axis in "01"):
        return Operation(WEIGHT, flops)
    return Operation(INPUT if backward else FORWARD, flops)


def profile(run, steps: int) -> dict[str, float]:
    """Seconds of one call by operation, from so many calls."""
    found: dict[str, float] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(steps):
                run()
        (trace,) = pathlib.Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
            for line in plane.lines:
                for event in line.events:
                    if "hlo_op" in dict(event.stats):
                        found[event.name] += event.duration_ns / 1e9 / steps
    return found


def print_table(
    program: str, seconds: dict[str, float], step: float, batch: int, unit: str
) -> None:
    """Prints a row for each kind of operation, then the step as a whole.

    Args:
      batch: images, or tokens, of a step.
    """
    known = operations(program)
    kinds: dict[str, list[float]] = collections.defaultdict(lambda: [0.0, 0.0, 0])
    for name, taken in seconds.items():
        kind, flops = known.get(name, Operation(REST, 0))
        kinds[kind] = [a + b for a, b in zip(kinds[kind], (taken, flops, 1), strict=True)]
    print(f"{'':31}{'ms':>8}{'of step':>9}{'operations':>12}{'GFLOP/s':>9}")
    for kind in sorted(kinds, key=lambda kind: -kinds[kind][0]):
        taken, flops, count = kinds[kind]
        print(
            f"{kind:31}{1e3 * taken:8.1f}{taken / step:9.0%}{count:12d}"
            + (f"{flops / taken / 1e9:9.0f}" if flops else "")
        )
    convolving = sum(kinds[kind][0] for kind in (FORWARD, INPUT, WEIGHT))
    what = "convolutions" if convolving else "products"
    alone = convolving or sum(kinds[kind][0] for kind in PRODUCTS)
    print(f"{'a step':31}{1e3 * step:8.1f}   {batch / step:.0f} {unit}/s")
    print(f"{f'its {what} alone':31}{1e3 * alone:8.1f}   {batch / alone:.0f} {unit}/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--model",
        default="wide_resnet",
        choices=("cnn", "wide_resnet", "gpt_tiny"),
        help="network (default wide_resnet)",
    )
    add("--depth", type=int, default=16, help="layers of wide_resnet (default 16)")
    add(
        "--width",
        type=int,
        default=1,
        help="width factor of wide_resnet, filters of the first layer of cnn (1)",
    )
    add("--batch_size", type=int, default=64, help="examples in a step (default 64)")
    add("--tokens", type=int, default=64, help="of a sequence of gpt_tiny (default 64)")
    add("--cores", type=int, default=1, help="cores that the process is pinned to (default 1)")
    add("--steps", type=int, default=10, help="steps that are traced (default 10)")
    add(
        "--seconds",
        type=float,
        default=2.0,
        help="least time that steps are timed for, untraced (default 2)",
    )
    a = parser.parse_args()
    if not 1 <= a.cores <= len(alternate.cores()):
        parser.error(f"--cores={a.cores}: this process may use {len(alternate.cores())}")
    os.sched_setaffinity(0, alternate.cores()[: a.cores])  # before XLA starts its threads
    keep_freed_memory()
    if jax.default_backend() != "cpu":
        sys.exit("this reads the profile of a CPU: set JAX_PLATFORMS=cpu")

    text = a.model in TEXT
    options = {
        "wide_resnet": {"depth": a.depth, "width": a.width},
        "cnn": {"width": a.width},
        "gpt_tiny": {"augment": "none", **OF_TEXT},
    }[a.model]
    experiment = Experiment(model=a.model, num_models=4, batch_size=a.batch_size, **options)
    shape = (a.tokens,) if text else SHAPES[a.model]
    case = Case(experiment, shape, 1, (), 256 if text else 0)
    dataset = case.dataset()
    programs = Programs(
        experiment,
        dataset,
        (a.batch_size, a.batch_size),
        lift.mesh(1),
        Plan("loop", "plain", 1),
        by_step=True,
    )
    program = programs.compile_train(1).as_text()
    # Half of the examples are one batch, so that an epoch of one model is one step.
    step = lifted(programs, np.arange(len(dataset.y))[None] < a.batch_size)
    step()
    whole = 1 / alternate.rate(step, a.seconds)
    print(
        f"{a.model}, {options}, batch {a.batch_size}, {a.cores} of {os.cpu_count()} cores, JAX "
        f"{jax.__version__}"
    )
    units = a.batch_size * (a.tokens if text else 1)
    print_table(program, profile(step, a.steps), whole, units, case.unit)


if __name__ == "__main__":
    main()
