"""How the time of training, scoring and attacking grows with models, examples, queries and devices.

    python scripts/bench_scaling.py [--models=8,16,32,64,128,256] [--devices=1,2] [--rounds=5]

Claims to be tested: all three stages take time in proportion to each size, but for a fixed cost, so
a straight line fits; and devices share models without cost. A weighted line (relative errors) is
fitted to the medians of --rounds alternating rounds, and every point's deviation from it is
printed: where it is large, the claim is wrong there. A tiny network (64 - 32 - 10, 8x8 images)
  shows what does not come
from the arithmetic of networks. One run is an epoch with its batches drawn, or a pass of 2 queries
over all examples, of all models; the attack is online LiRA on all targets. While one size varies
the others have the middle value of their list.

On a CPU, devices are virtual and share its cores: more devices than cores cannot be faster, and
  fewer need not be
slower, as one device uses several cores too.
"""

import argparse
import functools
import os
import statistics
from collections.abc import Sequence

import alternate
import numpy as np
from alternate import Contenders, Process
from bench_score import make_programs, scoring
from bench_train import CLASSES, lifted

from lira_jax.attacks.lira import lira
from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment

STRAIGHT = 0.1  # relative deviation from the line beyond which a point is marked


def networks(points: Sequence[tuple[int, int, int]]) -> Contenders:
    """Training and scoring for each (models, examples, devices or 0 for all), in a process."""
    runs = {}
    for models, examples, count in points:
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (examples, 8, 8, 1), dtype=np.uint8)
        dataset = Dataset(x, np.arange(examples, dtype=np.int32) % CLASSES, num_classes=CLASSES)
        experiment = Experiment(num_models=models, hidden=(32,), learning_rate=0.01)
        programs = make_programs(experiment, dataset, lift.mesh(count or None))
        keep = masks.draw("balanced", models, examples)
        runs["training", models, examples, count] = lifted(programs, keep, draw=True)
        runs["scoring", models, examples, count] = scoring(programs, 2)
    return Contenders({}, runs)


def attack(models: int, examples: int, queries: int) -> float:
    """Seconds of online LiRA on all targets."""
    keep = masks.draw("balanced", models, examples)
    phi = np.random.default_rng(0).normal(size=(models, examples, queries)).astype(np.float32)
    return alternate.seconds(lambda: lira(phi, keep))


def seconds_in(process: Process, at_least: float, rounds: int) -> dict:
    """Medians of seconds of all that a process can run."""
    if process.failed:
        raise SystemExit(f"bench_scaling.py: error: {process.failed}")
    measures = {
        key: functools.partial(alternate.rate_together, [process], key, at_least)
        for key in process.first
    }
    return {
        key: 1 / statistics.median(rates)
        for key, rates in alternate.in_turn(measures, rounds).items()
    }


def print_line(
    stage: str, size: str, values: Sequence[int], seconds: Sequence[float], fixed: str
) -> None:
    """Prints seconds against a size, the line that fits them best, and how far each is from it."""
    x, t = np.array(values, float), np.array(seconds)
    slope, start = np.polyfit(x, t, 1, w=1 / t) if len(x) > 1 else (t[0] / x[0], 0.0)
    deviation = t / (start + slope * x) - 1
    print(
        f"\n{stage} against {size} ({fixed}): {start * 1e3:.2f} ms + {slope * 1e6:.2f} us x {size}"
    )
    print(f"{size:>10}  {'seconds':>9}  {'line':>9}  deviation")
    for value, found, off in zip(values, t, deviation, strict=True):
        mark = "  <- not straight" if abs(off) > STRAIGHT else ""
        print(f"{value:10d}  {found:9.4f}  {start + slope * value:9.4f}  {off:+8.1%}{mark}")


def print_devices(stage: str, seconds: dict[int, float], fixed: str) -> None:
    """Prints what devices are worth."""
    print(f"\n{stage} on several devices ({fixed}; {len(alternate.cores())} cores)")
    print(f"{'devices':>10}  {'seconds':>9}  times faster than {min(seconds)}")
    for count, found in seconds.items():
        print(f"{count:10d}  {found:9.4f}  {seconds[min(seconds)] / found:.2f}")


def grow_networks(a, models: Sequence[int], examples: Sequence[int]) -> None:
    """Training and scoring against models and examples."""
    middle_models, middle_examples = models[len(models) // 2], examples[len(examples) // 2]
    points = [(m, middle_examples, 0) for m in models] + [(middle_models, n, 0) for n in examples]
    process = Process(networks, sorted(set(points))).wait()
    found = seconds_in(process, a.seconds, a.rounds)
    process.close()
    for stage in ("training", "scoring"):
        of_models = [found[stage, m, middle_examples, 0] for m in models]
        of_examples = [found[stage, middle_models, n, 0] for n in examples]
        print_line(stage, "models", models, of_models, f"{middle_examples} examples")
        print_line(stage, "examples", examples, of_examples, f"{middle_models} models")


def grow_devices(a, models: int, examples: int, devices: Sequence[int]) -> None:
    """Training and scoring against devices: on a CPU virtual ones, else the first there are."""
    flags = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={max(devices)}"
    )
    process = Process(
        networks, [(models, examples, d) for d in devices], environment={"XLA_FLAGS": flags}
    ).wait()
    found = seconds_in(process, a.seconds, a.rounds)
    process.close()
    for stage in ("training", "scoring"):
        fixed = f"{models} models, {examples} examples"
        print_devices(stage, {d: found[stage, models, examples, d] for d in devices}, fixed)


def grow_attack(a, models: Sequence[int], examples: Sequence[int], queries: Sequence[int]) -> None:
    """The attack against models, examples and queries."""
    middle = m, n, q = (
        models[len(models) // 2],
        examples[len(examples) // 2],
        queries[len(queries) // 2],
    )
    lines = {
        "models": (models, [(v, n, q) for v in models], f"{n} examples, {q} queries"),
        "examples": (examples, [(m, v, q) for v in examples], f"{m} models, {q} queries"),
        "queries": (queries, [(m, n, v) for v in queries], f"{m} models, {n} examples"),
    }
    attack(*middle)  # imports and starts threads
    measures = {
        point: functools.partial(attack, *point)
        for _, points, _ in lines.values()
        for point in points
    }
    found = alternate.in_turn(measures, a.rounds)
    for size, (values, points, fixed) in lines.items():
        print_line(
            "attack", size, values, [statistics.median(found[point]) for point in points], fixed
        )


def _numbers(text: str) -> list[int]:
    return sorted({int(number) for number in text.split(",")})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--stages", default="networks,devices,attack", help="which of networks, devices, attack")
    add(
        "--models",
        type=_numbers,
        default="8,16,32,64,128,256",
        help="models that are trained and scored",
    )
    add("--examples", type=_numbers, default="1024,2048,4096,8192", help="their examples")
    add(
        "--devices",
        type=_numbers,
        default="1,2",
        help="devices; all at once must not be more than there are",
    )
    add(
        "--attack_models",
        type=_numbers,
        default="16,32,64,128,256",
        help="models that are attacked",
    )
    add("--attack_examples", type=_numbers, default="1000,2000,4000,8000", help="their examples")
    add("--queries", type=_numbers, default="1,2,18,50", help="their queries")
    add("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    add("--seconds", type=float, default=0.3, help="least length of a turn (default 0.3)")
    a = parser.parse_args()
    for stage in a.stages.split(","):
        if stage == "networks":
            grow_networks(a, a.models, a.examples)
        elif stage == "devices":
            grow_devices(
                a, a.models[len(a.models) // 2], a.examples[len(a.examples) // 2], a.devices
            )
        elif stage == "attack":
            grow_attack(a, a.attack_models, a.attack_examples, a.queries)
        else:
            parser.error(f"--stages={stage}: give networks, devices or attack")


if __name__ == "__main__":
    main()
