"""Online LiRA on all targets at once, against other tools' per-example loop for one target.

    python scripts/bench_attack.py [--models=256] [--examples=50000] [--queries=18]

Prints the median seconds of both, measured alternately in one run, their ratio per target, and the
peak memory. The loop is timed on some of the examples and scaled: its cost is exactly linear in
them.
"""

import argparse
import functools
import resource
import statistics
import time

import numpy as np
import scipy.stats

from lira_jax.attacks.lira import lira
from lira_jax.data import masks


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
    a = parser.parse_args()
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
