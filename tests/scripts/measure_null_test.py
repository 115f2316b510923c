"""The script that measures attacks on noise, at a small size: a slice of its table, and a leak that
it has to see."""

import dataclasses
import pathlib
import sys

import numpy as np
import pytest

from lira_jax.attacks.table import ATTACKS

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@pytest.fixture
def null(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import measure_null

    return measure_null


SLICE = (
    *(("lira_online", kind) for kind in ("balanced", "bernoulli", "pairs")),
    *(("lira_moderated", "bernoulli"), ("lira_moderated", "pairs"), ("base_online", "bernoulli")),
    *(("lira_offline", "disjoint"), ("lira_offline_predicted", "disjoint")),
    ("privacy_risk", "bernoulli"),
)


@pytest.mark.parametrize(("name", "kind"), SLICE)
def test_no_more_intervals_than_are_due_lie_above_chance_on_noise(null, name, kind):
    """With few coin-flip models more than are due lie below it, see docs/measurements/noise.md."""
    found = null.measure(ATTACKS[name], kind, 8, runs=10, num_examples=100)
    assert found.shape == (10, 4)
    assert "above" not in null.mark(found, len(SLICE))


def test_a_leak_is_marked(null):
    """One member in five has a score that is higher by a standard deviation."""

    def leaks(e):
        rng = np.random.default_rng(int(e.keep.sum()))
        return rng.normal(size=e.members.shape) + (e.members & (rng.random(e.members.shape) < 0.2))

    attack = dataclasses.replace(ATTACKS["phi"], run=leaks)
    found = null.measure(attack, "balanced", 8, runs=10, num_examples=100)
    assert np.mean(found[:, 0]) == pytest.approx(0.05, abs=0.02)
    assert null.mark(found, len(SLICE)) == "above"


def test_attacks_that_need_in_scores_do_not_run_on_disjoint_masks(null):
    assert null.measure(ATTACKS["lira_online"], "disjoint", 8, runs=1, num_examples=100) is None


def test_a_table_has_a_row_for_each_number_and_one_for_all(null, monkeypatch, capsys):
    command = ["measure_null.py", "--attacks=loss", "--models=8,16", "--masks=balanced", "--runs=3"]
    monkeypatch.setattr(sys, "argv", [*command, "--examples=50", "--targets=4"])
    null.main()
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert rows[:2] == [["loss", "balanced", "8"], ["loss", "balanced", "16"]]
    assert rows[2][:2] == ["loss", "6"]  # runs of all rows
