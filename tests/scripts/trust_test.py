"""The campaign of faults sees what is wrong: it would be worth nothing if it could not fail."""

import pathlib
import random
import signal
import time

import numpy as np
import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
ONE = "lira-score: error: --queries=3: give 1, 2 or 18\n"


@pytest.fixture
def scripts(monkeypatch):
    """So that the script's modules can be imported as it imports them."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def case(scripts, tmp_path):
    from faults.case import Case
    from faults.template import Template, numbers

    run = tmp_path / "whole"
    (run / "scores").mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    np.save(run / "scores/0000.npy", np.arange(3.0))
    found = Case(tmp_path, random.Random(0), *[Template(run, (), numbers(run), {})] * 2)
    found.whole.copy(found.work)
    return found


@pytest.mark.parametrize(
    ("stage", "status", "said", "wrong"),
    [
        ("score", 0, "data: 60 examples\n", ""),
        ("score", 1, f"data: 60 examples\n{ONE}", ""),
        ("score", 1, "Traceback (most recent call last):\n  ...\nValueError: x\n", "traceback"),
        ("score", 1, "", "traceback"),
        ("score", 1, f"{ONE}and more\n", "traceback"),
        ("score", 1, ONE + ONE, "traceback"),
        ("score", 0, "x.py:3: UserWarning: divided by zero\n", "traceback"),
        ("score", 0, "E1126 22:04:24.1 1 mlir.cc:3] no\n", "traceback"),
        ("score", -signal.SIGSEGV, "", "traceback"),
        ("score", None, "", "hang"),
        ("status", 1, "", ""),  # something is damaged, as it says on standard output
        ("status", 1, "note: lines are passed over\n", ""),
    ],
)
def test_an_end_is_judged_by_its_status_and_by_what_is_said(scripts, stage, status, said, wrong):
    from faults.commands import Ended

    assert Ended(stage, status, said).wrong == wrong


def test_what_libraries_say_is_no_fault_where_it_was_asked_for(scripts):
    from faults.commands import Ended

    said = "I1127 15:58:02.055712 140018861398912 cache_key.py:157] hash of XLA flags\n"
    assert Ended("train", 0, said).wrong == "traceback"
    assert Ended("train", 0, said, chatty=True).wrong == ""
    assert Ended("train", 0, said + "Traceback (most recent call last):\n", chatty=True).wrong


def test_other_numbers_and_temporary_files_are_seen(case):
    case.compare(case.whole)
    case.check_leftovers()
    assert case.faults == {}
    np.save(case.work / "scores/0000.npy", np.arange(3.0) + 1e-6)
    (case.work / "scores/.host@1.0001.npy").touch()
    (case.home / "tmp/lira_jax-x").mkdir()
    case.compare(case.whole)
    case.check_leftovers()
    assert case.faults == {
        "silent wrong": "scores/0000.npy differ",
        "leftover": "run/scores/.host@1.0001.npy, lira_jax-x",
    }


def test_a_command_in_a_forked_child_says_and_ends_as_in_a_process_of_its_own(case, capfd):
    line = ["status", f"--workdir={case.folder}/nowhere"]
    (forked,) = case.run(line)
    running = case.start(line, cold=True)
    (cold,) = running.ended()
    assert (forked.status, forked.said) == (cold.status, cold.said) == (1, forked.said)
    assert forked.said.startswith("lira-status: error: ")
    assert capfd.readouterr().out == ""


def test_what_hangs_is_told_and_killed(case, monkeypatch):
    from faults import commands

    monkeypatch.setattr(commands.MODULES["status"], "cli", lambda: time.sleep(60))
    running = case.start(["status", "--workdir=x"])
    case.look(running, running.ended(seconds=0.5))
    assert list(case.faults) == ["hang"]
    assert not running.leaves_processes()
