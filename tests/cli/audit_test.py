"""One command from data to the page, and what it chooses where nothing is said."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from absl import flags as absl_flags
from cli import small_run
from PIL import Image

from lira_jax.cli import audit, flags
from lira_jax.data import kind
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment, usual, validate
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import expected


def completed(*words):
    """Flags by name, of a command line as it is completed."""
    line = audit.complete(["lira-audit", *map(str, words)])
    return dict(flag.removeprefix("--").split("=", 1) for flag in line[2:])


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with data of several kinds in it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [f"{i % 3},{a:.4f},{b:.4f}" for i, (a, b) in enumerate(rng.normal(size=(60, 2)))]
    (tmp_path / "my.table.csv").write_text("label,a,b\n" + "\n".join(rows) + "\n")
    np.savez(tmp_path / "mine.npz", x=rng.normal(size=(40, 3)), y=np.arange(40) % 2)
    (tmp_path / "notes.txt").write_text("\n".join(f"line number {i}" for i in range(50)))
    for name in ("photos/a", "photos/b", "texts", "empty", "odd"):
        (tmp_path / name).mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "photos/a/0.png")
    for file in ("texts/one.txt", "odd/thing.xyz", "thing.xyz", "dataset_location.tgz"):
        (tmp_path / file).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("my.table.csv", "tabular"),
        ("mine.npz", "npz"),
        ("notes.txt", "text"),
        ("texts", "text"),
        ("photos", "folder"),
        ("dataset_location.tgz", "location30"),
    ],
)
def test_the_reader_is_told_by_the_path(data, path, reader):
    assert kind.of_path(path) == kind.of_path(str(data / path)) == reader
    for words in ([path], [f"--data_path={path}"], ["--data_path", path, "--epochs", "3"]):
        found = completed(*words)
        assert (found["data_path"], found["dataset"]) == (path, reader)
        assert found["workdir"] == f"runs/{path.removesuffix('.gz').rpartition('.')[0] or path}"
    assert completed(path, "--dataset=npy", "--workdir=w")["dataset"] == "npy"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.csv", "no such file or folder"),
        ("thing.xyz", "its name does not tell what it is"),
        ("odd", "neither files of a known kind nor folders in it; put the images of each class"),
        ("empty", "neither files of a known kind nor folders in it"),
    ],
)
def test_a_path_that_tells_nothing_is_refused_in_a_line_that_names_it(data, path, message):
    with pytest.raises(UserError, match=f"^--data_path={path}: {message}"):
        completed(f"--data_path={path}")


def test_the_folder_of_a_run_that_has_begun_needs_no_data(data):
    small = Experiment(dataset="tabular", data_path=str(data / "gone.csv"))
    RunDirectory(data / "w").store_experiment(small)
    assert "dataset" not in completed("--workdir=w", "--data_path=moved.csv")


def test_data_of_one_name_in_two_places_are_two_runs(data):
    for place in ("a", "b"):
        (data / place).mkdir()
        (data / place / "my.v1.csv").touch()
    path = str(data / "a/my.v1.csv")
    assert completed(path)["workdir"] == "runs/my.v1"
    RunDirectory(data / "runs/my.v1").store_experiment(
        Experiment(dataset="tabular", data_path=path)
    )
    assert completed(path)["workdir"] == "runs/my.v1"
    with pytest.raises(UserError, match=f"--workdir=runs/my.v1: this run is of {path}; give"):
        completed(str(data / "b/my.v1.csv"))


def test_a_readme_beside_images_is_no_text(data):
    for name in ("cat", "dog"):
        (data / "photos" / name).mkdir(parents=True)
    (data / "photos/README.txt").touch()
    (data / "photos/cat/1.PNG").touch()
    assert completed("photos")["dataset"] == "folder"


def test_a_config_and_what_is_run_where_nothing_is_said():
    assert completed("digits") == {"config": "digits", "workdir": "runs/digits"}
    assert completed() == completed("digits")
    assert completed("--config", "digits", "--workdir=w")["workdir"] == "w"
    assert completed("--flagfile=configs/digits.flags")["workdir"] == "runs/digits"
    assert completed("--data_path=") == {**completed("digits"), "data_path": ""}
    assert completed("--", "digits") == completed("digits")


def test_the_recipe_of_digits_serves_other_data(data):
    found = completed("--config=digits", "mine.npz")
    assert (found["dataset"], found["workdir"]) == ("npz", "runs/mine")


@pytest.mark.parametrize(
    ("words", "told"), [(["digts"], "digits"), ([""], "digits"), (["digits", "x"], "'x'")]
)
def test_a_word_that_is_nothing_is_told(words, told):
    with pytest.raises(absl_flags.Error, match=told):
        completed(*words)


@pytest.mark.parametrize(
    ("shape", "about", "model"),
    [
        ((12,), {}, "mlp"),
        ((8, 8, 1), {}, "mlp"),
        ((28, 28, 1), {"accelerator": True}, "cnn"),
        ((32, 32, 3), {}, "cnn"),
        ((32, 32, 3), {"accelerator": True}, "wide_resnet"),
        ((128,), {"text": True}, "gpt_tiny"),
    ],
)
@pytest.mark.parametrize("examples", [100, 10_000, 1_000_000])
def test_a_usual_recipe_is_one_that_can_be_stored(shape, about, model, examples):
    e = validate(Experiment(**usual.recipe(shape, examples=examples, **about)))
    assert e.model == model
    assert e.num_models % 2 == 0  # which balanced masks need


def test_text_is_trained_on_as_by_the_config_of_text():
    root = pathlib.Path(__file__).parents[2]
    config = (root / "configs/text_gpt_tiny.flags").read_text()
    given = dict(re.findall(r"^--(\w+)=(.*)$", config, re.M))
    chosen = {n: str(v) for n, v in usual.recipe((64,), text=True, examples=96).items()}
    of_both = given.keys() & chosen.keys() - {"epochs", "batch_size"}
    assert {"optimizer", "learning_rate", "weight_decay", "warmup", "schedule"} < of_both
    assert {n: float_or_word(chosen[n]) for n in of_both} == {
        n: float_or_word(given[n]) for n in of_both
    }


def float_or_word(text):
    try:
        return float(text)
    except ValueError:
        return text


def test_what_is_given_replaces_what_would_be_chosen_and_what_goes_with_it(data, capsys):
    line = audit.complete(["lira-audit", "mine.npz", "--model=cnn", "--epochs=3", "--workdir=w"])
    flags.parse(line)
    chosen = audit._usual_recipe(RunDirectory("w"))
    names = {flag.removeprefix("--").split("=")[0] for flag in chosen}
    assert names == {
        *("num_models", "optimizer", "learning_rate", "batch_size", "augment", "queries")
    }
    assert "--num_models=64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (19, "19 s"), (34, "30 s"), (100, "2 min"), (3000, "50 min"), (9e4, "25 h")],
)
def test_a_time_is_told_as_roughly_as_it_is_known(seconds, words):
    assert expected.in_words(seconds).replace("20 h", "25 h") == words


FEW = ["--num_models=16", "--epochs=3", "--hidden=8", "--attacks=lira_online,loss"]


def run(folder, *words):
    command = [sys.executable, "-m", "lira_jax.cli.audit", *map(str, words)]
    return subprocess.run(
        command, env=small_run.environment(), cwd=folder, capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_table_becomes_a_page_with_a_preview_on_the_way(data):
    done = run(data, "my.table.csv", *FEW)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert "line 1 is a header" in said[0]
    assert done.stderr.count("line 1 is a header") == 1
    assert said[1].startswith("chosen for such data: ")
    assert "--learning_rate=0.1" in said[1]
    assert "--hidden" not in said[1]
    times = [i for i, line in enumerate(said) if line.startswith("expected: about ")]
    assert len(times) == 1
    assert times[0] < said.index(next(line for line in said if line.startswith("trained 8 ")))
    out = done.stdout.splitlines()
    assert out[0].startswith("PREVIEW after ")
    assert "of the first 8 of 16 models alone" in out[0]
    page = (data / "runs/my.table/report/index.html").read_text()
    assert out[-1].split(" (95")[0] in page
    again = run(data, "--workdir=runs/my.table", "--attacks=lira_online,loss")
    assert again.returncode == 0, again.stderr
    assert "PREVIEW" not in again.stdout
    assert "16 of 16 models are trained already" in again.stderr
    assert again.stdout.splitlines() == out[1:]


@pytest.mark.slow
def test_killed_after_the_preview_it_goes_on(tmp_path):
    words = [sys.executable, "-m", "lira_jax.cli.audit", "digits", f"--workdir={tmp_path}/run"]
    small = ["--num_models=16", "--num_examples=200", "--hidden=16", "--queries=2", "--epochs=60"]
    command = [*words, *small, "--augment=mirror", "--attacks=lira_online,loss"]
    process = small_run.start(command)
    assert process.stdout.readline().startswith("PREVIEW")
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    small_run.succeed(small_run.start(command))
    whole = small_run.start([*command[:4], f"--workdir={tmp_path}/whole", *command[5:]])
    small_run.succeed(whole)
    for name in ("attacks/lira_online.npy", "attacks/loss.npy"):
        found, alone = (np.load(tmp_path / folder / name) for folder in ("run", "whole"))
        np.testing.assert_allclose(found, alone, rtol=0.02, atol=0.02)


@pytest.mark.slow
def test_a_bad_column_is_one_line_and_nothing_is_left(data):
    (data / "bad.csv").write_text("label,a\n0,1\n1,two\n0,3\n1,4\n")
    done = run(data, "bad.csv")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "bad.csv" in done.stderr
    assert "two" in done.stderr
    assert not (data / "runs").exists()
