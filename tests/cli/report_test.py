"""lira-report as a user runs it."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from report import synthetic_run

from lira_jax.cli import report
from lira_jax.cli.flags import parse
from lira_jax.errors import UserError
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KNOWN_TABLE

ROOT = pathlib.Path(__file__).parents[2]
IMAGE = '<img src="data:image/png'


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that tests only copy."""
    return synthetic_run.write(tmp_path_factory.mktemp("whole") / "run", extras=True).path


@pytest.fixture
def run(whole, tmp_path):
    """A run of its own."""
    return pathlib.Path(shutil.copytree(whole, tmp_path / "run"))


def in_process(*flags):
    """Runs the command here, where a UserError reaches the test and Python need not start."""
    parse(["lira-report", *map(str, flags)])
    report.main()


def in_a_process_of_its_own(*flags):
    return subprocess.run(
        [sys.executable, "-m", "lira_jax.cli.report", *map(str, flags)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_page_and_the_figures_are_written(run):
    done = in_a_process_of_its_own(f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    names = (
        *("ablation", "confidence", "confidence_vectors", "exposure"),
        *("num_queries", "num_queries_roc", "num_shadows"),
        *("num_shadows_roc", "privacy_risk", "roc", "roc_linear", "statistics"),
    )
    assert sorted(p.name for p in (run / "report").iterdir()) == sorted(
        ["index.html", *(f"{n}.{s}" for n in names for s in ("pdf", "png"))]
    )
    assert IMAGE in (run / "report/index.html").read_text()
    assert (
        done.stderr.splitlines()[-1]
        == f"the page is {run / 'report/index.html'}, figures are beside it"
    )


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_data_that_are_gone_or_changed_cost_only_the_images(tmp_path, capsys, harm):
    run = synthetic_run.write(tmp_path / "run").path
    with np.load(tmp_path / "run.npz") as file:
        arrays = dict(file)
    (tmp_path / "run.npz").unlink()
    if harm == "changed":
        np.savez(tmp_path / "run.npz", x=255 - arrays["x"], y=arrays["y"])
    in_process(f"--workdir={run}")
    assert "the page shows no images or features: --data" in capsys.readouterr().err
    text = (run / "report/index.html").read_text()
    assert IMAGE not in text
    assert "<polyline" in text


def test_results_alone_make_a_page(run, tmp_path):
    """As lira-attack leaves them in --out for another tool's run directory."""
    (tmp_path / "out").mkdir()
    (run / "results.json").rename(tmp_path / "out/results.json")
    in_process(f"--workdir={tmp_path / 'out'}")
    assert "lira_online" in (tmp_path / "out/report/index.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.json", None, "there is no results.json; run lira-attack first"),
        ("results.json", '{"attacks": {}}', "holds no evaluated attack: run lira-attack again"),
        ("results.json", '{"attacks": ', "is not JSON .*: run lira-attack again"),
        ("scores/0003.npy", "", "does not match its sha256"),
    ],
)
def test_what_cannot_be_reported_is_one_line(run, name, content, message):
    (run / name).unlink() if content is None else (run / name).write_text(content)
    with pytest.raises(UserError, match=message):
        in_process(f"--workdir={run}")
    assert not (run / "report/index.html").exists()


def test_tables_of_known_members_alone_make_no_page(run):
    RunDirectory(run).write_own(KNOWN_TABLE, "way,group\n")
    in_process(f"--workdir={run}")  # there are results too
    (run / "results.json").unlink()
    with pytest.raises(UserError, match=r"known\.csv, and no page is made of them"):
        in_process(f"--workdir={run}")


def test_runs_are_compared_on_one_page(run, whole, tmp_path):
    for name in "bc":
        shutil.copytree(whole, tmp_path / name)
    done = in_a_process_of_its_own(
        f"--workdir={run}", f"--compare={tmp_path / 'b'},{tmp_path / 'c'}"
    )
    assert done.returncode == 0, done.stderr
    text = (run / "report/compare.html").read_text()
    assert (
        text.count('<th scope="row" data-sort=') == 11
    )  # three runs twice, two differences, three runs' calibration
    assert not (tmp_path / "b/report").exists()


def test_runs_are_compared_by_the_attack_that_is_named(run, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "b")
    for flags, attack in (((), "lira_online"), (("--compare_attack=loss",), "loss")):
        in_process(f"--workdir={run}", f"--compare={tmp_path / 'b'}", *flags)
        text = (run / "report/compare.html").read_text()
        assert f"judged by one attack, <b>{attack}</b>" in text
    with pytest.raises(UserError, match="--compare_attack=lira: it was not run in run; these were"):
        in_process(f"--workdir={run}", f"--compare={tmp_path / 'b'}", "--compare_attack=lira")


def test_a_run_is_not_compared_with_itself(run):
    with pytest.raises(UserError, match="name a run other than"):
        in_process(f"--workdir={run}", f"--compare={run}")


def test_a_run_that_stands_apart_from_the_flag_is_one_line(run, whole):
    done = in_a_process_of_its_own(f"--workdir={run}", f"--compare={whole}", "stray")
    assert done.returncode == 2
    assert done.stderr == "lira-report: error: 'stray' is not a flag; write --name=value\n"
    assert not (run / "report/compare.html").exists()
