"""lira-status, on run directories whose state is known."""

import dataclasses
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from by_hand import rewrite
from report import synthetic_run

from lira_jax.audit.results import VERSION, Results
from lira_jax.experiment import Experiment, target_experiment, target_recipe
from lira_jax.runs import checkpoint
from lira_jax.runs import status as run_status
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import probes

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A run that tests only copy."""
    return synthetic_run.write(tmp_path_factory.mktemp("scored") / "run").path


@pytest.fixture
def finished(scored, tmp_path):
    """A run that is trained, scored, attacked and reported."""
    run = RunDirectory(shutil.copytree(scored, tmp_path / "run"))
    for model in range(8):
        (run.checkpoints() / f"{model:04d}" / checkpoint.FINAL).mkdir(parents=True)
    run.write_text("report/index.html", "a page")
    return run


def inspect(run):
    return run_status.inspect(run, Results.read)


def said(run):
    return run_status.as_text(inspect(run)).splitlines()


def line(run, stage):
    return next(x for x in said(run) if x.startswith(stage))


def test_of_a_finished_run_nothing_is_left(finished):
    assert inspect(finished).unfinished is None
    lines = said(finished)
    assert [x[8] for x in lines if x.split()[0] in run_status.STAGES] == ["+"] * 4
    assert lines[-1] == "next      nothing is left to do"
    assert "5 attacks saved, results.json is here" in line(finished, "attack")


def test_a_killed_training_tells_each_models_epoch(finished):
    for model, epoch in ((1, 2), (2, 2), (3, 2), (6, 4)):
        home = finished.checkpoints() / f"{model:04d}"
        (home / checkpoint.FINAL).rmdir()
        (home / checkpoint.epoch_name(epoch)).mkdir()
    (finished.checkpoints() / "0005" / checkpoint.FINAL).rmdir()
    assert line(finished, "train") == (
        "train   - 3 of 8 models finished; model 6 at epoch 4 of 5; models 1-3 at epoch 2 of 5; "
        "model 5 without a checkpoint"
    )
    assert "newest metrics: model 7, epoch 5: loss 0.1, train_accuracy 90.0%" in said(finished)[2]
    assert said(finished)[-1].endswith(f" lira-train --workdir={finished.path} --model_ids=1:4,5,6")


def forget(run, *names):
    """Takes dumps out of the manifest, as if they had not been written."""
    run.enter({}, without=names)


def test_missing_scores_are_named_and_scored_next(finished):
    forget(finished, "scores/0002.npy", "logits/0004.npy")
    assert line(finished, "score") == "score   - 6 of 8 models finished; models 2, 4 to be scored"
    assert said(finished)[-1] == f"next      lira-score --workdir={finished.path} --model_ids=2,4"


def test_a_model_that_has_not_seen_the_probes_is_to_be_scored(finished):
    e = finished.read_experiment()
    finished.settle_experiment(dataclasses.replace(e, probes="noise,scaled"), {"probes"})
    for name in ("noise", "scaled"):
        for signal in ("phi", "logits"):
            for model in range(8):
                finished.write(probes(name).signal(signal, model), np.zeros((3, 2), np.float32))
    assert inspect(finished).left("score") == []
    forget(finished, probes("scaled").signal("logits", 5))
    assert said(finished)[-1] == f"next      lira-score --workdir={finished.path} --model_ids=5"


def test_the_command_is_for_models_and_targets_that_are_left(finished):
    recipe = target_recipe({"hidden": (4,)})
    e = dataclasses.replace(finished.read_experiment(), target_recipe=recipe)
    targets = finished.targets()
    finished.store_experiment(e)
    targets.store_experiment(target_experiment(e))
    for model in range(3):
        (targets.checkpoints() / f"{model:04d}" / checkpoint.FINAL).mkdir(parents=True)
    (finished.checkpoints() / "0001" / checkpoint.FINAL).rmdir()
    lines = [x for x in said(finished) if x.startswith("train")]
    assert lines == [
        "train   - 7 of 8 models finished; model 1 without a checkpoint",
        "train   - 3 of 8 targets finished; models 3-7 without a checkpoint",
    ]
    assert said(finished)[-1] == f"next      lira-train --workdir={finished.path} --model_ids=1,3:8"


@pytest.mark.parametrize(
    "name", ["keep.npy", "labels.npy", "scores/0002.npy", "logits/0003.npy", "attacks/loss.npy"]
)
@pytest.mark.parametrize("harm", ["one bit", "cut short", "gone"])
def test_damage_is_found_and_named(finished, name, harm):
    path = finished.path / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink() if harm == "gone" else path.write_bytes(
        content if harm == "one bit" else content[:-1]
    )
    status = inspect(finished)
    assert list(status.damaged) == [name]
    text = line(finished, "DAMAGED")
    assert str(path) in text
    assert ("is missing" in text) == (harm == "gone")
    assert "delete those damaged files that are there" in said(finished)[-1]


def test_what_was_changed_or_put_in_another_place_is_found(finished):
    for model in range(8):
        shutil.rmtree(finished.checkpoints() / f"{model:04d}")
        checkpoint.save(finished.checkpoints(), model, checkpoint.FINAL, {"w": np.ones(3)})
    rewrite(finished.path / "results.json", '"version": 3', '"version": 2', hashed=True)
    homes = [finished.checkpoints() / f"{model:04d}/final" for model in range(8)]
    shutil.copytree(homes[2], homes[3], dirs_exist_ok=True)
    (homes[5] / "state/manifest.ocdbt").write_bytes(b"")
    says = {
        "results.json": "was changed after it was written: run lira-attack again",
        "checkpoints/0003/final": "is final of model 2: delete it and run lira-train again",
        "checkpoints/0005/final": "does not match the sha256",
    }
    damaged = inspect(finished).damaged
    assert sorted(damaged) == sorted(says)
    assert all(says[name] in text for name, text in damaged.items())


def test_a_process_on_another_machine_is_seen_by_its_claim(finished):
    with finished.at_work("train", [3]):
        (claim,) = (finished.path / ".processes").iterdir()
        rewrite(claim, platform.node(), "node7")
        assert re.fullmatch(r"running +lira-train \(process \d+ on node7\)", line(finished, "runn"))
        assert said(finished)[-1].startswith("next      wait, or look again")
    assert line(finished, "idle")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda text: text[:-20], "is not JSON"),
        (lambda text: text.replace(f'"version": {VERSION}', '"version": 99'), "has version 99"),
        (lambda text: text.replace('"num_targets"', '"number_of_targets"'), "num_targets"),
        (lambda text: "{}", "holds no evaluated attack"),
    ],
)
def test_damaged_results_are_found(finished, harm, says):
    path = finished.path / "results.json"
    path.write_text(harm(re.sub(r',\s*"sha256": "\w{64}"', "", path.read_text())))  # as earlier
    assert list(inspect(finished).damaged) == ["results.json"]
    assert says in line(finished, "DAMAGED")


def test_what_is_older_than_its_sources_is_made_again(finished):
    later = time.time() + 100
    os.utime(finished.path / "results.json", (later, later))
    assert "older than the results" in line(finished, "report")
    assert said(finished)[-1] == f"next      lira-report --workdir={finished.path}"
    os.utime(finished.path / "scores/0000.npy", (later + 100, later + 100))
    assert "older than the scores" in line(finished, "attack")
    assert said(finished)[-1] == f"next      lira-attack --workdir={finished.path}"


def test_diverged_models_are_named(finished):
    finished.append_metrics([{"model": 3, "epoch": 5, "loss": None, "diverged": "NaN outputs"}])
    assert "          model 3 has diverged and is left out: NaN outputs" in said(finished)


def test_models_that_learned_nothing_are_named(finished):
    nothing = {"loss": 2.3, "diverged": None, "learned_nothing": "9 % are right"}
    finished.append_metrics([{"model": m, "epoch": 5, **nothing} for m in (2, 3, 4, 6)])
    text = "models 2-4, 6 learned nothing and are attacked like the others: 9 % are right"
    assert f"          {text}" in said(finished)


def test_a_run_whose_models_have_all_diverged_is_to_be_trained_anew(finished):
    finished.append_metrics([{"model": m, "epoch": 2, "diverged": "NaN"} for m in range(8)])
    assert said(finished)[-1] == (
        "next      train again in another --workdir, with a lower --learning_rate"
    )


def test_a_fresh_run_is_to_be_trained(tmp_path):
    run = RunDirectory(tmp_path / "a run")
    run.settle_experiment(Experiment(num_models=4), {"num_models"})
    assert line(run, "train") == "train   - 0 of 4 models finished"
    assert said(run)[-1] == f"next      lira-train '--workdir={tmp_path}/a run'"


def test_temporary_files_of_the_dead_are_mentioned_and_those_of_the_living_are_not(finished):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    dead = finished.path / f"scores/.{platform.node()}@{gone.stdout.strip()}.0001.npy"
    dead.touch()
    (finished.path / f"scores/.{platform.node()}@{os.getpid()}.0002.npy").touch()
    (finished.path / f"scores/.another.host@{gone.stdout.strip()}.0003.npy").touch()  # who may live
    status = inspect(finished)
    assert status.leftover == [str(dead)]
    assert not status.damaged


@pytest.mark.skipif(not pathlib.Path("/proc/self/cmdline").exists(), reason="there is no /proc")
def test_a_running_stage_is_seen_and_its_run_alone(finished, tmp_path):
    code = "import sys, time; print(flush=True); time.sleep(60)"
    arguments = [
        sys.executable,
        "-c",
        code,
        "lira_jax.cli.train",
        "--workdir=run",
        "--num_models=8",
    ]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            assert run_status.processes(finished.path) == [(process.pid, "train")]
            assert run_status.processes(tmp_path) == []
            assert line(finished, "running") == f"running   lira-train (process {process.pid})"
            assert said(finished)[-1].startswith("next      wait, or look again")
        finally:
            process.kill()
    assert run_status.processes(finished.path) == []
    assert "no process of this run on this machine" in line(finished, "idle")


def test_the_command_changes_nothing_and_says_damage_in_its_exit_status(finished):
    def call(workdir=finished.path):
        return subprocess.run(
            [sys.executable, "-m", "lira_jax.cli.status", f"--workdir={workdir}"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
        )

    before = {p: p.stat().st_mtime_ns for p in finished.path.rglob("*")}
    done = call()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{finished.path}: 8 x mlp on npz, 5 epochs, 2 queries"
    assert {p: p.stat().st_mtime_ns for p in finished.path.rglob("*")} == before
    (finished.path / "keep.npy").unlink()
    assert call().returncode == 1
    done = call(finished.path / "nowhere")
    assert done.returncode == 1
    assert re.fullmatch(
        r"lira-status: error: .*there is no experiment.json; run lira-train first\n", done.stderr
    )
