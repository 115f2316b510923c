"""Scoring speed: against training's forward pass, and 18 queries against 18 times one query.

    python scripts/bench_score.py [--models=mlp,cnn,wide_resnet] [--num_models=4] [--batch_size=64]

Claims to be tested: scoring (views of the examples, forward pass, phi, plain logits and phi brought
to the host) passes as many images a second through a network as the forward pass of a training step
alone does, and 18 queries of an example cost no more than 18 times one. All are lifted to many
models as lira-score does it by default; a batch of scoring has as many images as lira-score's, and
in more rows as many as --batches says. Contenders take turns for --rounds rounds of --seconds; the
table has medians and, round by round, ratios. --torch=true adds PyTorch, eager and compiled, with
batches of scoring of 1 query. Under `taskset -c 0` all have one core, as a worker of lira-score;
--clock=cpu is for a machine with other load.

With --signals=gradient_norms_w,merlin the table says instead what each signal costs, in forward
passes of lira-score's own, and what its program holds; --torch=true then adds PyTorch's per-example
gradients (vmap of grad of torch.func, the L2 norm alone) of the same networks on the same cores.
"""

import argparse
import dataclasses
import importlib.util
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import alternate
import jax
import numpy as np
from bench_train import CLASSES, SHAPES

from lira_jax.data import augment
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import chunks, hardware, lift
from lira_jax.ensemble.sweep import sweep, usual_batch
from lira_jax.experiment import Experiment
from lira_jax.launch.pinned import keep_freed_memory
from lira_jax.models import network
from lira_jax.models import recipe as recipes
from lira_jax.signals import chunk, measure, score, table
from lira_jax.training import planning
from lira_jax.training.programs import Programs


def make_programs(experiment: Experiment, dataset: Dataset, devices) -> Programs:
    """The programs that lira-train and lira-score take where nothing has been measured."""
    params = network.make(experiment, dataset).shapes["params"]
    plan = planning.plan_by_rule(experiment, experiment.num_models, devices, params)
    return Programs(experiment, dataset, (len(dataset.y) // 2,) * 2, devices, plan)


def chunks_of_variables(programs: Programs) -> list:
    """Fresh variables of all models, a tree [models, ...] for each chunk."""
    devices, count = programs.devices, programs.experiment.num_models
    parts, width = chunks.chunks(list(range(count)), programs.plan.width, devices)
    return [
        programs.recipe.variables(programs.init(lift.spread(chunks.pad(part, width), devices)))
        for part in parts
    ]


def scoring(programs: Programs, queries: int, batch: int = 0) -> Callable[[], None]:
    """Scores all examples under all models, as signals/score.py does, but for the files.

    Args:
      batch: images of one model in a step, queries counted; 0 for lira-score's default.
    """
    e, dataset, devices = programs.experiment, programs.dataset, programs.devices
    step = measure.make_step(
        programs.network,
        table.measures(e.signal_names, programs.network),
        augment.query_grid(queries),
        plain=("logits",),
    )
    step = lift.lift(step, programs.plan.strategy, devices, shared=3)
    batch = batch or usual_batch(devices, programs.network)
    images, labels = lift.replicate((dataset.x, dataset.y), devices)
    chunks = chunks_of_variables(programs)

    def run():
        for variables in chunks:
            for _ in sweep(step, variables, images, labels, max(1, batch // queries)):
                pass

    return run


def training_forward(programs: Programs) -> Callable[[], None]:
    """The forward pass of training, to the logits, over as many images as there are examples."""
    e, dataset, devices = programs.experiment, programs.dataset, programs.devices
    module, normalizer = recipes.context(e, dataset).module, programs.network.normalizer

    def of_one_model(variables, index, images):
        logits, _ = module.apply(
            variables, normalizer(images[index]), train=True, mutable=["batch_stats"]
        )
        return logits

    step = lift.lift(of_one_model, programs.plan.strategy, devices, shared=2)
    images = lift.replicate(dataset.x, devices)
    chunks = chunks_of_variables(programs)
    batches = np.arange(len(dataset.y), dtype=np.int32).reshape(-1, e.batch_size)

    def run():
        jax.block_until_ready(
            [step(variables, index, images) for variables in chunks for index in batches]
        )

    return run


class Case(NamedTuple):
    """What PyTorch scores: images x [N, H, W, C] and labels y, in batches of one size."""

    experiment: Experiment
    x: np.ndarray
    y: np.ndarray
    batch: int


def torch_scoring(case: Case) -> alternate.Contenders:
    import bench_torch  # torch is imported there and nowhere else

    return bench_torch.scoring(case)


def compare(experiment: Experiment, a) -> None:
    """Measures one network and prints its table."""
    num_images, batches = a.images, [int(b) for b in a.batches.split(",") if b]
    rng, devices = np.random.default_rng(0), lift.mesh()
    x = rng.integers(0, 256, (num_images, *SHAPES[experiment.model]), dtype=np.uint8)
    dataset = Dataset(x, np.arange(num_images, dtype=np.int32) % CLASSES, num_classes=CLASSES)
    whole = make_programs(experiment, dataset, devices)
    usual = usual_batch(devices, whole.network)
    # So few examples that the same number of images passes, in as many batches.
    fewer = num_images // usual * (usual // 18) or max(1, num_images // 18)
    eighteenth = make_programs(
        experiment, Dataset(x[:fewer], dataset.y[:fewer], num_classes=CLASSES), devices
    )
    base, one, many = (
        f"training forward, batch {experiment.batch_size}",
        "scoring, 1 query",
        "scoring, 18 queries",
    )
    runs = {
        base: (training_forward(whole), num_images),
        one: (scoring(whole, 1), num_images),
        many: (scoring(eighteenth, 18), 18 * fewer),
        **{f"scoring, 1 query, batch {b}": (scoring(whole, 1, b), num_images) for b in batches},
    }
    for run, _ in runs.values():
        run()  # compiles
    count = experiment.num_models
    how = (a.seconds, a.clock)
    measures: dict[Any, Callable[[], float]] = {
        name: lambda run=run, images=images: count * images * alternate.rate(run, *how)
        for name, (run, images) in runs.items()
    }
    about = [f"JAX {jax.__version__}, {hardware.describe(devices)}"]
    if a.torch == "true":
        case = Case(experiment, dataset.x, dataset.y, usual)
        cores = alternate.cores()
        rival = alternate.Process(torch_scoring, case, cores if len(cores) == 1 else ()).wait()
        about.append(rival.facts["about"])
        for name in rival.first:
            measures[name] = lambda name=name: (
                count * num_images * alternate.rate_together([rival], name, *how)
            )
    found = alternate.in_turn(measures, a.rounds)
    what = (
        f"{count} x {experiment.model}, images {SHAPES[experiment.model]}, "
        f"{experiment.compute_dtype}"
    )
    print(f"\n{what}, {whole.plan.strategy}, batches of scoring of {usual} images")
    print("; ".join(about))
    rivals = [name for name in found if name.startswith("PyTorch")]
    best = sorted(rivals, key=lambda name: statistics.median(found[name]))[-1:]
    unit = "models x images/s" if a.clock == "wall" else "models x images/CPU s"
    alternate.print_table(found, [base, one, *best], unit, {})
    print(
        f"18 queries cost {18 * alternate.ratio(found[one], found[many]):.1f} times what one costs"
    )


def per_example_in_torch(experiment: Experiment, x: np.ndarray, chunk: int) -> Callable[[], None]:
    """torch.func's gradients of one example at a time, and their L2 norms, model after model.

    Args:
      x: uint8 [images, ...].
      chunk: examples side by side.
    """
    import bench_torch
    import torch
    from torch.nn import functional

    build = {"mlp": bench_torch.mlp, "cnn": bench_torch.cnn}[experiment.model]
    parts = build(experiment, x.shape[1:])
    network = bench_torch.Network(*parts, torch.float32).eval()
    weights = {name: p.detach() for name, p in network.named_parameters()}
    inputs = torch.from_numpy(x).float() / 127.5 - 1
    labels = torch.arange(len(x)) % CLASSES

    def loss(weights, image, label):
        logits = torch.func.functional_call(network, weights, (image[None],))
        return functional.cross_entropy(logits, label[None])

    gradients = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))

    def run():
        for _ in range(experiment.num_models):
            for start in range(0, len(x), chunk):
                part = slice(start, start + chunk)
                found = gradients(weights, inputs[part], labels[part])
                sum(g.flatten(1).square().sum(1) for g in found.values()).sqrt()

    return run


def compare_signals(experiment: Experiment, a: argparse.Namespace) -> None:
    """Measures what signals cost of one network and prints their table."""
    e, rng, devices = experiment, np.random.default_rng(0), lift.mesh()
    x = rng.integers(0, 256, (a.images, *SHAPES[e.model]), dtype=np.uint8)
    dataset = Dataset(x, np.arange(a.images, dtype=np.int32) % CLASSES, num_classes=CLASSES)
    programs = make_programs(e, dataset, devices)
    images, labels = lift.replicate((dataset.x, dataset.y), devices)
    variables = chunks_of_variables(programs)
    model = network.make(e, dataset)
    runs, notes = {}, {}
    for name in dict.fromkeys(["phi", *e.signal_names]):
        one = dataclasses.replace(e, signals=name)
        scorer = chunk.ChunkScorer(
            one,
            model,
            score.check(one, model, dataset),
            dataset,
            devices,
            queries=1,
        )
        size = min(scorer.batch, a.images)
        held = (
            scorer.program.lower(variables[0], images, labels, np.arange(size, dtype=np.int32))
            .compile()
            .memory_analysis()
        )
        if held is not None:
            notes[name] = f"{held.temp_size_in_bytes / 2**20:.0f} MiB in batches of {size}"

        def run(scorer=scorer):
            for of_models in variables:
                for _ in sweep(scorer.program, of_models, images, labels, scorer.batch):
                    pass

        runs[name] = run
    base = ["phi"]
    if a.torch == "true":
        base.append("torch.func")
        size = 16 if model.convolutional else 64
        runs["torch.func"] = per_example_in_torch(e, x, size)
        notes["torch.func"] = f"weights' gradients, chunks of {size}"
    for run in runs.values():
        run()  # compiles
    found = alternate.in_turn(
        {
            name: lambda run=run: e.num_models * a.images * alternate.rate(run, a.seconds, a.clock)
            for name, run in runs.items()
        },
        a.rounds,
    )
    print(f"\n{e.num_models} x {e.model}, images {SHAPES[e.model]}, {programs.plan.strategy}")
    print(f"JAX {jax.__version__}, {hardware.describe(devices)}, seconds of the {a.clock} clock")
    alternate.print_table(found, base, "models x images/s", notes)
    for name in e.signal_names:
        print(f"{name} costs {alternate.ratio(found['phi'], found[name]):.1f} forward passes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--models", default="mlp,cnn,wide_resnet", help="networks, of mlp, cnn, wide_resnet, resnet"
    )
    add("--num_models", type=int, default=4, help="models that are scored (default 4)")
    add(
        "--batch_size",
        type=int,
        default=64,
        help="examples in a training step of one model (default 64)",
    )
    add("--batches", default="", help="more batch sizes of scoring, comma separated")
    add(
        "--images",
        type=int,
        default=2048,
        help="images that pass in one run, a multiple of --batch_size",
    )
    add("--cnn_width", type=int, default=16, help="filters of the first layer of cnn (default 16)")
    add("--depth", type=int, default=16, help="layers of wide_resnet (default 16)")
    add("--width", type=int, default=1, help="width factor of wide_resnet (default 1)")
    add("--resnet_depth", type=int, default=18, choices=(18, 34), help="layers of resnet")
    add("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the computation")
    add("--signals", default="", help="measure what these signals cost instead, comma separated")
    add("--boundary_steps", type=int, default=500, help="of the signal boundary_distance")
    add("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    add("--seconds", type=float, default=2.0, help="least length of a turn (default 2)")
    add("--clock", default="wall", choices=tuple(alternate.CLOCKS), help="of the rates")
    add("--torch", default="false", choices=("true", "false"), help="compare with PyTorch")
    a = parser.parse_args()
    if len(alternate.cores()) == 1:  # before XLA starts its threads
        keep_freed_memory()
    if a.torch == "true" and not importlib.util.find_spec("torch"):
        parser.error("--torch=true: PyTorch is not installed; pip install torch")
    if a.images % a.batch_size:
        parser.error(f"--images={a.images}: give a multiple of --batch_size={a.batch_size}")
    options = {
        "mlp": {},
        "cnn": {"width": a.cnn_width},
        "wide_resnet": {"depth": a.depth, "width": a.width},
        "resnet": {"depth": a.resnet_depth},
    }
    for name in a.models.split(","):
        experiment = Experiment(
            model=name,
            num_models=a.num_models,
            batch_size=a.batch_size,
            compute_dtype=a.dtype,
            **options[name],
        )
        if a.signals:
            signals = {"signals": a.signals, "boundary_steps": a.boundary_steps, "queries": 1}
            compare_signals(dataclasses.replace(experiment, **signals), a)
        else:
            compare(experiment, a)


if __name__ == "__main__":
    main()
