"""What DP-SGD costs: many models at once against plain training, and against jax-privacy.

    python scripts/bench_privacy.py [--num_models=8] [--hidden=256] [--batch_size=64] [--steps=8]
    [--blocks=0,4]

Claim to be tested: a DP-SGD step of many models at once takes no longer than one model at a time by
jax-privacy's clipped_grad, which is compared if it is installed (pip install jax-privacy). What it
takes against a plain step is printed. All train the same multilayer perceptrons on
28x28 images by SGD with momentum. Ours are the programs that lira-train runs, in batches with room
to spare (Poisson) as DP-SGD draws them; drawing them is not timed. The other's batch has as many
places. Contenders of one process take turns every few steps, by CPU time: ratios hold on a machine
that is shared. Medians over --rounds.
"""

import argparse
import dataclasses
import importlib.util
import statistics
import sys
from collections.abc import Callable

import alternate
import jax
import jax.numpy as jnp
import optax
from bench_train import CLASSES, SHAPES, Case, lifted

from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment
from lira_jax.models import recipe as recipes
from lira_jax.training import losses, optimizer
from lira_jax.training.programs import Plan, Programs

CLIP, NOISE = 1.0, 1.0


def ours(case: Case, plan: Plan) -> tuple[Callable[[], None], Programs]:
    """An epoch of all models by lira-train's programs."""
    dataset = Dataset(*case.data(), num_classes=CLASSES)
    keep = masks.draw("balanced", case.experiment.num_models, len(dataset.y))
    sizes = (int(keep.sum(1).min()), int(keep.sum(1).max()))
    programs = Programs(case.experiment, dataset, sizes, lift.mesh(), plan)
    return lifted(programs, keep), programs


def theirs(case: Case, places: int) -> Callable[[], None]:
    """As many steps of as many models, one after the other, by jax-privacy."""
    import jax_privacy

    e = case.experiment
    x, y = (jnp.asarray(a) for a in case.data())
    dataset = Dataset(*case.data(), num_classes=CLASSES)
    context = recipes.context(e, dataset)
    module, descent = context.module, optimizer.make(e, context.total_steps)

    def loss_of(params, inputs, labels):
        logits = module.apply({"params": params}, inputs, train=True)
        return losses.cross_entropy(logits, labels).mean()

    clipped = jax_privacy.clipped_grad(
        loss_of, l2_clip_norm=CLIP, batch_argnums=(1, 2), normalize_by=e.batch_size
    )

    def step(state, key, index, is_padding):
        params, memory = state
        inputs = x[index].astype(jnp.float32) / 255
        slope = clipped(params, inputs, y[index], is_padding_example=is_padding)
        leaves, structure = jax.tree.flatten(slope)
        deviation = NOISE * CLIP / e.batch_size
        keys = jax.random.split(key, len(leaves))
        slope = structure.unflatten(
            [
                g + deviation * jax.random.normal(k, g.shape)
                for g, k in zip(leaves, keys, strict=True)
            ]
        )
        updates, memory = descent.update(slope, memory, params)
        return optax.apply_updates(params, updates), memory

    train = jax.jit(step, donate_argnums=0)
    states = []
    for m in range(e.num_models):
        params = module.init(jax.random.key(m), jnp.zeros((1, *case.shape)), train=False)["params"]
        states.append((params, descent.init(params)))
    index = jnp.arange(places, dtype=jnp.int32)
    is_padding = index >= e.batch_size

    def run():
        for m in range(len(states)):
            for s in range(case.steps):
                states[m] = train(states[m], jax.random.key(s), index, is_padding)
        jax.block_until_ready(states)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--num_models", type=int, default=8, help="trained at once (default 8)")
    add("--hidden", type=int, default=256, help="units of the hidden layer (default 256)")
    add("--batch_size", type=int, default=64, help="examples in a step (default 64)")
    add("--steps", type=int, default=8, help="of a turn (default 8)")
    add("--blocks", default="0", help="--dp_block, comma separated (default 0)")
    add("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    a = parser.parse_args()
    plain = Experiment(
        model="mlp",
        hidden=(a.hidden,),
        num_models=a.num_models,
        batch_size=a.batch_size,
        learning_rate=0.01,
        schedule="constant",
        weight_decay=0.0,
        normalize="pixel",
        epochs=1,
    )
    private = dataclasses.replace(plain, defence="dp_sgd", dp_noise=NOISE, dp_clip=CLIP)
    plan = Plan("vmap", "plain", a.num_models)
    shape = SHAPES["mlp"]
    runs, places = {}, a.batch_size
    runs["plain"], _ = ours(Case(plain, shape, a.steps, ()), plan)
    for block in map(int, a.blocks.split(",")):
        one = dataclasses.replace(private, dp_block=block)
        runs[f"dp_sgd, blocks of {block}" if block else "dp_sgd"], programs = ours(
            Case(one, shape, a.steps, ()), plan
        )
        places = programs.places
    if importlib.util.find_spec("jax_privacy"):
        runs["jax-privacy"] = theirs(Case(private, shape, a.steps, ()), places)
    for run in (*runs.values(), *runs.values()):
        run()  # compiles, and touches all memory once
    measures = {name: lambda run=run: alternate.seconds(run, "cpu") for name, run in runs.items()}
    found = alternate.in_turn(measures, a.rounds)
    print(" ".join(["bench_privacy.py", *sys.argv[1:]]))
    print(f"{a.num_models} models, batches of {a.batch_size} in {places} places")
    for name, seconds in found.items():
        each = 1e3 * statistics.median(seconds) / (a.steps * a.num_models)
        against = alternate.ratio(seconds, found["plain"])
        how = "one at a time" if name == "jax-privacy" else "at once"
        print(f"{name:22}{how:15}{each:8.2f} ms of CPU a step and model{against:8.2f} x plain")


if __name__ == "__main__":
    main()
