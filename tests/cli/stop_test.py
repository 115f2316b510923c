"""Ctrl-C and SIGTERM; scripts/trust.py tries many moments."""

import os
import signal
import subprocess
import sys
import time

import pytest
from cli import small_run


def stopped(command, when, number):
    """Status, standard error and seconds of a command that gets a signal."""
    process = small_run.start(command)
    end = time.monotonic() + 120
    while not when():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)
    began = time.monotonic()
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=30)
    return process.returncode, error, time.monotonic() - began


@pytest.mark.slow
def test_a_training_ends_with_its_workers_and_one_line(tmp_path):
    run = tmp_path / "run"
    command = small_run.stage("train", run, "--epochs=100000", "--workers=2")
    begun = lambda: any(run.glob("checkpoints/*/epoch_*"))  # noqa: E731
    status, error, seconds = stopped(command, begun, signal.SIGTERM)
    assert (status, error.splitlines()[-1]) == (
        143,
        "lira-train: error: terminated; run the same command again to go on",
    )
    assert "Traceback" not in error
    assert seconds < 10  # 5 on a machine that does nothing else
    time.sleep(0.2)
    left = subprocess.run(["pgrep", "-f", str(run)], capture_output=True, text=True).stdout
    assert left == ""


LIBRARY = """
import sys, time
sys.argv[0] = "lira-score"
import lira_jax.cli
{code}
"""


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(60)",
        "try:\n    time.sleep(60)\nexcept BaseException:\n    time.sleep(60)",  # it is lost
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    ],
)
def test_a_signal_ends_whatever_a_library_does(code):
    process = subprocess.Popen(
        [sys.executable, "-c", LIBRARY.format(code="print(1, flush=True)\n" + code)],
        env=small_run.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert error == "lira-score: error: interrupted; run the same command again to go on\n"


def test_a_signal_after_the_end_changes_nothing():
    """While Python takes itself down, which it does without handlers."""
    last = "import atexit, time; atexit.register(lambda: (print(1, flush=True), time.sleep(0.5)))"
    process = subprocess.Popen(
        [sys.executable, "-c", last + LIBRARY.format(code="")],
        env=small_run.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "1\n"
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0


def test_tests_and_notebooks_keep_their_own_ctrl_c():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import lira_jax.cli; print(signal.getsignal(signal.SIGINT).__name__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env=small_run.environment(), capture_output=True, text=True
    )
    assert said.stdout == "default_int_handler\n"
