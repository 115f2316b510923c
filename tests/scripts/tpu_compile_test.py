"""The real training step compiles for TPUs on a machine without one."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def run(*flags):
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "scripts" / "tpu_compile.py", *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None,
    reason="libtpu, TPUs' compiler, is not installed: pip install libtpu",
)
def test_a_small_step_compiles_for_one_and_for_four_chips():
    small = (
        "--model=mlp",
        "--hidden=4096",
        "--shape=100,8,8,1",
        "--batch_size=64",
        "--strategies=vmap",
        "--widths=1,2",
    )
    done = run(*small, "--topologies=v5e:1x1,v5e:2x2")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("v5e")]
    assert [row[:3] for row in rows] == [
        [t, "vmap", w] for t in ("v5e:1x1", "v5e:2x2") for w in ("1", "2")
    ]
    one, four = rows[:2], rows[2:]
    # A chip's work does not depend on the others.
    assert [row[3:] for row in one] == [row[3:] for row in four]
    # Operations an image; there is no gradient for the images.
    matmuls = 6 * (64 * 4096 + 4096 * 10) - 2 * 64 * 4096
    assert matmuls < 1e6 * float(one[0][3]) < 1.5 * matmuls  # and the optimiser


def test_an_unknown_topology_or_a_missing_compiler_is_a_clear_error():
    done = run("--model=mlp", "--shape=100,8,8,1", "--topologies=v99:1x1")
    assert done.returncode == 1
    assert "--topologies=v99:1x1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
