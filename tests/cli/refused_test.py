"""Whatever a command refuses, it leaves the run directory as it was; what it changes, can run."""

import hashlib
import importlib
import json
import shutil
import sys
from unittest import mock

import numpy as np
import pytest

from lira_jax.cli.flags import parse
from lira_jax.errors import UserError
from lira_jax.runs.directory import RunDirectory

SMALL = "--dataset=digits --num_models=4 --num_examples=100 --epochs=1 --hidden=8 --queries=2"


def call(stage, *flags):
    """Runs a command in this process, where a UserError reaches the test."""
    main = importlib.import_module(f"lira_jax.cli.{stage}").main
    arguments = [f"lira-{stage}", *flags]
    parse(arguments)
    with mock.patch.object(sys, "argv", arguments):
        main()


def hashes(path):
    files = [p for p in path.rglob("*") if p.is_file() and p.name != ".lock"]
    return {p.relative_to(path): hashlib.sha256(p.read_bytes()).digest() for p in files}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "run"
    call("train", f"--workdir={path}", *SMALL.split(), "--workers=1")
    return path


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory):
    path = shutil.copytree(trained, tmp_path_factory.mktemp("scored") / "run")
    call("score", f"--workdir={path}")
    return path


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--dataset=wikitext", "--dataset=wikitext"),
        (
            "--strategy=map --conv_form=plain --model=cnn --hidden=512,256",
            "--strategy=map: on a CPU",
        ),
        ("--workers=foo", "--workers=foo: give auto or a number"),
        ("--workers=0", "--workers=0: give auto or a number"),
        ("--signals=foo", "--signals=foo"),
        ("--signals=phi,confidence", "--signals=confidence: it is computed from phi"),
        ("--probes=noise,foo", "--probes=foo"),
        ("--outliers=5", "--outliers"),
        ("--masks=file:/nowhere.npy", "/nowhere.npy"),
        ("--model=own_recipes:one_number --hidden=512,256", "not logits"),
        ("--recipe=own_recipes:no_loss", "own_recipes:no_loss"),
        ("--target_flagfile=/nowhere.flags", "--target_flagfile=/nowhere.flags"),
        ("--learning_rate=nan", "--learning_rate=nan"),
        ("--model_ids=", "model ids ''"),
        ("--num_examples=9999", "--num_examples"),
    ],
)
def test_a_refused_training_leaves_no_folder(tmp_path, flags, message):
    run = tmp_path / "run"
    with pytest.raises(UserError, match=message) as caught:
        call("train", f"--workdir={run}", *SMALL.split(), *flags.split())
    assert "\n" not in str(caught.value)
    assert not run.exists()


@pytest.mark.parametrize(
    ("stage", "flags", "message"),
    [
        ("train", "--workers=foo", "--workers=foo"),
        ("train", "--signals=foo --log_every=3", "--signals=foo"),
        ("train", "--probes=foo", "--probes=foo"),
        ("train", "--epochs=9", "--epochs=9: the run in"),
        ("score", "--workers=foo --log_every=3", "--workers=foo"),
        ("score", "--probes=noise,foo", "--probes=foo"),
        ("score", "--probes=noise,scaled,digits:x", "--dataset=digits has no use"),
        ("score", "--queries=7", "--queries=7"),
        ("score", "--signals=phi,foo", "--signals=foo"),
        ("score", "--data_path=x.npz", "x.npz"),
        ("score", "--model_ids=9", "model ids '9'"),
    ],
)
def test_a_refused_change_of_a_run_leaves_it_as_it_is(trained, stage, flags, message):
    before = hashes(trained)
    with pytest.raises(UserError, match=message) as caught:
        call(stage, f"--workdir={trained}", *flags.split())
    assert "\n" not in str(caught.value)
    assert hashes(trained) == before


def test_queries_that_the_data_cannot_have_are_refused_before_they_are_stored(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "table.npz", x=rng.normal(size=(60, 5)), y=np.arange(60) % 3)
    data, run = f"--dataset=npz --data_path={tmp_path}/table.npz", tmp_path / "run"
    flags = "--num_models=4 --epochs=1 --hidden=8 --queries=1"
    call("train", f"--workdir={run}", *data.split(), *flags.split())
    before = hashes(run)
    with pytest.raises(UserError, match="--queries=18"):
        call("score", f"--workdir={run}", "--queries=18")
    assert hashes(run) == before


@pytest.mark.parametrize(
    ("stage", "flags", "message"),
    [
        ("attack", "--attacks=foo", "--attacks=foo"),
        ("attack", "--probes=foo", "--probes=foo: .* is not scored on foo; run lira-score"),
        ("attack", "--num_shadows=a", "--num_shadows=a"),
        ("attack", "--num_queries=a", "--num_queries=a: give whole numbers"),
        ("attack", "--num_queries=7", "--num_queries=7: .* have 2 here: give 1, 2, or"),
        ("attack", "--attacks=lira_online@nope", "signal nope, which is not saved"),
        ("attack", "--queries=1", "--queries=1: the run in"),
        ("attack", "--shadows=/nowhere", "--out="),
        ("attack", "--targets=. --at_epochs=all", "--at_epochs=all: a target from a file"),
        ("export", "--format=foo", "--out= is empty"),
        ("report", "--strategy=foo", "no results.json|--strategy=foo"),
    ],
)
def test_a_refused_reader_leaves_a_run_as_it_is(scored, stage, flags, message):
    before = hashes(scored)
    with pytest.raises(UserError, match=message):
        call(stage, f"--workdir={scored}", *flags.split())
    assert hashes(scored) == before


def test_files_of_others_are_not_overwritten_by_results(scored, tmp_path):
    (tmp_path / "results.csv").write_text("mine")
    with pytest.raises(UserError, match=r"results\.csv in it is not from lira-attack"):
        call("attack", f"--workdir={scored}", "--attacks=loss", f"--out={tmp_path}")
    assert (tmp_path / "results.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_of_a_stranger_imports_nothing(scored, tmp_path, monkeypatch):
    (tmp_path / "evilmod.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    run = shutil.copytree(scored, tmp_path / "run")
    stored = json.loads((run / "experiment.json").read_text())
    for field in ("model", "recipe"):
        changed = {"experiment": {**stored["experiment"], field: "evilmod:f"}}
        (run / "experiment.json").write_text(json.dumps(changed))
        for stage in ("train", "score"):
            with pytest.raises(UserError, match=f"--{field}: .* names the code evilmod:f"):
                call(stage, f"--workdir={run}")
        call("status", f"--workdir={run}")
    assert "evilmod" not in sys.modules


def test_what_a_reader_is_told_of_other_stages_is_not_stored(scored, tmp_path):
    """An attack cannot tell whether a training can run so."""
    before = RunDirectory(scored).read_experiment()
    flags = ["--strategy=map", "--signals=foo", "--log_every=3", f"--out={tmp_path}/out"]
    call("attack", f"--workdir={scored}", "--attacks=loss", *flags)
    assert RunDirectory(scored).read_experiment() == before
    assert (tmp_path / "out/results.json").exists()
