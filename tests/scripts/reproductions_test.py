"""The table of reproductions: figures of a run, of headers and of a page, and none made up."""

import dataclasses
import pathlib
import sys

import pytest
from report import synthetic_run

from lira_jax.audit.results import Results
from lira_jax.errors import UserError
from lira_jax.evaluation.estimate import Estimate
from lira_jax.runs.directory import RunDirectory

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import reproductions

    return reproductions


def test_a_run_is_known_by_its_settings_and_its_figures_are_its_own(script, tmp_path, monkeypatch):
    digits, _ = script._fields("digits")
    run = RunDirectory(tmp_path / "run")
    run.store_experiment(dataclasses.replace(digits, models_per_chunk=8, data_path="/x"))
    assert script.config_of(run) == "digits"
    results = Results.read(synthetic_run.write(tmp_path / "synthetic").path)
    rates = {"auc": Estimate(0.5126, 0.5, 0.6), "tpr_at_1e-2": Estimate(0.1234, 0.1, 0.2)}
    loss = dataclasses.replace(
        results.attacks["loss"], metrics=results.attacks["loss"].metrics | rates
    )
    known = dataclasses.replace(results, attacks={"loss": loss})
    monkeypatch.setattr(script.Results, "read", lambda path: known)
    rows = {(row[0], row[2]): row[3:] for row in script.table([run])}
    assert rows["`digits`", "`loss`, auc"] == [".513 [.500, .600]", "-", "-"]
    assert rows["`digits`", "`loss`, tpr at 1e-2"][0] == "12.3 % [10.0, 20.0]"
    assert rows["`digits`", "`lira_online`, auc"][0] == "not run"


def test_a_run_of_other_settings_is_refused(script, tmp_path):
    digits, _ = script._fields("digits")
    run = RunDirectory(tmp_path / "run")
    run.store_experiment(dataclasses.replace(digits, epochs=3))
    with pytest.raises(UserError, match="of no config"):
        script.config_of(run)


def test_without_runs_figures_are_those_that_are_written_down(script):
    rows = {(row[0], row[2]): row[3:] for row in script.table([])}
    assert rows["`location30_lira`", "`lira_online`, auc"][0] == ".926 [.925, .927]"
    assert rows["`digits`", "`loss`, auc"][0] == "not run"
    own, published, _ = rows["`location30_memguard`", "modified entropy, percent"]
    assert (own.split(" [")[0], published) == ("77.2", "78.1")
    assert rows["`location30_memguard`", "entropy, MemGuard, percent"][:2] == [
        "50.1 [50.0, 50.3], 49.6 to 50.7",
        "52.1",
    ]
    wrn = rows["`cifar10_wrn28_2`", "`lira_online`, tpr at 1e-3"]
    assert wrn[:2] == ["not run", "8.4 %"]


def test_published_figures_stand_in_the_headers_too(script):
    for line in script.LINES:
        number = line.published.removesuffix(" %")
        assert number in script._header(line.config), line


def test_the_page_has_the_rows_of_today(script, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reproductions.py"])
    stored = (ROOT / "docs/measurements/reproductions.md").read_text()
    for row in script.table([]):
        if row[0] != "`digits`":
            assert " | ".join(row[2:]) in stored
