"""What an export says of its models, and what it may replace.

tests/cli/export_test.py writes whole ones and has the reference's code read them.
"""

import json
import os

import pytest

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.interop import write


@pytest.mark.parametrize(
    ("fields", "arch"),
    [
        ({"model": "wide_resnet"}, "wrn28-2"),
        ({"model": "wide_resnet", "depth": 16, "width": 4}, "wrn16-4"),
        ({"model": "cnn", "width": 16}, "cnn16-3-mean"),
        ({"model": "cnn_max"}, "cnn32-3-max"),
        ({"model": "resnet"}, "resnet"),
    ],
)
def test_models_have_the_references_names(fields, arch):
    assert write._hparams(Experiment(**fields), 0)["arch"] == arch


def test_settings_have_the_references_names_and_can_be_told_from_a_run_of_its_own():
    e = Experiment(augment="mirror_shift", learning_rate=0.2, batch_size=256, num_models=8)
    hparams = json.loads(json.dumps(write._hparams(e, 5)))
    assert (hparams["augment"], hparams["lr"], hparams["batch"]) == ("weak", 0.2, 256)
    assert (hparams["expid"], hparams["num_experiments"]) == (5, 8)
    assert hparams["exported_by"].startswith("lira_jax ")


def replace(out, content, fail=False):
    with write._replacing(out) as folder:
        (folder / "new.txt").write_text(content)
        if fail:
            raise ZeroDivisionError


def test_a_folder_takes_the_place_of_the_other_as_a_whole_or_not_at_all(tmp_path):
    replace(tmp_path / "out", "first")
    (tmp_path / "out/old.txt").touch()
    with pytest.raises(ZeroDivisionError):
        replace(tmp_path / "out", "half", fail=True)
    assert sorted(os.listdir(tmp_path / "out")) == ["new.txt", "old.txt"]
    replace(tmp_path / "out", "second")
    assert os.listdir(tmp_path / "out") == ["new.txt"]
    assert (tmp_path / "out/new.txt").read_text() == "second"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("files", "foreign"),
    [
        ({"experiment-0_8/hparams.json": {"exported_by": "lira_jax 0"}}, None),
        ({"experiment-0_8/hparams.json": {"exported_by": ""}, "x_train.npy": 0}, None),
        ({}, None),
        ({"0/hparams.json": {"exported_by": ""}, "0/mine.txt": 0}, "0/mine.txt"),
        ({"0/hparams.json": {"exported_by": "", "epochs": 3}, "0/keep.npy": 0}, None),
        ({"x_train.npy": 0}, "x_train.npy"),  # of somebody's who has no models yet
        ({"experiment-0_8/hparams.json": {"arch": "wrn28-2"}}, "experiment-0_8"),  # a run of theirs
        ({"experiment-0_8/hparams.json": ["exported_by"]}, "experiment-0_8"),
        ({"0/hparams.json": {"exported_by": ""}, "thesis.tex": 0}, "thesis.tex"),
    ],
)
def test_only_an_earlier_export_is_replaced(tmp_path, files, foreign):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    if foreign is None:
        write._check_replaceable(tmp_path)
    else:
        with pytest.raises(UserError, match=f"--out={tmp_path}: '{foreign}' in it is not from an"):
            write._check_replaceable(tmp_path)
