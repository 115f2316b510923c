"""Online LiRA on all targets at once, against other tools' per-example loop for one target.

    python scripts/bench_attack.py [--models=256] [--examples=50000] [--queries=18]
    python scripts/bench_attack.py --write=RUN [--classes=10] [...]

Prints the median seconds of both, measured alternately in one run, their ratio per target, and the
peak memory. The loop is timed on some of the examples and scaled: its cost is exactly linear in
them.

With --write it times nothing, and writes a run of that size with made-up outputs instead, for
`lira-attack --workdir=RUN` to be timed on: an example's logits are its own, plus noise of each
model and less of each query, plus 1.5 on the label's where the model trained on it.
"""

import argparse
import functools
import resource
import statistics
import time

import numpy as np
import scipy.stats

from lira_jax import progress
from lira_jax.attacks.lira import lira
from lira_jax.data import masks
from lira_jax.experiment import Experiment
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis
from lira_jax.runs.layout import KEEP, POOL


def loop_over_examples(phi, keep, target, examples):
    """One target, example by example, as the reference code does it."""
    others = np.arange(len(keep)) != target
    scores = np.empty(len(examples))
    for row, i in enumerate(examples):
        inside, outside = phi[others & keep[:, i], i], phi[others & ~keep[:, i], i]
        own = phi[target, i]
        pr_in = scipy.stats.norm.logpdf(own, np.median(inside, 0), np.std(inside, 0) + 1e-30)
        pr_out = scipy.stats.norm.logpdf(own, np.median(outside, 0), np.std(outside, 0) + 1e-30)
        scores[row] = (pr_in - pr_out).mean()
    return scores


def write(path, num_models, num_examples, num_queries, num_classes):
    """A run directory as lira-score leaves it, of made-up outputs."""
    run, keep = RunDirectory(path), masks.draw("balanced", num_models, num_examples)
    run.store_experiment(
        Experiment(
            dataset="cifar10",
            num_models=num_models,
            num_examples=num_examples,
            queries=num_queries,
        )
    )
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, num_examples).astype(np.int32)
    run.write(POOL.labels, labels)
    run.write(KEEP, keep)
    every = np.arange(num_examples)
    own = 2 * rng.normal(size=(num_examples, 1, num_classes))
    own[every, 0, labels] += 2
    for model in progress.each("write", range(num_models), "models"):
        rng = np.random.default_rng([1, model])
        logits = own + rng.normal(size=own.shape)
        logits = logits + 0.3 * rng.normal(size=(num_examples, num_queries, num_classes))
        logits[every, :, labels] += 1.5 * keep[model][:, None]
        logits = logits.astype(np.float32)
        run.write(POOL.signal("phi", model), phi_from_logits(logits, labels))
        run.write(POOL.signal("logits", model), logits[:, 0])
        run.record_diagnosis(model, Diagnosis())


def seconds(function, *arguments):
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", type=int, default=256, help="models, all of them targets (default 256)"
    )
    parser.add_argument("--examples", type=int, default=50000, help="examples (default 50000)")
    parser.add_argument(
        "--queries", type=int, default=18, help="queries of an example (default 18)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--write", default="", help="write a run of this size, and time nothing")
    parser.add_argument("--classes", type=int, default=10, help="of such a run (default 10)")
    a = parser.parse_args()
    if a.write:
        write(a.write, a.models, a.examples, a.queries, a.classes)
        return
    keep = masks.draw("balanced", a.models, a.examples)
    phi = np.random.default_rng(0).normal(size=(a.models, a.examples, a.queries)).astype(np.float32)
    some = np.arange(min(2000, a.examples))
    ours, loop = [], []
    for _ in range(a.rounds):
        loop.append(seconds(loop_over_examples, phi, keep, 0, some) * a.examples / len(some))
        ours.append(seconds(functools.partial(lira, variance="diagonal"), phi, keep))
    all_targets, one_target = statistics.median(ours), statistics.median(loop)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{a.models} models x {a.examples} examples x {a.queries} queries, median of {a.rounds} "
        "rounds"
    )
    print(f"lira, all {a.models} targets:  {all_targets:8.2f} s")
    print(f"loop, one target:        {one_target:8.2f} s, {one_target * a.models:.0f} s for all")
    print(f"ratio for all targets:   {one_target * a.models / all_targets:8.0f}")
    print(f"peak memory:             {peak:8.2f} GiB, of which phi {phi.nbytes / 2**30:.2f}")


if __name__ == "__main__":
    main()
