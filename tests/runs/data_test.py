"""A run takes its data from wherever they are now, as long as they are the same."""

import json
import os
import pathlib
import shutil
import types

import numpy as np
import pytest
from by_hand import rewrite

from lira_jax.cli import attack, export, flags, report, score, train
from lira_jax.errors import UserError
from lira_jax.runs import data
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = RNG.normal(size=(60, 5)) + 4 * np.eye(3, 5)[Y]
SMALL = ["--num_models=2", "--epochs=9", "--batch_size=10", "--queries=1", "--hidden=4"]
STAGES = {"train": train, "score": score, "attack": attack, "report": report, "export": export}


@pytest.fixture(autouse=True)
def _no_pages(monkeypatch):
    quick = types.SimpleNamespace(sentence="")  # the page takes seconds
    monkeypatch.setattr(report.write, "write_page", lambda *_: quick)


def call(stage, *arguments):
    flags.parse([f"lira-{stage}", *map(str, arguments)])
    STAGES[stage].main()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with mine.npz and the run of it, trained and scored, begun with a relative path."""
    folder = tmp_path_factory.mktemp("begun")
    np.savez(folder / "mine.npz", x=X, y=Y)
    before = pathlib.Path.cwd()
    os.chdir(folder)
    try:
        for stage in ("train", "score"):
            call(stage, "--workdir=run", "--dataset=npz", "--data_path=mine.npz", *SMALL)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def moved(begun, tmp_path, monkeypatch):
    """The run in another folder, where its data are no more, and where they are now."""
    shutil.copytree(begun / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    rewrite(tmp_path / "run/experiment.json", str(begun), str(tmp_path))
    (tmp_path / "disk").mkdir()
    shutil.copy(begun / "mine.npz", tmp_path / "disk/theirs.npz")
    return RunDirectory(tmp_path / "run")


def test_a_relative_path_is_kept_absolute_so_that_any_working_directory_will_do(
    begun, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert RunDirectory(begun / "run").read_experiment().data_path == str(begun / "mine.npz")
    call("score", f"--workdir={begun / 'run'}")
    assert "2 of 2 models are scored already" in capsys.readouterr().err


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_takes_the_data_from_another_place(moved, stage):
    more = {"attack": ["--attacks=loss"], "export": ["--out=theirs"]}.get(stage, [])
    if stage == "report":
        call("attack", "--workdir=run", "--attacks=loss")
    call(stage, "--workdir=run", "--data_path=disk/theirs.npz", *more)
    assert moved.read_experiment().data_path == os.path.abspath("disk/theirs.npz")
    call("score", "--workdir=run")  # which finds them there from now on


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (dict(x=X + 1e-3, y=Y), "the data have sha256 .*, but the run in run began with"),
        (dict(x=X, y=(Y + 1) % 3), "the data have sha256"),
        (dict(x=X[:30], y=Y[:30]), "the data have sha256"),
        (dict(x=X, y=Y, x_test=X, y_test=Y), "the data have sha256"),
        (dict(x=X), "no array 'y' beside 'x'"),
        (None, "no such file or folder"),
    ],
)
def test_other_data_are_refused_in_one_line_and_nothing_is_stored(moved, stage, arrays, message):
    before = (moved.path / "experiment.json").read_text()
    if arrays is not None:
        np.savez("other.npz", **arrays)
    with pytest.raises(UserError, match=message) as error:
        call(stage, "--workdir=run", "--data_path=other.npz")
    assert "\n" not in str(error.value)
    assert "other.npz" in str(error.value)
    assert (moved.path / "experiment.json").read_text() == before


@pytest.mark.parametrize("stage", ["train", "score"])
def test_a_path_that_leads_nowhere_any_more_is_told_with_the_way_out(moved, stage):
    with pytest.raises(UserError, match=r"mine\.npz: no such .* moved, give --data_path=NEW$"):
        call(stage, "--workdir=run")


def test_outliers_are_taken_from_another_place_if_they_are_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x=X, y=Y)
    np.savez("odd.npz", x=X + 9, y=Y)
    insert = ["--outliers=5", "--outliers_mode=insert", "--outliers_from=npz:odd.npz"]
    call("train", "--workdir=run", "--dataset=npz", "--data_path=mine.npz", *insert, *SMALL)
    (tmp_path / "odd.npz").rename("there.npz")
    with pytest.raises(UserError, match=r"odd\.npz: no such .* moved, give --outliers_from=NEW,"):
        call("score", "--workdir=run")
    with pytest.raises(UserError, match="the data have sha256"):
        call("score", "--workdir=run", "--outliers_from=npz:mine.npz")
    call("score", "--workdir=run", "--outliers_from=npz:there.npz")
    run = RunDirectory("run")
    assert run.read_experiment().outliers_from == f"npz:{tmp_path / 'there.npz'}"
    numbers, names = data.sources(run)
    assert names == ["pool", "npz:there.npz"]
    np.testing.assert_array_equal(numbers, np.repeat([0, 1], [60, 5]))


def test_arrays_in_a_run_directory_move_with_it(moved):
    shutil.move("disk/theirs.npz", "run/data.npz")
    rewrite(moved.path / "experiment.json", "mine.npz", "run_before/data.npz")
    assert len(data.load_data(moved).y) == 60
    call("train", "--workdir=run")


def test_the_path_of_an_earlier_version_may_stay_relative(moved, monkeypatch):
    absolute = json.dumps(str(moved.path.parent.resolve() / "mine.npz"))
    rewrite(moved.path / "experiment.json", absolute, '"disk/theirs.npz"')
    call("score", "--workdir=run", "--data_path=disk/theirs.npz")
    assert moved.read_experiment().data_path == "disk/theirs.npz"
    monkeypatch.chdir("disk")
    call("score", "--workdir=../run", "--data_path=theirs.npz")
    assert RunDirectory("../run").read_experiment().data_path == os.path.abspath("theirs.npz")


LINE = (
    f"data: 60 examples [5] float32 {X.min():.4g}..{X.max():.4g}, 3 classes of 20, test set 0, "
    "2 models train on"
)


def test_every_stage_opens_with_a_line_on_the_data(begun, tmp_path, capsys):
    shutil.copytree(begun / "run", tmp_path / "run")
    lines = {}
    for stage, more in [
        ("train", []),
        ("score", []),
        ("attack", ["--attacks=loss"]),
        ("report", []),
    ]:
        capsys.readouterr()
        flags._told.clear()  # as in a process of its own
        call(stage, f"--workdir={tmp_path / 'run'}", *more)
        lines[stage] = capsys.readouterr().err.splitlines()[0]
    assert set(lines.values()) == {lines["train"]}
    sizes = np.load(begun / "run" / KEEP).sum(1)
    assert lines["train"] == f"{LINE} {sizes.min()} to {sizes.max()} each"


def test_of_a_run_of_an_earlier_version_the_line_tells_what_labels_and_masks_do(moved):
    manifest = moved.path / "manifest.json"
    stored = json.loads(manifest.read_text())
    del stored["sha256"]
    manifest.write_text(json.dumps(stored | {"data": {"sha256": stored["data"]["sha256"]}}))
    assert data.line(moved).startswith("data: 60 examples, 3 classes of 20, 2 models train on ")


def test_auto_is_replaced_by_what_it_stands_for_but_not_in_a_run_of_an_earlier_version(
    moved, capsys
):
    assert moved.read_experiment().normalize == "standard"
    call("score", "--workdir=run", "--data_path=disk/theirs.npz", "--normalize=auto")
    with pytest.raises(UserError, match="--normalize=pixel: the run in run has normalize=standard"):
        call("score", "--workdir=run", "--normalize=pixel")
    old, new = '"normalize": "standard"', '"normalize": "auto"'
    rewrite(moved.path / "experiment.json", old, new)
    call("train", "--workdir=run")
    assert moved.read_experiment().normalize == "auto"
    assert "--normalize" not in capsys.readouterr().err
