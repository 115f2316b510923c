"""Order, resuming and report of gpu_first_hour.sh, with a python that computes nothing."""

import os
import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts/gpu_first_hour.sh"
PYTHON = """#!/bin/sh
echo "said by $*" | tee -a "$CALLS"
case "$*" in *"$FAILING"*) exit 3 ;; esac
"""


@pytest.fixture
def call(tmp_path):
    stub = tmp_path / "bin/python"
    stub.parent.mkdir()
    stub.write_text(PYTHON)
    stub.chmod(0o755)

    def run(*words, failing="nothing fails"):
        calls = tmp_path / "calls"
        calls.write_text("")
        path = f"{stub.parent}:{os.environ['PATH']}"
        environ = {**os.environ, "PATH": path, "CALLS": str(calls), "FAILING": failing}
        done = subprocess.run([SCRIPT, *words], env=environ, capture_output=True, text=True)
        return done, calls.read_text()

    return run


def test_a_dry_run_names_all_steps_and_touches_nothing(call, tmp_path):
    done, calls = call("cifar", str(tmp_path / "out"), "--dry_run")
    names = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert names == ["hardware", "throughput", "wrn28_2", "fast"]
    assert "--num_models=16 --queries=2" in done.stdout
    assert (done.returncode, calls) == (0, "")
    assert not (tmp_path / "out").exists()


def test_a_failed_step_is_reported_and_taken_up_again_and_others_are_not(call, tmp_path):
    out = tmp_path / "out"
    done, calls = call(str(tmp_path), str(out), failing="lira_jax.cli.audit --flagfile=")
    assert done.returncode == 1
    assert "bench_train.py" in calls
    report = (out / "report.md").read_text()
    assert report.count("**Not done**") == 2
    assert report.count("Done in") == 2

    done, calls = call(str(tmp_path), str(out))
    assert done.returncode == 0
    assert done.stdout.startswith("hardware: done already\nthroughput: done already\n")
    assert "bench_train.py" not in calls
    assert calls.count("cli.audit") == 2
    report = (out / "report.md").read_text()
    assert report.count("Done in") == 4
    assert "online AUC .668" in report


@pytest.mark.parametrize("words", [(), ("a", "b", "c"), ("/no/such/folder",), ("a", "--fast")])
def test_wrong_words_are_one_line(call, words):
    done, calls = call(*words)
    assert (done.returncode, calls) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("gpu_first_hour.sh: error:")
