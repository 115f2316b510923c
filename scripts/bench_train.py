"""Training speed of many models together, against one model at a time in plain JAX and in PyTorch.

    python scripts/bench_train.py [--models=mlp,cnn,wide_resnet,gpt_tiny] [--num_models=8]
    [--batch_size=64] [--workers=2]

Claims to be tested: on this machine the fastest strategy trains more images a second, all models
together, than a jitted step of one model called for each model in turn ("one at a time"), and than
PyTorch does at its best. All train the same networks with the same batches, number format,
optimiser (SGD with momentum and weight decay; of a GPT AdamW after clipping) and augmentation, from
images that rest on the device; drawing the batches, the same for all, is not timed. Of a GPT,
tokens stand in the place of images. Ours are the programs that lira-train runs
(training/programs.py). Contenders take turns for --rounds rounds of --seconds; the table has
medians and, round by round, ratios.

--workers=2 adds, for JAX and for PyTorch, two processes at the same time that are pinned to one
half of the cores each and have half of the models each; all others use all cores and are left out
with --one_process=false. On a machine with other load take --clock=cpu: rates are then of seconds
of CPU time, and ratios hold although the machine is shared.

PyTorch is no dependency: `pip install torch`, or --torch=false. On a GPU take --dtype=bfloat16, a
--batch_size of 128 to 512 and --steps=50. Both frameworks' processes hold memory of the GPU at the
same time.
"""

import argparse
import contextlib
import dataclasses
import functools
import importlib.util
import statistics
from collections.abc import Callable
from typing import NamedTuple

import alternate
import jax
import numpy as np
from alternate import Contenders, Process

from lira_jax.data import masks, normalize
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, hardware, lift
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import recipe as recipes
from lira_jax.models.conv import FORMS, usual_form
from lira_jax.training import recipe, step
from lira_jax.training.programs import Plan, Programs

ALONE = "one at a time"
CLASSES = 10
SHAPES = {
    "mlp": (28, 28, 1),
    "cnn": (32, 32, 3),
    "wide_resnet": (32, 32, 3),
    "resnet": (32, 32, 3),
}
# So few that a turn on a slow CPU does not last minutes.
STEPS = {"mlp": 16, "cnn": 2, "wide_resnet": 1, "resnet": 1, "gpt_tiny": 2, "gpt2_small": 1}
TEXT = ("gpt_tiny", "gpt2_small")
OF_TEXT = {"optimizer": "adamw", "beta2": 0.99, "weight_decay": 0.1, "clip_norm": 1.0}


class Case(NamedTuple):
    """What every contender trains in one run: num_models networks for so many steps."""

    experiment: Experiment
    shape: tuple[int, ...]
    steps: int
    strategies: tuple[str, ...]
    vocabulary: int = 0

    @property
    def unit(self) -> str:
        """What is counted."""
        return "tokens" if self.vocabulary else "images"

    @property
    def units(self) -> int:
        """That all models together see in one run."""
        e, tokens = self.experiment, self.shape[0] if self.vocabulary else 1
        return e.num_models * self.steps * e.batch_size * tokens

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 and labels, or token ids int32, of which half are the members that make one
        such epoch."""
        rng, n = np.random.default_rng(0), 2 * self.steps * self.experiment.batch_size
        if self.vocabulary:
            tokens = rng.integers(0, self.vocabulary, (n, *self.shape), dtype=np.int32)
            return tokens, np.zeros(n, np.int32)
        images = rng.integers(0, 256, (n, *self.shape), dtype=np.uint8)
        return images, rng.integers(0, CLASSES, n).astype(np.int32)

    def dataset(self) -> Dataset:
        """The same as our programs take it."""
        if self.vocabulary:
            return Dataset(*self.data(), num_classes=1, vocabulary=self.vocabulary)
        return Dataset(*self.data(), num_classes=CLASSES)


def jax_contenders(case: Case) -> Contenders:
    """The lifted programs by name, and the same step of one model at a time."""
    e, devices = case.experiment, lift.mesh()
    dataset = case.dataset()
    keep = masks.draw("bernoulli", e.num_models, len(dataset.y))
    runs = {ALONE: _one_at_a_time(e, dataset, keep)}
    programs = [
        Programs(e, dataset, (int(keep.sum(1).min()), int(keep.sum(1).max())), devices, plan)
        for plan in _plans(case, devices)
    ]
    for p in programs:
        form = f", {p.plan.conv_form}" if p.network.convolutional else ""
        runs[f"{p.plan.strategy}{form}"] = lifted(p, keep)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(programs[0].network.shapes["params"]))
    about = f"JAX {jax.__version__}, {hardware.describe(devices)}"
    return Contenders({"about": about, "parameters": parameters}, runs)


def _plans(case: Case, devices) -> list[Plan]:
    e, plans = case.experiment, []
    convolutional, platform = e.model not in ("mlp", *TEXT), devices.devices.flat[0].platform
    onednn = ("onednn",) if convolutional and usual_form() == "onednn" else ()
    for strategy in case.strategies:
        width = chunks.width(strategy, e.models_per_chunk, e.num_models, devices)
        forms = ("plain", *onednn)
        if convolutional and strategy == "vmap":
            forms = [form for form in FORMS if form != "onednn" or onednn]
        for form in forms:
            with contextlib.suppress(UserError):  # map of XLA's convolutions, on a CPU
                lift.choose_strategy(
                    strategy, convolutional=convolutional, platform=platform, form=form
                )
                plans.append(Plan(strategy, form, width))
    return plans


def lifted(programs: Programs, keep: np.ndarray, *, draw: bool = False) -> Callable[[], None]:
    """Trains the models of keep [models, examples] for an epoch, as training/loop.py does.

    Args:
      draw: whether each run draws its batches anew, or all have those of the first epoch.
    """
    devices = programs.devices
    images, labels = lift.replicate((programs.dataset.x, programs.dataset.y), devices)
    parts, width = chunks.chunks(list(range(len(keep))), programs.plan.width, devices)
    padded = [chunks.pad(part, width) for part in parts]
    placed = [lift.spread((part, keep[part]), devices) for part in padded]
    states = [programs.init(ids) for ids, _ in placed]
    drawn = [programs.draw(*chunk, np.int32(0)) for chunk in placed]

    def run():
        for c, (ids, kept) in enumerate(placed):
            batches = programs.draw(ids, kept, np.int32(0)) if draw else drawn[c]
            states[c], _ = programs.run_epoch(states[c], ids, batches, 0, images, labels)
        jax.block_until_ready(states)

    return run


def _one_at_a_time(e: Experiment, dataset: Dataset, keep):
    """Plain JAX: one jitted step of one model, called for one model after the other."""
    own = recipe.make(recipes.context(e, dataset, "plain"))
    train = step.make_step(own, normalize.fit(dataset.x, e.normalize), e)
    train = jax.jit(train, donate_argnums=0)
    init = jax.jit(step.make_init(own, e.seed))
    states = [init(m) for m in range(len(keep))]
    images, labels = jax.device_put((dataset.x, dataset.y))
    indices = np.arange(len(dataset.y) // 2, dtype=np.int32).reshape(-1, e.batch_size)

    def run():
        for m in range(len(states)):
            for s, index in enumerate(indices):
                states[m], _ = train(states[m], m, (index,), s, images, labels)
        jax.block_until_ready(states)

    return run


def torch_contenders(case: Case) -> Contenders:
    import bench_torch  # torch is imported there and nowhere else

    return bench_torch.contenders(case)


def compare(case: Case, a) -> None:
    """Measures all contenders of one network and prints their table."""
    builds = [jax_contenders] + [torch_contenders] * (a.torch == "true")
    sides = []
    if a.one_process == "true":
        sides = [("", case.units, [Process(build, case).wait()]) for build in builds]
    if a.workers > 1 or not sides:
        share = case._replace(
            experiment=dataclasses.replace(case.experiment, num_models=a.num_models // a.workers)
        )
        parts = [alternate.cores()[w :: a.workers] for w in range(a.workers)]
        started = [[Process(build, share, part) for part in parts] for build in builds]
        sides += [
            (f", {a.workers} pinned", share.units, [p.wait() for p in side]) for side in started
        ]
    about = "; ".join(dict.fromkeys(side[0].facts["about"] for _, _, side in sides))
    parameters = {p.facts["parameters"] for _, _, side in sides for p in side}
    assert len(parameters) == 1, (
        f"our networks and PyTorch's differ in their numbers of parameters: {parameters}"
    )
    what = f"{a.num_models} x {case.experiment.model} of {parameters.pop()} parameters"
    shape = f"{case.unit} {case.shape}"
    print(f"\n{what}, {shape}, batch {a.batch_size}, {a.dtype}, augmentation {a.augment}")
    print(about)
    measures, notes = {}, {}
    for suffix, units, side in sides:
        for name, error in side[0].failed.items():
            print(f"{name}{suffix}: left out: {error}")
        for name, seconds in side[0].first.items():
            notes[name + suffix] = f"first run {seconds:.1f} s"
            measures[name + suffix] = functools.partial(
                _units_per_second, side, name, units, a.seconds, a.clock
            )
    found = alternate.in_turn(measures, a.rounds)
    for process in (p for _, _, side in sides for p in side):
        process.close()
    rivals = [name for name in found if name.startswith("PyTorch")]
    best = sorted(rivals, key=lambda name: statistics.median(found[name]))[-1:]
    alone = [name for name in found if name.startswith(ALONE)][:1]
    unit = f"models x {case.unit}/{'s' if a.clock == 'wall' else 'CPU s'}"
    alternate.print_table(found, [*alone, *best], unit, notes)


def _units_per_second(side: list[Process], name: str, units: int, *how) -> float:
    return units * alternate.rate_together(side, name, *how)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--models",
        default="mlp,cnn,wide_resnet",
        help="networks to compare, of mlp, cnn, wide_resnet, resnet, gpt_tiny, gpt2_small",
    )
    add(
        "--strategies",
        default="vmap,map,unroll,loop",
        help="of ours; those the device forbids are passed over",
    )
    add("--num_models", type=int, default=8, help="models that are trained (default 8)")
    add(
        "--models_per_chunk",
        type=int,
        default=0,
        help="models side by side; 0 for the strategy's default",
    )
    add("--batch_size", type=int, default=64, help="examples in a step of one model (default 64)")
    add(
        "--steps",
        type=int,
        default=0,
        help="training steps of each model in one run; 0 for a CPU's default",
    )
    add("--cnn_width", type=int, default=16, help="filters of the first layer of cnn (default 16)")
    add("--hidden", default="512,256", help="units of each hidden layer of mlp (default 512,256)")
    add("--depth", type=int, default=16, help="layers of wide_resnet (default 16)")
    add("--width", type=int, default=1, help="width factor of wide_resnet (default 1)")
    add("--resnet_depth", type=int, default=18, choices=(18, 34), help="layers of resnet")
    add("--tokens", type=int, default=64, help="of a sequence, for a GPT (default 64)")
    add("--vocabulary", type=int, default=256, help="token ids of a GPT (default 256)")
    add("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the computation")
    add("--augment", default="none", choices=("none", "mirror_shift"), help="of every contender")
    add(
        "--workers",
        type=int,
        default=1,
        help="compare so many pinned processes with one (default 1: do not)",
    )
    add("--one_process", default="true", choices=("true", "false"), help="compare it on all cores")
    add("--clock", default="wall", choices=tuple(alternate.CLOCKS), help="of the rates")
    add("--torch", default="true", choices=("true", "false"), help="compare with PyTorch")
    add("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    add("--seconds", type=float, default=2.0, help="least length of a turn (default 2)")
    a = parser.parse_args()
    if a.num_models < a.workers:
        parser.error(
            f"--workers={a.workers}: each process needs a model, there are "
            f"--num_models={a.num_models}"
        )
    if a.torch == "true" and not importlib.util.find_spec("torch"):
        parser.error(
            "--torch=true: PyTorch is not installed; pip install torch, or take --torch=false"
        )
    options = {
        "mlp": {"hidden": tuple(map(int, a.hidden.split(",")))},
        "cnn": {"width": a.cnn_width},
        "wide_resnet": {"depth": a.depth, "width": a.width},
        "resnet": {"depth": a.resnet_depth},
    }
    for name in a.models.split(","):
        experiment = Experiment(
            model=name,
            num_models=a.num_models,
            models_per_chunk=a.models_per_chunk,
            batch_size=a.batch_size,
            learning_rate=0.01,
            schedule="constant",
            compute_dtype=a.dtype,
            augment="none" if name in TEXT else a.augment,
            **options.get(name, OF_TEXT),
        )
        shape = (a.tokens,) if name in TEXT else SHAPES[name]
        strategies = tuple(a.strategies.split(","))
        vocabulary = a.vocabulary if name in TEXT else 0
        compare(Case(experiment, shape, a.steps or STEPS[name], strategies, vocabulary), a)


if __name__ == "__main__":
    main()
