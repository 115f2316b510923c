"""A run that trains in a second, and how to interrupt it."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = "configs/digits.flags"
FLAGS = [
    "--num_models=4",
    "--num_examples=200",
    "--hidden=16",
    "--batch_size=50",
    "--epochs=40",
    "--checkpoint_every=8",
    "--augment=mirror",
    "--queries=2",
    "--strategy=loop",  # whatever the chunk, the same program
]


def environment(**more):
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "",
        **more,
    }


def start(command, **more):
    """Starts a command in a process group of its own."""
    return subprocess.Popen(
        [str(c) for c in command],
        env=environment(**more),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stage(name, workdir, *flags):
    recipe = [f"--flagfile={CONFIG}", f"--workdir={workdir}", *FLAGS]
    return [sys.executable, "-m", f"lira_jax.cli.{name}", *recipe, *flags]


def succeed(*processes):
    for process in processes:
        _, error = process.communicate()
        assert process.returncode == 0, error


def kill_in_training(process, workdir, model):
    """SIGKILL to the process group once the model has a checkpoint of a training that goes on."""
    deadline = time.monotonic() + 60
    while not list(workdir.glob(f"checkpoints/{model:04d}/epoch_????")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(workdir.glob(f"checkpoints/{model:04d}/final"))


def alone(workdir):
    """Trains and scores in one process."""
    for name in ("train", "score"):
        succeed(start(stage(name, workdir)))
    return workdir


def assert_same_dumps(found, expected, models=(0, 1, 2, 3)):
    """Bit for bit, and no model's but those."""
    names = sorted(
        f"{folder}/{model:04d}.npy" for folder in ("scores", "logits") for model in models
    )
    assert sorted(str(p.relative_to(found)) for p in found.glob("[sl]*/*.npy")) == names
    for name in ["keep.npy", *names]:
        np.testing.assert_array_equal(np.load(found / name), np.load(expected / name), strict=True)
