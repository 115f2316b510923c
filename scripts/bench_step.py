"""One model's training step against PyTorch's, in turn in one process on one core, by CPU time.

    python scripts/bench_step.py [--model=cnn] [--width=16] [--depth=16] [--dtype=bfloat16]
    [--compiled=true]

Claim to be tested: with the extra onednn, a training step on a CPU takes no longer than PyTorch's,
eager or (--compiled=true, whose compilation takes a minute) compiled. What is timed is what
bench_train.py times, by the program that lira-train runs with --strategy=loop in a pinned process.
Contenders of one process that take turns every few steps meet the same caches and clock, and CPU
time leaves out what others run: ratios hold on a machine that is shared. Medians over --rounds.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable

import alternate

from lira_jax.launch.pinned import keep_freed_memory

PYTORCH = "PyTorch, eager"


def contenders(case, forms: list[str]) -> dict[str, Callable[[], None]]:
    """Ours, by the form of their convolutions."""
    import jax
    from bench_train import CLASSES, lifted

    from lira_jax.data import masks
    from lira_jax.data.dataset import Dataset
    from lira_jax.ensemble import lift
    from lira_jax.training.programs import Plan, Programs

    if jax.default_backend() != "cpu":
        sys.exit("this compares CPUs: set JAX_PLATFORMS=cpu")
    dataset = Dataset(*case.data(), num_classes=CLASSES)
    keep = masks.draw("bernoulli", 1, len(dataset.y))
    size = (int(keep.sum()),) * 2
    return {
        f"ours, {form}": lifted(
            Programs(case.experiment, dataset, size, lift.mesh(1), Plan("loop", form, 1)), keep
        )
        for form in forms
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default="cnn", choices=("cnn", "wide_resnet", "resnet"), help="network (cnn)")
    add("--width", type=int, default=0, help="of cnn or wide_resnet; 0 for the family's own")
    add("--depth", type=int, default=0, help="of wide_resnet or resnet; 0 for the family's own")
    add("--batch_size", type=int, default=64, help="examples in a step (default 64)")
    add("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the computation")
    add("--forms", default="onednn", help="of our convolutions, comma separated (default onednn)")
    add("--torch", default="true", choices=("true", "false"), help="compare with PyTorch, eager")
    add("--compiled", default="false", choices=("true", "false"), help="and with it compiled")
    add("--steps", type=int, default=4, help="of a turn (default 4)")
    add("--rounds", type=int, default=8, help="alternating rounds (default 8)")
    a = parser.parse_args()
    os.sched_setaffinity(0, alternate.cores()[-1:])  # before any library starts threads
    keep_freed_memory()

    from bench_train import SHAPES, Case

    from lira_jax.experiment import Experiment

    experiment = Experiment(
        model=a.model,
        width=a.width,
        depth=a.depth,
        num_models=1,
        batch_size=a.batch_size,
        learning_rate=0.01,
        schedule="constant",
        compute_dtype=a.dtype,
        augment="none",
    )
    case = Case(experiment, SHAPES[a.model], a.steps, ())
    runs = contenders(case, a.forms.split(","))
    if a.torch == "true":
        import bench_torch  # torch is imported there and nowhere else

        theirs = bench_torch.contenders(case).runs
        names = [PYTORCH, *(["PyTorch, compiled"] if a.compiled == "true" else [])]
        runs |= {name: theirs[name] for name in names}
    for run in (*runs.values(), *runs.values()):
        run()  # compiles, and touches all memory once
    measures = {
        name: lambda run=run: alternate.seconds(run, "cpu") / a.steps for name, run in runs.items()
    }
    found = alternate.in_turn(measures, a.rounds)
    print(" ".join(["bench_step.py", *sys.argv[1:]]))
    for name, seconds in found.items():
        against = ""
        if PYTORCH in found:
            against = f"   {alternate.ratio(found[PYTORCH], seconds):.2f} x the speed of {PYTORCH}"
        print(f"{name:20}{1e3 * statistics.median(seconds):8.1f} ms a step{against}")


if __name__ == "__main__":
    main()
