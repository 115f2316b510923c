"""A recipe and networks of the user's own go through the commands: trained, killed, resumed, scored
and attacked."""

import json

import numpy as np
import pytest
from cli import small_run

PATH = f"{small_run.ROOT}:{small_run.ROOT / 'tests'}"


def run(name, workdir, *flags):
    command = small_run.stage(name, workdir, *flags)
    small_run.succeed(small_run.start(command, PYTHONPATH=PATH))


@pytest.mark.slow
def test_a_recipe_with_two_networks_is_killed_resumed_scored_and_attacked(tmp_path):
    own = ("--recipe=own_recipes:adversarial", "--learning_rate=0.05")
    for name in ("train", "score"):
        run(name, tmp_path / "whole", *own)
    killed = small_run.start(small_run.stage("train", tmp_path / "run", *own), PYTHONPATH=PATH)
    small_run.kill_in_training(killed, tmp_path / "run", model=1)
    for name in ("train", "score"):
        run(name, tmp_path / "run", *own)
    small_run.assert_same_dumps(tmp_path / "run", tmp_path / "whole")
    run("attack", tmp_path / "run", "--attacks=loss,phi", *own)
    assert (tmp_path / "run" / "results.csv").read_text().count("\n") > 2
    records = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["attack_loss"] > 0 for line in records)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["nnx_net", "dropout"])
def test_a_network_of_ones_own_is_trained_scored_and_attacked(model, tmp_path):
    own = (f"--model=own_recipes:{model}", "--hidden=512,256")
    for name in ("train", "score"):
        run(name, tmp_path, *own)
    run("attack", tmp_path, "--attacks=loss,phi", *own)
    assert np.load(tmp_path / "logits" / "0003.npy").shape == (200, 10)


def test_a_wrong_recipe_is_one_line_and_fixes_nothing(tmp_path):
    command = small_run.stage("train", tmp_path, "--recipe=own_recipes:no_loss")
    process = small_run.start(command, PYTHONPATH=PATH)
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.strip().splitlines()[-1].startswith("lira-train: error: --recipe=own_recipes:no_l")
    assert "Traceback" not in error
    assert not (tmp_path / "keep.npy").exists()
