"""Targets that another recipe trains than the shadow models, from end to end."""

import importlib
import json
import os
import pathlib
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lira_jax.audit.results import Results
from lira_jax.cli.flags import parse
from lira_jax.errors import UserError
from lira_jax.report import material, sections
from lira_jax.runs import status as run_status
from lira_jax.runs.directory import RunDirectory

ROOT = pathlib.Path(__file__).parents[2]
COMMON = [
    "--num_models=8",
    "--epochs=10",
    "--batch_size=16",
    "--queries=2",
    "--strategy=loop",
    "--workers=1",
]
SHADOWS = ["--hidden=16"]
ATTACKS = "--attacks=lira_online,lira_online_fixed,lira_offline,loss,class_confidence,privacy_risk"
TARGETS = {
    "model": "tiny_models:tiny_conv",
    "optimizer": "adam",
    "learning_rate": "0.01",
    "augment": "mirror",
}


def call(stage, *flags):
    """Runs a command in this process, where a UserError reaches the test."""
    main = importlib.import_module(f"lira_jax.cli.{stage}").main
    arguments = [f"lira-{stage}", *map(str, flags)]
    parse(arguments)
    with mock.patch.object(sys, "argv", arguments):  # which the workers are given too
        main()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    x, y = (load_digits().images[..., None] * 15).astype(np.uint8), load_digits().target
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x_train=x[:200], y_train=y[:200], x_test=x[200:300], y_test=y[200:300])
    return [*COMMON, "--dataset=npz", f"--data_path={path}"]


@pytest.fixture(scope="module")
def target_flagfile(tmp_path_factory):
    path = tmp_path_factory.mktemp("flags") / "targets.flags"
    path.write_text("".join(f"--{name}={value}\n" for name, value in TARGETS.items()))
    return path


@pytest.fixture(scope="module")
def finished(digits, target_flagfile, tmp_path_factory):
    """A run with targets of another recipe, through all stages; tests do not change it."""
    run = tmp_path_factory.mktemp("runs") / "run"
    flags = [
        *digits,
        *SHADOWS,
        f"--target_flagfile={target_flagfile}",
        "--probes=noise",
    ]
    for stage in ("train", "score"):
        call(stage, f"--workdir={run}", *flags)
    call("attack", f"--workdir={run}", *flags, ATTACKS)
    call("report", f"--workdir={run}", *flags)
    return run


@pytest.fixture
def copied(finished, tmp_path):
    return pathlib.Path(shutil.copytree(finished, tmp_path / "run"))


def results(path):
    return json.loads((path / "results.json").read_text())


def assert_same_arrays(found, expected, folders):
    names = [
        path.relative_to(expected)
        for folder in folders
        for path in sorted((expected / folder).glob("*.npy"))
    ]
    assert names
    for name in names:
        np.testing.assert_array_equal(np.load(found / name), np.load(expected / name), strict=True)


@pytest.mark.slow
def test_it_equals_two_runs_of_which_one_attacks_the_other(digits, finished, tmp_path):
    other = [f"--{name}={value}" for name, value in TARGETS.items()]
    for name, flags in (("shadows", SHADOWS), ("targets", other)):
        for stage in ("train", "score"):
            call(stage, f"--workdir={tmp_path / name}", *digits, *flags)
    for mine, alone in (
        (finished, tmp_path / "shadows"),
        (finished / "targets", tmp_path / "targets"),
    ):
        assert_same_arrays(mine, alone, ("scores", "logits"))
    both = [f"--workdir={tmp_path / 'targets'}", f"--shadows={tmp_path / 'shadows'}"]
    call("attack", *both, f"--out={tmp_path / 'out'}", ATTACKS)
    assert_same_arrays(finished, tmp_path / "out", ("attacks",))
    assert (finished / "results.csv").read_text() == (tmp_path / "out/results.csv").read_text()
    assert results(finished)["attacks"] == results(tmp_path / "out")["attacks"]


@pytest.mark.slow
def test_it_equals_shadows_that_are_named(finished, tmp_path):
    call(
        "attack",
        f"--workdir={finished / 'targets'}",
        f"--shadows={finished}",
        f"--out={tmp_path}",
        ATTACKS,
    )
    assert_same_arrays(finished, tmp_path, ("attacks",))
    assert (finished / "results.csv").read_text() == (tmp_path / "results.csv").read_text()
    named, own = results(tmp_path), results(finished)
    assert named.pop("sha256") != own.pop("sha256")  # of the way to the targets too
    assert (tmp_path / named.pop("target_run")).resolve() == (
        finished / own.pop("target_run")
    ).resolve()
    assert named == own
    assert own["target_recipe"] == {**TARGETS, "learning_rate": 0.01}
    assert own["probes"]["noise"]["false_positive_rate"]


def test_shadows_that_are_named_attack_the_runs_own_models(finished, tmp_path):
    call(
        "attack",
        f"--workdir={finished}",
        f"--shadows={finished}",
        f"--out={tmp_path}",
        "--attacks=loss",
    )
    scores, phi = (
        np.load(tmp_path / "attacks/loss.npy"),
        np.load(finished / "scores/0003.npy")[:, 0],
    )
    np.testing.assert_array_equal(scores[3].argsort(), phi.argsort())
    assert results(tmp_path)["target_recipe"] == {}


def test_some_of_the_targets_can_be_named(finished, tmp_path):
    call(
        "attack",
        f"--workdir={finished}",
        "--targets=1,6",
        f"--out={tmp_path}",
        "--attacks=lira_offline",
    )
    scores = [np.load(folder / "attacks/lira_offline.npy") for folder in (tmp_path, finished)]
    np.testing.assert_array_equal(scores[0], scores[1][[1, 6]])


def test_targets_are_an_ordinary_run_directory(finished):
    paths = finished, finished / "targets"
    stored, own = (
        json.loads((path / "experiment.json").read_text())["experiment"] for path in paths
    )
    changed = {**TARGETS, "learning_rate": 0.01, "hidden": [512, 256]}
    assert stored["target_recipe"] == {**TARGETS, "learning_rate": 0.01}
    changed["target_recipe"] = {}
    assert own == {**stored, **changed}
    np.testing.assert_array_equal(*(np.load(path / "keep.npy") for path in paths))


def test_the_page_keeps_targets_and_shadow_models_apart(finished):
    run = finished
    found = material.read_results(RunDirectory(run))
    groups = sections.accuracies(found)
    keep, labels = np.load(run / "keep.npy"), np.load(run / "labels.npy")
    right = np.stack(
        [np.load(run / f"targets/logits/{m:04d}.npy").argmax(-1) == labels for m in range(8)]
    )
    assert groups["members"] == pytest.approx(
        [r[k].mean() for r, k in zip(right, keep, strict=True)]
    )
    assert groups["non-members"] == pytest.approx(
        [r[~k].mean() for r, k in zip(right, keep, strict=True)]
    )
    tested = [
        {r["model"]: r["test_accuracy"] for r in RunDirectory(f).read_metrics()}
        for f in (run / "targets", run)
    ]
    assert groups["test set"] == [tested[0][m] for m in range(8)]
    assert groups["test set"] != [tested[1][m] for m in range(8)]
    shown = material.read_examples(RunDirectory(run), found, None)
    np.testing.assert_array_equal(shown.exposed.phi[5], np.load(run / "scores/0005.npy")[:, 0])
    text = (run / "report/index.html").read_text()
    recipe = "model=tiny_models:tiny_conv, optimizer=adam, learning_rate=0.01, augment=mirror"
    assert (
        f"The targets were trained by another recipe than the shadow models, with {recipe}." in text
    )
    assert "All this is of the shadow models" in text
    assert "The targets are right on" in text
    assert "--target_flagfile=targets.flags" in text
    assert "--model=tiny_models:tiny_conv --optimizer=adam --learning_rate=0.01" in text


@pytest.mark.slow
def test_model_ids_and_workers_are_of_both(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")  # of the workers
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "targets.flags").write_text("--augment=mirror\n")
    recipe = [*digits, *SHADOWS, "--epochs=2", "--workers=2"]
    recipe += [f"--target_flagfile={tmp_path / 'targets.flags'}"]
    call("train", f"--workdir={run.path}", *recipe, "--model_ids=0,5")
    status = run_status.inspect(run, Results.read)
    assert status.trained == status.targets.trained == [0, 5]


def test_the_status_tells_of_both(copied):
    run = RunDirectory(copied)
    assert run_status.inspect(run, Results.read).unfinished is None
    shutil.rmtree(run.targets().checkpoints() / "0003/final")
    text = run_status.as_text(run_status.inspect(run, Results.read))
    assert "train   + 8 of 8 models finished" in text
    assert "train   - 7 of 8 targets finished; model 3 without a checkpoint" in text
    assert "score   + 8 of 8 targets finished" in text
    assert text.endswith(
        f"next      lira-train --workdir={run.path} --target_flagfile=FILE --model_ids=3"
    )


def test_damage_of_targets_is_found_and_their_scores_make_results_old(copied):
    run = RunDirectory(copied)
    scores = copied / "targets/scores/0002.npy"
    os.utime(scores, (2e9, 2e9))
    assert run_status.inspect(run, Results.read).stale == ["attack"]
    scores.write_bytes(scores.read_bytes()[:-1])
    status = run_status.inspect(run, Results.read)
    assert list(status.damaged) == ["targets/scores/0002.npy"]
    assert status.unfinished == "score"
    with pytest.raises(UserError, match=r"targets/scores/0002.npy does not match its sha256"):
        call("attack", f"--workdir={copied}", "--attacks=loss")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("--model=resnt", "--model=resnt: did you mean resnet"),
        ("--model=cnn\n--optimizer=adm", "--optimizer=adm: did you mean adam"),
        ("--learning_rate=-1", "--learning_rate=-1.0: give a number >= 0"),
        ("--shift=99\n--augment=mirror_shift", "--shift=99"),
        ("--seed=3", "--seed=3: the targets share the shadow models' data, masks, seed"),
        ("--num_examples=3", "--num_examples=3: the targets share"),
        ("--queries=1", "--queries=1: the targets share"),
        ("--optimiser=adam", "Unknown command line flag 'optimiser'"),
        ("--epochs=many", "epochs"),
        ("# nothing", "it sets no flag"),
        (None, "Unable to open flagfile"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_and_the_file_named(
    digits, tmp_path, content, message
):
    path, run = tmp_path / "other.flags", tmp_path / "run"
    if content:
        path.write_text(content + "\n")
    with pytest.raises(UserError) as error:
        call("train", f"--workdir={run}", *digits, f"--target_flagfile={path}")
    assert str(error.value).startswith(f"--target_flagfile={path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not run.exists()


@pytest.mark.parametrize("stage", ["train", "score", "attack"])
def test_another_recipe_for_trained_targets_is_refused(copied, tmp_path, stage):
    path = tmp_path / "other.flags"
    path.write_text("--optimizer=sgd\n")
    before = (copied / "experiment.json").read_text()
    with pytest.raises(
        UserError,
        match=r"--target_flagfile of optimizer=sgd: the run in .* has target_flagfile of .*"
        r"optimizer=adam.*; drop the",
    ):
        call(stage, f"--workdir={copied}", f"--target_flagfile={path}")
    assert (copied / "experiment.json").read_text() == before


def test_an_option_of_another_family_in_the_file_is_passed_over(digits, tmp_path, capsys):
    path = tmp_path / "targets.flags"
    path.write_text("--model=tiny_models:tiny_conv\n--hidden=16\n--epochs=1\n")
    call("train", f"--workdir={tmp_path / 'run'}", *digits, f"--target_flagfile={path}")
    said = capsys.readouterr().err
    assert "note: --hidden=16 in a flagfile is passed over: --model=tiny_models:tiny_conv" in said
    stored = RunDirectory(tmp_path / "run").read_experiment()
    assert dict(stored.target_recipe) == {"model": "tiny_models:tiny_conv", "epochs": 1}
