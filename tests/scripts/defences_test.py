import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts/defences.sh"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["configs/digits.flags", "runs/x"], "CONFIG WORKDIR DEFENCE"),
        (["configs/digits.flags", "runs/x", "--epochs=3"], "CONFIG WORKDIR DEFENCE"),
        (["no.flags", "runs/x", "l2"], "error: no config no.flags"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(arguments, message, tmp_path):
    found = subprocess.run(
        ["bash", SCRIPT, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 2
    assert message in found.stderr
    assert not list(tmp_path.iterdir())


def test_help_is_the_scripts_own():
    found = subprocess.run(["bash", SCRIPT, "--help"], capture_output=True, text=True)
    assert found.returncode == 0
    assert "DEFENCE [DEFENCE ...]" in found.stdout
    assert "set -euo" not in found.stdout
