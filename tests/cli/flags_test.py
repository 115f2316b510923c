"""How command lines and flagfiles become an experiment, and what becomes of one that cannot run."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags as absl_flags

from lira_jax.cli import flags, opening, score, train
from lira_jax.errors import UserError
from lira_jax.experiment import GROUPS, Experiment
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import setup

ROOT = pathlib.Path(__file__).parents[2]
SMALL = ["--num_models=2", "--num_examples=60", "--epochs=1", "--batch_size=10", "--queries=1"]

CLASHING = """
import flax.linen as nn
from absl import flags

flags.DEFINE_string("model", "mine", "")
flags.DEFINE_integer("epochs", 7, "")
flags.DEFINE_string("workdir", "elsewhere", "")


class Net(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.num_classes)(x.reshape(len(x), -1))


def net(num_classes, dtype):
    assert (flags.FLAGS.model, flags.FLAGS.epochs) == ("mine", 7)
    return Net(num_classes)
"""


def parse(*arguments):
    flags.parse(["lira-train", *map(str, arguments)])


def asked(*arguments, stored=None):
    parse(*arguments)
    return opening.asked_experiment(stored)


def test_a_config_in_a_flagfile_is_refused(tmp_path):
    (tmp_path / "my.flags").write_text("--config=digits\n")
    with pytest.raises(absl_flags.Error, match="--config=digits: give it on the command line"):
        parse(f"--flagfile={tmp_path / 'my.flags'}")


def test_help_is_of_the_flags_that_matter_in_the_groups_of_the_experiment():
    text = flags.help_text("lira-train", train.SUMMARY, ["workdir", *train.SHOWN])
    groups = [group.__name__ for group in GROUPS]
    headings = [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == ["Run", *groups]
    masks = text[text.index("\nMasks:") : text.index("\nModel:")]
    assert "--num_models: Number of shadow models.\n    (default: '64')" in masks
    choices = "balanced, bernoulli, tf_privacy, disjoint, disjoint:PATH, pairs, official, file:PATH"
    assert f"(one of {choices})" in " ".join(masks.split())
    assert "\n  --learning_rate: " in text[text.index("\nTraining:") :]
    assert "--queries" not in text.split("\nMasks:")[0] + masks
    scoring = flags.help_text("lira-score", score.SUMMARY, ["workdir", *score.SHOWN])
    assert "  --queries: " in scoring
    assert "  --learning_rate: " not in scoring


def test_helpfull_has_every_flag():
    text = flags.help_text("lira-train", train.SUMMARY, flags.FLAGS)
    for name in flags.FLAGS:
        assert f"-{name}," in text or f"--{name}:" in text or f"--[no]{name}:" in text, name


def test_only_what_is_given_is_set():
    experiment, given = asked("--hidden=3,4", "--seed=0", "--nesterov")
    assert experiment == Experiment(hidden=(3, 4), nesterov=True)
    assert given == {"hidden", "seed", "nesterov"}
    assert asked() == (Experiment(), set())  # nothing is left of the command line before


@pytest.mark.parametrize(
    ("flag", "absolute"),
    [
        ("--data_path=a/b.npz", "HERE/a/b.npz"),
        ("--data_path=../b.npz", "/b.npz"),
        ("--data_path=~/b.npz", "HOME/b.npz"),
        ("--data_path=/x/b.npz", "/x/b.npz"),
        ("--data_path=", ""),
        ("--data_dir=sets", "HERE/sets"),
        ("--outliers_from=random_labels,npz:o.npz", "random_labels,npz:HERE/o.npz"),
        ("--probes=noise,tfds:a/b,folder:~/f", "noise,tfds:a/b,folder:HOME/f"),
    ],
)
def test_paths_of_data_are_kept_absolute_unless_the_run_has_them_already(
    monkeypatch, flag, absolute
):
    monkeypatch.setattr(os, "getcwd", lambda: "/here")
    monkeypatch.setenv("HOME", "/home/me")
    name, _, given = flag[2:].partition("=")
    absolute = absolute.replace("HERE", "/here").replace("HOME", "/home/me")
    assert getattr(asked(flag)[0], name) == absolute
    before = Experiment(**{name: given})  # as an earlier version has stored it
    assert getattr(asked(flag, stored=before)[0], name) == given
    other = Experiment(**{name: "npz:elsewhere"})
    assert getattr(asked(flag, stored=other)[0], name) == absolute


@pytest.mark.parametrize("value", ["a", "3.5", "3,b"])
def test_a_list_of_other_things_than_whole_numbers_is_refused(value):
    with pytest.raises(absl_flags.Error, match="give whole numbers, comma separated"):
        parse(f"--hidden={value}")


def test_an_option_of_another_family_is_passed_over_in_a_flagfile_and_nowhere_else(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(flags, "_told", set())  # of a command, whose notes are told once
    path = tmp_path / "mlp.flags"
    path.write_text("--model=mlp\n--hidden=256\n--epochs=3\n")
    assert asked(f"--flagfile={path}")[0] == Experiment(hidden=(256,), epochs=3)
    assert not capsys.readouterr().err
    experiment, given = asked(f"--flagfile={path}", "--model=cnn")
    assert experiment == Experiment(model="cnn", epochs=3)
    assert given == {"model", "epochs"}
    assert capsys.readouterr().err == (
        "note: --hidden=256 in a flagfile is passed over: --model=cnn has no such option\n"
    )
    assert "hidden" in asked(f"--flagfile={path}", "--model=cnn", "--hidden=256")[1]
    assert "hidden" not in asked(f"--flagfile={path}", "--model=my.module:net")[1]
    cnn = Experiment(model="cnn", epochs=3)  # which the run has
    path.write_text("--hidden=256\n--epochs=3\n")
    assert asked(f"--flagfile={path}", stored=cnn)[1] == {"epochs"}
    path.write_text("--model=cnn\n--hidden=256\n--width=8\n")
    assert asked(f"--flagfile={path}")[0] == Experiment(model="cnn", width=8)


def test_a_users_module_may_define_flags_of_the_same_names(tmp_path):
    (tmp_path / "clashing.py").write_text(CLASHING)
    command = [sys.executable, "-m", "lira_jax.cli.train", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(
        [*command, *SMALL, "--model=clashing:net", "--workers=1"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "trained 2 models" in done.stderr
    assert RunDirectory(tmp_path / "run").read_experiment().epochs == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--model=resnt", "did you mean resnet"),
        ("--model=no.such.module:net", "cannot import"),
        ("--dataset=npz --data_path=nowhere.npz", "nowhere.npz"),
        ("--augment=mirror_shift --shift=99", "--shift=99"),
        ("--masks=tf_privacy --pkeep=0.25 --strategy=mpa", "did you mean map"),
        ("--model_ids=99", "model ids '99'"),
        ("--part=2/2", "--part=2/2"),
        ("--num_models=3", "--num_models=3: balanced masks"),
    ],
)
def test_a_first_command_that_fails_leaves_nothing_and_the_right_one_runs_there(
    tmp_path, wrong, message
):
    run = tmp_path / "runs/first"
    parse(f"--workdir={run}", *SMALL, *wrong.split())
    with pytest.raises(UserError, match=message):
        train.main()
    assert not run.exists()
    np.savez(tmp_path / "other.npz", x=np.ones((40, 2, 2, 1), np.uint8), y=np.arange(40) % 4)
    parse(f"--workdir={run}", "--dataset=npz", f"--data_path={tmp_path / 'other.npz'}")
    with opening.settling() as runs:
        setup.store(runs, *setup.check(runs))
    assert RunDirectory(run).read_experiment().dataset == "npz"
    assert np.load(run / "keep.npy").shape == (64, 40)


def test_a_change_that_cannot_run_is_not_stored(tmp_path):
    parse(f"--workdir={tmp_path / 'run'}", *SMALL)
    with opening.settling() as runs:
        setup.store(runs, *setup.check(runs))
    before = (tmp_path / "run/experiment.json").read_text()
    parse(f"--workdir={tmp_path / 'run'}", "--probes=npz:nowhere.npz")
    with pytest.raises(UserError, match=r"nowhere\.npz"):
        score.main()
    assert (tmp_path / "run/experiment.json").read_text() == before


def test_a_part_of_the_models(monkeypatch, capsys):
    monkeypatch.setattr(os, "environ", {"SLURM_PROCID": "1", "SLURM_NTASKS": "3"})
    parse("--model_ids=2:10", "--part=auto")
    assert opening.own_models(64) == [3, 6, 9]
    assert capsys.readouterr().err == "part 1/3 has 3 of 8 models: [3, 6, 9]\n"
    parse()
    assert opening.own_models(3) == [0, 1, 2]
