"""Results and the scores they were found of are of one command, wherever another one was killed."""

import os

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.runs import result_set
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.result_set import ResultSet

ALL = {"targets": [0, 1], "models": [0, 1, 2]}
ONE = {"targets": [0], "models": [0, 1, 2]}


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "run")


def write(run, about, scores, value):
    """As an audit does: scores, results, and results with one part more."""
    with ResultSet(run, about) as found:
        for name in scores:
            found.save(f"attacks/{name}.npy", np.full((len(about["targets"]), 4), value))
        found.save("exposure.npy", np.full(4, value))
        for part in ("", "more"):
            found.switch({"results.csv": part, "results.json": f'{{"attacks": "{value}{part}"}}'})
    result_set.check(run)


def files(run):
    return {str(p.relative_to(run.path)) for p in run.path.rglob("*") if p.is_file()} - {".lock"}


def test_scores_of_the_same_stay_and_those_of_others_leave(run, capsys):
    own = {"manifest.json", "exposure.npy", "results.csv", "results.json", "attacks/manifest.json"}
    write(run, ALL, ["loss", "phi"], 1.0)
    write(run, ALL, ["loss", "lira"], 2.0)
    names = {f"attacks/{name}.npy" for name in ("loss", "phi", "lira")}
    assert files(run) == own | names
    assert set(run.dumps()) == names | {"exposure.npy"}
    assert [run.read(n)[0, 0] for n in sorted(names)] == [2, 2, 1]
    assert capsys.readouterr().err == ""
    write(run, ONE, ["loss"], 3.0)
    assert files(run) == own | {"attacks/loss.npy"}
    assert set(run.dumps()) == {"attacks/loss.npy", "exposure.npy"}
    assert "had scores of 2 attacks on other targets" in capsys.readouterr().err


def test_accusations_are_of_the_set_and_leave_it_where_results_come(run):
    with ResultSet(run, ONE) as found:
        found.save("attacks/loss.npy", np.zeros((1, 4)))
        found.switch({"accusations.csv": "statistic\n"})
    assert files(run) >= {"accusations.csv", "attacks/loss.npy"}
    result_set.check(run)
    (run.path / "accusations.csv").write_text("others\n")
    with pytest.raises(UserError, match=r"accusations\.csv is not what"):
        result_set.check(run)
    write(run, ONE, ["loss"], 1.0)
    assert "accusations.csv" not in files(run)
    (run.path / "accusations.csv").write_text("of an earlier version, apart from the set\n")
    result_set.check(run)


def test_nothing_changes_before_the_switch(run):
    write(run, ALL, ["loss"], 1.0)
    before = {name: (run.path / name).read_bytes() for name in files(run)}
    with ResultSet(run, ONE) as found:
        found.save("attacks/loss.npy", np.zeros((1, 4)))
    assert {name: (run.path / name).read_bytes() for name in files(run)} == before


def test_scores_without_results_remove_those_of_before(run):
    write(run, ALL, ["loss"], 1.0)
    with ResultSet(run, ONE) as found:
        found.save("attacks/loss.npy", np.zeros((1, 4)))
        found.switch({})
    assert not {"results.csv", "results.json", "exposure.npy"} & files(run)
    result_set.check(run)


@pytest.mark.parametrize("after", range(8))
def test_a_kill_within_the_switch_is_found(run, monkeypatch, after):
    """After any of its steps: the old set is whole, or what is there is refused."""
    write(run, ALL, ["loss", "phi"], 1.0)
    replace, left = os.replace, after

    def killed(*paths):
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        replace(*paths)

    with ResultSet(run, ALL) as found:
        found.save("attacks/loss.npy", np.full((2, 4), 2.0))
        found.save("attacks/phi.npy", np.full((2, 4), 2.0))
        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            found.switch({"results.csv": "", "results.json": '{"attacks": "2"}'})
        monkeypatch.setattr(os, "replace", replace)
    if after < 3:  # the first two steps write texts under temporary names
        result_set.check(run)
        assert run.read("attacks/loss.npy")[0, 0] == 1
    else:
        with pytest.raises(UserError, match=r"is of another lira-attack .* run lira-attack again"):
            result_set.check(run)
    write(run, ALL, ["loss"], 3.0)


def test_a_run_of_an_earlier_version_has_no_set(run):
    run.write("attacks/loss.npy", np.zeros((2, 4)))
    run.write_json("results.json", {**ALL, "attacks": "old"})
    result_set.check(run)
    write(run, ALL, ["phi"], 1.0)
    assert set(run.dumps()) == {"attacks/loss.npy", "attacks/phi.npy", "exposure.npy"}
    (run.path / "attacks/manifest.json").unlink()
    write(run, ONE, ["phi"], 1.0)
    assert set(run.dumps()) == {"attacks/phi.npy", "exposure.npy"}
