import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from lira_jax.cli import workers
from lira_jax.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]


def test_auto_is_a_worker_a_core_for_convolutions_on_a_cpu(monkeypatch):
    monkeypatch.setattr(workers, "_cores", lambda: [0, 1, 2, 3])
    assert workers.count("auto", convolutional=True, models=64) == 4
    assert workers.count("auto", convolutional=True, models=3) == 3
    assert workers.count("auto", convolutional=False, models=64) == 1
    assert workers.count("8", convolutional=False, models=64) == 8
    for wrong in ("0", "-1", "many", ""):
        with pytest.raises(UserError, match="--workers="):
            workers.count(wrong, convolutional=True, models=4)


def run(stage, *flags):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    command = [sys.executable, "-m", f"lira_jax.cli.{stage}", *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_workers_make_the_dumps_of_one_process(tmp_path):
    recipe = ["--model=tiny_models:tiny_conv", "--num_models=4", "--num_examples=100", "--epochs=2", "--queries=2"]
    for name, number in (("one", 1), ("two", 2)):
        for stage in ("train", "score"):
            done = run(stage, f"--workdir={tmp_path / name}", *recipe, f"--workers={number}")
            assert done.returncode == 0, done.stderr
    assert "worker 1 of 2" in done.stderr
    for path in sorted((tmp_path / "one/scores").iterdir()):
        np.testing.assert_allclose(np.load(path), np.load(tmp_path / "two/scores" / path.name), rtol=1e-4, atol=1e-4)


def test_a_worker_that_fails_is_named(tmp_path):
    flags = [f"--workdir={tmp_path}/run", "--model=tiny_models:tiny_conv", "--num_models=4", "--num_examples=100"]
    assert run("train", *flags, "--epochs=1", "--queries=1", "--model_ids=0").returncode == 0
    done = run("score", f"--workdir={tmp_path}/run", "--workers=2")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "worker" in last
    assert "status 1" in last
