"""Whole trainings with --strategy=auto, timing of steps included, against every fixed choice.

    python scripts/bench_auto.py --flagfile=configs/location30_lira.flags \\
        --data_path=location30.npz --choices=auto,vmap,map,loop [--rounds=3] [--flag=value ...]

Claim to be tested: a training with auto takes at most 5 % longer than with the best fixed choice. A
choice is a strategy, or vmap/FORM with a form of convolution. lira-train runs from nothing for
each, in turn, for --rounds rounds; programs stay compiled between rounds, so the first round is
left out of the medians. Flags that are not of this script go to lira-train.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import alternate

from lira_jax.runs.directory import RunDirectory


def training(choice: str, folder: pathlib.Path, flags: list[str]) -> float:
    """Seconds of lira-train from nothing in a new run directory."""
    strategy, _, form = choice.partition("/")
    command = [sys.executable, "-m", "lira_jax.cli.train", *flags, f"--strategy={strategy}"]
    if form:
        command.append(f"--conv_form={form}")
    with tempfile.TemporaryDirectory(dir=folder) as run:

        def train():
            done = subprocess.run([*command, f"--workdir={run}"], stderr=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(done.stderr)

        taken = alternate.seconds(train)
        for where, kept in RunDirectory(run).read_plans().items():
            print(f"{choice} on {where}: {kept['plan']}")
        return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--choices",
        default="auto,loop,vmap,map",
        help="strategies, comma separated, auto among them",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="rounds that count (default 3), after one that does not",
    )
    own, flags = parser.parse_known_args()
    choices = own.choices.split(",")
    if "auto" not in choices or len(choices) < 2:
        parser.error(f"--choices={own.choices}: name auto and at least one fixed choice")
    with tempfile.TemporaryDirectory() as folder:
        measures = {c: lambda c=c: training(c, pathlib.Path(folder), flags) for c in choices}
        found = {c: taken[1:] for c, taken in alternate.in_turn(measures, own.rounds + 1).items()}
    speeds = {c: [3600 / seconds for seconds in taken] for c, taken in found.items()}
    alternate.print_table(speeds, ["auto"], "trainings/hour", {})
    best = max(
        (c for c in choices if c != "auto"),
        key=lambda c: alternate.ratio(speeds[c], speeds["auto"]),
    )
    print(f"auto takes {alternate.ratio(speeds[best], speeds['auto']):.3f} times as long as {best}")


if __name__ == "__main__":
    main()
