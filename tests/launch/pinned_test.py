"""A worker process takes its cores, its memory and its parent before the command begins."""

import os
import pathlib
import platform
import subprocess
import sys
import types

import pytest

from lira_jax.launch import pinned

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}


@pytest.fixture
def process(monkeypatch):
    """What `main` would do to this process and begin in it, without doing it."""
    done = []
    stage = types.SimpleNamespace(cli=lambda: done.append(("run", sys.argv[1:])))

    def imported(name):
        done.append(("import", name))
        return stage

    monkeypatch.setattr(pinned.importlib, "import_module", imported)
    monkeypatch.setattr(pinned, "keep_freed_memory", lambda: done.append(("keep",)))
    monkeypatch.setattr(
        pinned.os, "sched_setaffinity", lambda pid, cores: done.append(("pin", pid, set(cores)))
    )
    libc = types.SimpleNamespace(prctl=lambda *of: done.append(("prctl", *of)))
    monkeypatch.setattr(pinned.ctypes, "CDLL", lambda name: libc)
    return done


def begin(monkeypatch, system, parent, *flags):
    monkeypatch.setattr(pinned.sys, "platform", system)
    monkeypatch.setattr(sys, "argv", ["pinned", "train", "1,3", str(parent), *flags])
    pinned.main()


def test_cores_and_memory_are_set_before_any_library_is_imported(process, monkeypatch):
    begin(monkeypatch, "linux", os.getppid(), "--workdir=run", "--model_ids=0,2")
    assert process == [
        ("pin", 0, {1, 3}),
        ("keep",),
        ("prctl", 1, 9),  # PR_SET_PDEATHSIG, SIGKILL
        ("import", "lira_jax.cli.train"),
        ("run", ["--workdir=run", "--model_ids=0,2"]),
    ]


def test_a_parent_that_died_before_it_could_be_told_ends_the_worker(process, monkeypatch):
    with pytest.raises(SystemExit) as end:
        begin(monkeypatch, "linux", os.getppid() + 1)
    assert end.value.code == 1
    assert ("import", "lira_jax.cli.train") not in process


def test_other_systems_only_run_the_command(process, monkeypatch):
    begin(monkeypatch, "darwin", 0, "--workdir=run")
    assert process == [("import", "lira_jax.cli.train"), ("run", ["--workdir=run"])]


def test_a_c_library_without_mallopt_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(pinned.ctypes, "CDLL", lambda name: object())
    pinned.keep_freed_memory()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells processes of their parent's death"
)
def test_a_worker_whose_parent_is_dead_does_not_begin(tmp_path):
    first = min(os.sched_getaffinity(0))
    stranger = [
        sys.executable,
        "-m",
        "lira_jax.launch.pinned",
        "train",
        str(first),
        str(os.getppid()),
        f"--workdir={tmp_path}/run",
    ]
    assert subprocess.run(stranger, env=ENVIRONMENT).returncode == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries take these settings elsewhere"
)
def test_freed_memory_serves_the_next_allocation():
    script = """
import resource, threading
from lira_jax.launch.pinned import keep_freed_memory
def faults(size=2**26):
    b"1" * size  # the first time, the memory is new
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"1" * size
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
found = []
keep_freed_memory()
faults()
thread = threading.Thread(target=faults)
thread.start()
thread.join()
print(max(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert int(done.stdout) < 1000, done.stderr  # of 16384 pages
