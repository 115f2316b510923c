"""The public Python API."""

import doctest
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import lira_jax
from lira_jax import api
from lira_jax.cli import flags, score
from lira_jax.data import dataset as datasets
from lira_jax.data.dataset import Dataset

SMALL = {"model": "mlp", "hidden": (32,), "num_models": 8, "epochs": 40, "strategy": "loop"}
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.normal(size=(60, 5)), GENERATOR.integers(0, 3, 60)


def test_doctests():
    for module in (lira_jax, api):
        found = doctest.testmod(module)
        assert found.attempted > 3
        assert not found.failed


def test_every_name_is_there_and_documented():
    for name in lira_jax.__all__:
        assert getattr(lira_jax, name).__doc__
    assert set(lira_jax.__all__) <= set(dir(lira_jax))
    with pytest.raises(AttributeError, match="no attribute 'audits'"):
        _ = lira_jax.audits


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, lira_jax; print([m for m in ('jax', 'numpy', 'sklearn') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("api") / "run"
    results = lira_jax.audit(X, Y, workdir=workdir, attacks="loss,lira_online_fixed@hinge", **SMALL)
    return workdir, results


def test_an_audit_leaves_the_run_directory_of_the_commands(run):
    workdir, results = run
    assert list(results.attacks) == ["loss", "lira_online_fixed@hinge"]
    assert lira_jax.Results.read(workdir).to_json() == results.to_json()
    assert (workdir / "report/index.html").exists()
    before = (workdir / "scores/0001.npy").read_bytes()
    (workdir / "scores/0001.npy").unlink()
    flags.parse(["lira-score", f"--workdir={workdir}"])
    score.main()
    assert (workdir / "scores/0001.npy").read_bytes() == before


def test_open_run_gives_what_the_files_hold(run):
    workdir, results = run
    opened = lira_jax.open_run(workdir)
    np.testing.assert_array_equal(opened.keep, np.load(workdir / "keep.npy"))
    np.testing.assert_array_equal(opened.labels, Y)
    saved = [np.load(workdir / f"scores/{m:04d}.npy") for m in range(8)]
    np.testing.assert_array_equal(opened.signals["phi"], saved)
    assert opened.signals["logits"].shape == (8, 60, 3)
    assert opened.experiment.epochs == 40
    assert opened.results.to_json() == results.to_json()


def test_a_second_call_goes_on_and_other_data_are_refused(run):
    workdir, _ = run
    dumps = [workdir / "checkpoints/0000/final", workdir / "scores/0000.npy"]
    before = [path.stat().st_mtime_ns for path in dumps]
    results = lira_jax.audit(X, Y, workdir=workdir, attacks="loss", page=False, **SMALL)
    assert list(results.attacks) == ["loss"]
    assert [path.stat().st_mtime_ns for path in dumps] == before
    with pytest.raises(lira_jax.UserError, match="other x and y"):
        lira_jax.audit(X + 1, Y, workdir=workdir, **SMALL)
    with pytest.raises(lira_jax.UserError, match="epochs=5: the run"):
        lira_jax.audit(X, Y, workdir=workdir, **{**SMALL, "epochs": 5})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epoch": 3}, "setting=epoch: did you mean epochs"),
        ({"dataset": "digits"}, "setting=dataset: "),
        ({"epochs": 2.5}, "epochs=2.5: give a value of type int"),
        ({"model": "mpl"}, "--model=mpl: did you mean mlp"),
        ({"attacks": "lyra"}, "--attacks=lyra"),
        ({"augment": "mirror"}, "--augment=mirror: features"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_and_leaves_nothing(tmp_path, wrong, message):
    workdir = pathlib.Path(tmp_path, "run")
    with pytest.raises(lira_jax.UserError, match=message) as error:
        lira_jax.audit(X, Y, workdir=workdir, **{**SMALL, **wrong})
    assert "\n" not in str(error.value)
    assert not workdir.exists()
    with pytest.raises(lira_jax.UserError, match="y has shape"):
        lira_jax.audit(X, Y[:, None] + X, workdir=workdir, **SMALL)
    with pytest.raises(lira_jax.UserError, match="x holds rows of different lengths"):
        lira_jax.audit([[1.0], [1.0, 2.0]], Y[:2], workdir=workdir, **SMALL)


def test_arrays_come_back_from_the_file_as_they_were_given(tmp_path):
    seconds = 1_700_000_000 + np.arange(6.0)[:, None]
    given = Dataset(seconds, np.array(list("aabbcc"), object), seconds[:2].tolist(), ["a", "c"])
    api._save(given, tmp_path / "data.npz")
    found = api._read(tmp_path / "data.npz")
    assert datasets.fingerprint(found) == datasets.fingerprint(datasets.check(given))
    assert found.class_names == ("a", "b", "c")
    with np.load(tmp_path / "data.npz") as file:
        np.testing.assert_array_equal(file["x"], seconds)
