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


@pytest.mark.slow
def test_a_defence_in_training_and_one_at_the_output_end_in_one_table(tmp_path):
    tiny = ["--num_models=4", "--num_examples=200", "--epochs=2", "--queries=1", "--attacks=loss"]
    defences = ["dropout:0.1 --learning_rate=0.05", "argmax"]
    config = SCRIPT.parents[1] / "configs/digits_defences.flags"
    found = subprocess.run(
        ["bash", SCRIPT, config, tmp_path / "runs", *defences, *tiny],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    rows = found.stdout.split("Defences against loss")[1].splitlines()[3:6]
    names = ["none", "dropout_0.1_learning_rate_0.05", "argmax"]
    assert [row.split()[0] for row in rows] == names
    assert (tmp_path / "runs/none/report/compare.html").exists()
    assert len((tmp_path / "runs/none/report/compare.csv").read_text().splitlines()) == 4
