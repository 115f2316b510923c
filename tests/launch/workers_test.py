import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
import terminal

from lira_jax.errors import UserError
from lira_jax.launch import workers

ROOT = pathlib.Path(__file__).parents[2]


def test_auto_is_a_worker_a_core_for_convolutions_on_a_cpu(monkeypatch):
    monkeypatch.setattr(workers, "_cores", lambda: [0, 1, 2, 3])
    assert workers.count("auto", convolutional=True, models=64) == 4
    assert workers.count("auto", convolutional=True, models=3) == 3
    assert workers.count("auto", convolutional=False, models=64) == 1
    assert workers.count("8", convolutional=False, models=64) == 8
    for wrong in ("0", "-1", "many", ""):
        with pytest.raises(UserError, match="--workers="):
            workers.count(wrong, convolutional=True, models=4)


def test_what_a_worker_warns_of_is_told_though_its_progress_is_not(monkeypatch, capsys):
    started = []

    class Child:
        returncode = 0

        def __init__(self, command, **options):
            started.append(command)
            self.text = "note: of all\nWARNING: of model 1\n" if options["stderr"] else None

        def communicate(self):
            return None, self.text

    monkeypatch.setattr(workers.subprocess, "Popen", Child)
    workers.run("score", ["--workdir=run"], [0, 1, 2], 2)
    assert [c[-1] for c in started] == ["--model_ids=0,2", "--model_ids=1"]
    assert capsys.readouterr().err == "WARNING: of model 1\n"


def environment():
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "",
    }


def command(stage, *flags):
    return [sys.executable, "-m", f"lira_jax.cli.{stage}", *flags]


def run(stage, *flags):
    return subprocess.run(command(stage, *flags), env=environment(), capture_output=True, text=True)


@pytest.mark.slow
def test_workers_make_the_dumps_of_one_process_and_the_first_shows_its_progress(tmp_path):
    recipe = [
        "--model=tiny_models:tiny_conv",
        "--num_models=4",
        "--num_examples=100",
        "--epochs=2",
        "--queries=2",
    ]
    for name, number in (("one", 1), ("two", 2)):
        for stage in ("train", "score"):
            flags = [f"--workdir={tmp_path / name}", *recipe, f"--workers={number}"]
            status, shown = terminal.run(command(stage, *flags), env=environment())
            assert status == 0, shown
            assert "Warning" not in shown
            assert "worker 2" not in shown
            assert f"{stage} (worker 1 of 2): 100%" in shown or number == 1
    for path in sorted((tmp_path / "one/scores").iterdir()):
        np.testing.assert_allclose(
            np.load(path), np.load(tmp_path / "two/scores" / path.name), rtol=1e-4, atol=1e-4
        )


@pytest.mark.slow
def test_workers_share_what_is_not_finished_and_tell_of_all(tmp_path):
    recipe = [
        "--model=tiny_models:tiny_conv",
        "--num_models=6",
        "--num_examples=60",
        "--epochs=1",
        "--queries=2",
    ]
    for stage, done in (("train", "trained"), ("score", "scored")):
        flags = [f"--workdir={tmp_path}", *recipe]
        assert run(stage, *flags, "--workers=1", "--model_ids=0,2").returncode == 0
        rest = run(stage, *flags, "--workers=2")
        assert rest.returncode == 0, rest.stderr
        assert f"2 of 6 models are {done} already" in rest.stderr
        assert rest.stderr.count("already") == 1  # both workers have models of the rest
        assert f"{done} {6 if stage == 'train' else 4} models: " in rest.stderr
        assert rest.stderr.count(f"{done} ") == 2


def threads(process):
    """The cores that each thread of a process may use."""
    return [
        os.sched_getaffinity(int(p.name)) for p in pathlib.Path(f"/proc/{process}/task").iterdir()
    ]


def is_alive(process):
    try:
        return (
            pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux",
    reason="only Linux pins processes and tells them of their parent's death",
)
def test_workers_keep_to_their_cores_and_die_with_their_parent(tmp_path):
    flags = [
        "--model=tiny_models:tiny_conv",
        "--num_models=2",
        "--num_examples=60",
        "--epochs=100000",
        "--workers=2",
    ]
    # The first line of metrics.jsonl tells that training, and so every thread, has begun.
    parent = subprocess.Popen(
        command("train", f"--workdir={tmp_path}/run", *flags, "--log_every=1"),
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        metrics = tmp_path / "run/metrics.jsonl"
        wait_until(
            lambda: metrics.exists() and {json.loads(r)["model"] for r in metrics.open()} == {0, 1}
        )
        children = [
            int(p)
            for p in pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
            .read_text()
            .split()
        ]
        cores = workers._cores()
        expected = [set(cores[w::2] or cores) for w in range(2)]
        for child, own in zip(children, expected, strict=True):
            allowed = threads(child)
            assert len(allowed) > 1
            assert all(a == own for a in allowed)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(map(is_alive, children)))


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_a_worker_that_fails_is_named(tmp_path):
    flags = [
        f"--workdir={tmp_path}/run",
        "--model=tiny_models:tiny_conv",
        "--num_models=4",
        "--num_examples=100",
    ]
    assert run("train", *flags, "--epochs=1", "--queries=1", "--model_ids=0").returncode == 0
    done = run("score", *flags[:2], "--workers=2")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "worker" in last
    assert "status 1" in last
