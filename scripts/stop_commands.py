"""Stops the commands at random moments by Ctrl-C or SIGTERM, and checks how they end.

    python scripts/stop_commands.py --count=50 --seed=0

Each must end within 5 seconds, with one line, status 130 or 143, and no process left; or it was
finished before. The signal goes to the process alone, or to its group as from a terminal.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psutil

ROOT = pathlib.Path(__file__).parents[1]
SMALL = "--dataset=digits --num_models=4 --num_examples=100 --epochs=1 --hidden=8 --queries=2"
LONG = "--dataset=digits --num_models=8 --num_examples=300 --epochs=400 --hidden=64"
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def command(kind: str, run: pathlib.Path, work: pathlib.Path) -> tuple[list[str], float]:
    """A command, and how long to let it go at most, in seconds."""
    shutil.rmtree(work, ignore_errors=True)
    stage, _, workers = kind.partition("-")
    start = [sys.executable, "-m", f"lira_jax.cli.{stage}"]
    if stage == "script":
        flags = ["--num_models=4", "--num_examples=200", "--epochs=2"]
        return ["scripts/train_shadows.sh", "configs/digits.flags", str(work), *flags], 25
    if stage == "train":
        flags = ["--checkpoint_every=3", f"--workers={workers or 1}", *LONG.split()]
        return [*start, f"--workdir={work}", *flags], 14
    if stage == "score":
        shutil.copytree(run, work)
        for folder in ("scores", "logits"):
            shutil.rmtree(work / folder)
        return [*start, f"--workdir={work}", f"--workers={workers or 1}"], 8
    out = {"attack": ["--attacks=all", f"--out={work}"], "export": [f"--out={work}"]}
    return [*start, f"--workdir={run}", *out.get(stage, [])], 7


def stop(words: list[str], seconds: float, number: signal.Signals, group: bool) -> str:
    """Starts a command and stops it; what went wrong, or an empty text."""
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        error = process.communicate(timeout=seconds)[1]
        return "" if process.returncode == 0 else f"it failed by itself: {error[-300:]}"
    except subprocess.TimeoutExpired:
        children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, number)
    try:
        error = process.communicate(timeout=20)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "it goes on"
    took = time.monotonic() - began
    time.sleep(0.3)
    alive = [c.pid for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
    lines = error.splitlines()
    told = [line for line in lines if "error: " in line]
    wrong = [
        (process.returncode not in (0, STATUS[number]), f"status {process.returncode}"),
        (took > 5, f"{took:.1f} s"),
        (bool(alive), f"processes left: {alive}"),
        (process.returncode != 0 and (len(told) != 1 or lines[-1:] != told), error[-1500:]),
    ]
    return "; ".join(text for holds, text in wrong if holds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng, bad = random.Random(asked.seed), 0
    kinds = ["train", "train-2", "score", "score-2", "attack", "report", "status", "export"]
    with tempfile.TemporaryDirectory() as folder:
        run, work = pathlib.Path(folder, "run"), pathlib.Path(folder, "work")
        for stage in ("train", "score", "attack", "report"):
            more = SMALL.split() if stage == "train" else []
            line = [sys.executable, "-m", f"lira_jax.cli.{stage}", f"--workdir={run}", *more]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            subprocess.run(line, cwd=ROOT, env=environment, check=True, capture_output=True)
        for _ in range(asked.count):
            kind, number = rng.choice([*kinds, "script"]), rng.choice(list(STATUS))
            group = rng.random() < 0.5
            words, most = command(kind, run, work)
            seconds = rng.uniform(0.1, most)  # before, Python itself is starting
            wrong = stop(words, seconds, number, group)
            bad += bool(wrong)
            whom = "group" if group else "process"
            print(
                f"{kind:8} {number.name:8} {whom:8} {seconds:5.2f} s  {wrong or 'ok'}", flush=True
            )
    print(f"{bad} of {asked.count} ended wrongly")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
