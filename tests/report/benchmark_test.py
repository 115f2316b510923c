"""A row a defence: what stands in it is what results, privacy.json and metrics.jsonl say."""

import csv
import io
import json
import math
import re
import shutil

import numpy as np
import pytest
from report import synthetic_run

from lira_jax.audit import result_tables
from lira_jax.audit.results import Results
from lira_jax.report import benchmark, compare, terminal
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import NAIVE

ATTACK = "lira_online"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An undefended run, and one by DP-SGD that a naive attacker attacked as well."""
    folder = tmp_path_factory.mktemp("runs")
    plain = synthetic_run.write(folder / "plain")
    private = synthetic_run.write(folder / "private", seed=1)
    private.write_privacy({"epsilon": 7.5, "delta": 1e-5})
    naive = Results.read(synthetic_run.write(folder / "other", seed=2).path)
    result_tables.write(naive, RunDirectory(private.path / NAIVE))
    return plain, private, naive


@pytest.fixture(scope="module")
def rows(runs):
    entries = [benchmark.read(run) for run in runs[:2]]
    return benchmark.figures(entries, ["none", "dp_sgd"], ATTACK, "tpr_at_1e-2")


def test_a_row_is_what_the_files_of_the_run_say(runs, rows):
    _, private, naive = runs
    (plain_row, row), on = rows
    found = Results.read(private.path)
    attack = found.attacks[ATTACK]
    assert on == "test set"
    assert row.accuracy.value == pytest.approx(0.7)
    assert row.ece == found.calibration.ece
    assert (row.proved, plain_row.proved) == (7.5, math.inf)
    assert row.measured == attack.epsilon.value
    assert repr(row.adaptive) == repr(attack.metrics["tpr_at_1e-2"])  # it may have NaN in it
    assert repr(row.naive) == repr(naive.attacks[ATTACK].metrics["tpr_at_1e-2"])
    assert not plain_row.naive.is_known
    assert repr(row.auc) == repr(attack.metrics["auc"])
    assert row.far == attack.decisions["1:1"].far
    assert row.seconds == pytest.approx(0.5)  # 4 s for a chunk of 8


def test_what_is_released_was_trained_in_the_run_around_it(runs, tmp_path):
    shutil.copytree(runs[1].path, tmp_path / "run")
    view = tmp_path / "run/released/argmax"
    shutil.copytree(runs[0].path / "attacks", view / "attacks")
    stored = json.loads((runs[0].path / "results.json").read_text())
    found = Results.from_json({**stored, "release": "argmax"})
    shutil.rmtree(view / "attacks")
    result_tables.write(found, RunDirectory(view))
    entry = benchmark.read(RunDirectory(view))
    assert math.isnan(entry.seconds)  # nobody wrote down how long the release took
    assert entry.privacy["epsilon"] == 7.5
    assert entry.naive is None
    home, took = RunDirectory(tmp_path / "run"), {}
    for target in found.targets:
        took[target] = 1.0 + target
        home.write(layout.released("argmax").seconds(target), np.float32([took[target]]))
    seconds = benchmark.read(RunDirectory(view)).seconds
    assert seconds == pytest.approx(0.5 + np.mean(list(took.values())))


def test_page_terminal_and_csv_say_the_same(runs, rows):
    entries = [benchmark.read(run) for run in runs[:2]]
    figures, on = rows
    text = benchmark.to_csv(figures, on, "tpr_at_1e-2", ATTACK)
    plain, private = csv.DictReader(io.StringIO(text))
    assert float(private["proved"]) == 7.5
    assert (plain["proved"], plain["naive"]) == ("inf", "")
    assert float(private["naive"]) == figures[1].naive.value
    printed = terminal.of_table(benchmark.of_terminal(figures, on, "tpr_at_1e-2", ATTACK))
    assert re.search(r"^dp_sgd .* 7\.5 ", printed, re.MULTILINE)
    assert re.search(r"^none .* none ", printed, re.MULTILINE)
    html = compare.render([e.run for e in entries], ["none", "dp_sgd"], ATTACK, entries)
    assert f'data-sort="{figures[1].seconds!r}"' in html
    assert "ε proved" in html
    drawn = json.loads(re.search(r'id="charts">(.*?)</script>', html, re.DOTALL)[1])["trade-off"]
    names = [curve["name"] for curve in drawn["data"]]
    assert names == ["none", "dp_sgd", "dp_sgd, naive"]
