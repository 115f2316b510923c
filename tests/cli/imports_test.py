"""That commands answer at once: what they import before they know what they are asked."""

import subprocess
import sys

import pytest

SLOW = {"jax", "flax", "optax", "orbax", "sklearn", "scipy.stats", "scipy.special", "tensorstore"}
DRAWING = {"matplotlib", "plotly"}


@pytest.mark.parametrize(
    ("stage", "slow"),
    [(s, SLOW | DRAWING) for s in ("train", "score", "attack", "status", "export")]
    + [("report", SLOW), ("audit", SLOW)],
)
def test_help_waits_for_no_slow_package(stage, slow):
    code = f"import lira_jax.cli.{stage}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & slow == set()
