"""Recipes and networks of the user's own go through all commands."""

import json
import re

import numpy as np
import pytest
from cli import small_run

from lira_jax.audit.results import Results
from lira_jax.cli import attack, export, flags, report, score, status, train
from lira_jax.errors import UserError
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import POOL

COMMANDS = {
    "train": train,
    "score": score,
    "attack": attack,
    "report": report,
    "status": status,
    "export": export,
}
SMALL = [
    "--num_models=6",
    "--num_examples=120",
    "--batch_size=30",
    "--epochs=60",
    "--augment=mirror",
    "--queries=2",
]


def call(name, workdir, *more):
    """Runs a command in this process."""
    flags.parse([f"lira-{name}", f"--workdir={workdir}", "--workers=1", *more])
    COMMANDS[name].main()


def run(name, workdir, *more):
    """Runs a command in a process of its own."""
    path = f"{small_run.ROOT}:{small_run.ROOT / 'tests'}"
    command = small_run.stage(name, workdir, *more)
    return small_run.start(command, PYTHONPATH=path)


@pytest.mark.slow
def test_a_recipe_with_two_networks_is_killed_resumed_scored_and_attacked(tmp_path):
    own = ("--recipe=own_recipes:adversarial", "--learning_rate=0.05")
    for name in ("train", "score"):
        small_run.succeed(run(name, tmp_path / "whole", *own))
    small_run.kill_in_training(run("train", tmp_path / "run", *own), tmp_path / "run", model=1)
    for name in ("train", "score"):
        small_run.succeed(run(name, tmp_path / "run", *own))
    small_run.assert_same_dumps(tmp_path / "run", tmp_path / "whole")
    small_run.succeed(run("attack", tmp_path / "run", "--attacks=loss,phi", *own))
    assert (tmp_path / "run" / "results.csv").read_text().count("\n") > 2
    records = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["attack_loss"] > 0 for line in records)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["nnx_net", "dropout"])
def test_a_network_of_ones_own_goes_through_all_commands(model, tmp_path, capsys):
    call("train", tmp_path, f"--model=own_recipes:{model}", *SMALL)
    with pytest.raises(UserError, match=f"names the code own_recipes:{model}, which runs only if"):
        call("score", tmp_path)
    call("score", tmp_path, f"--model=own_recipes:{model}")
    assert np.load(tmp_path / "logits" / "0003.npy").shape == (120, 10)
    call("attack", tmp_path, "--attacks=loss,lira_online,lira_offline_fixed@hinge")
    found = Results.read(tmp_path).attacks
    assert list(found) == ["lira_online", "loss", "lira_offline_fixed@hinge"]
    call("report", tmp_path)
    assert "lira_offline_fixed on the signal hinge" in (tmp_path / "report/index.html").read_text()
    capsys.readouterr()
    call("status", tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "next      nothing is left to do"


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """A run whose models predict a number, scored by the recipe's own signal."""
    run = tmp_path_factory.mktemp("regression") / "run"
    own = "--recipe=own_recipes:regression"
    call("train", run, own, "--learning_rate=0.02", *SMALL)
    with pytest.raises(UserError, match=r"--signals=phi: .* no logits .* \(closeness\)"):
        call("score", run, own)
    call("score", run, own, "--signals=closeness")
    return run


def fails(name, workdir, *more):
    """The error of a command, which is one line."""
    with pytest.raises(UserError) as caught:
        call(name, workdir, *more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_a_recipe_without_logits_is_attacked_by_its_own_signal_and_reported(regression, capsys):
    assert RunDirectory(regression).saved_signals() == ["closeness"]
    told = fails("attack", regression)
    [advised] = re.findall(r"--attacks=\S+", told)
    capsys.readouterr()
    call(
        "attack",
        regression,
        advised,
        "--ablation",
        "--num_shadows=4",
        "--num_queries=1",
        "--statistics",
    )
    notes = [x for x in capsys.readouterr().err.splitlines() if x.startswith("left out")]
    assert [note.split(":")[0].removeprefix("left out ") for note in notes] == [
        "--num_queries",  # known before anything is computed
        "exposure.npy",
        "--ablation",
        "--num_shadows",
        "--statistics",
    ]
    call("attack", regression, f"{advised},watson@closeness,class_threshold@closeness")
    found = Results.read(regression)
    assert [name.partition("@")[0] for name in found.attacks] == [
        *("lira_online", "threshold", "watson", "class_threshold")
    ]
    assert (found.accuracy, found.calibration, found.risk) == (None, None, None)
    closeness = np.load(regression / POOL.signal("closeness", 2))
    assert closeness.shape == (120, 2)
    scores = np.load(regression / "attacks/threshold@closeness.npy")
    np.testing.assert_array_equal(scores[2], closeness[:, 0])

    call("report", regression)
    page = (regression / "report/index.html").read_text()
    assert "threshold on the signal closeness" in page
    assert "lira-attack --workdir=run --attacks=lira_online@closeness," in page
    capsys.readouterr()
    call("status", regression)
    assert capsys.readouterr().out.splitlines()[-1] == "next      nothing is left to do"


@pytest.mark.slow
def test_what_needs_logits_says_so_in_a_line(regression, tmp_path):
    says = "it needs the signal phi, which is not saved: run lira-score --signals=closeness,phi"
    assert fails("attack", regression, "--attacks=loss").startswith(f"--attacks=loss: {says}")
    assert says in fails("attack", regression, "--attacks=all")
    assert says in fails("export", regression, f"--out={tmp_path / 'out'}")
    assert "these take any: lira_online," in fails("attack", regression, "--attacks=loss@closeness")
    assert "closeness?" in fails("attack", regression, "--attacks=watson@closness")


def test_a_wrong_recipe_is_one_line_and_fixes_nothing(tmp_path):
    process = run("train", tmp_path, "--recipe=own_recipes:no_loss")
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.strip().splitlines()[-1].startswith("lira-train: error: --recipe=own_recipes:no_l")
    assert "Traceback" not in error
    assert not (tmp_path / "keep.npy").exists()
