"""What the README says works."""

import pathlib
import re

import numpy as np
import pytest

from lira_jax import masks
from lira_jax.attacks.table import ATTACKS
from lira_jax.cli import command

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_two_commands_come_first():
    fences = [f for f in re.findall(r"^```\n(.*?)^```", README, re.S | re.M) if f.startswith("python -m pip install")]
    assert fences[:2] == [
        "python -m pip install -e . && scripts/train_shadows.sh\n",
        "python -m pip install -e '.[test]' && python -m pytest\n",
    ]


def test_every_attack_is_listed_as_the_table_has_it():
    listed = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", README, re.M)
    assert listed == [(name, attack.summary, attack.source) for name, attack in ATTACKS.items()]


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", README, re.S | re.M))
def test_the_examples_run(code, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    keep = masks.draw("balanced", 8, 50)
    (tmp_path / "runs/digits/scores").mkdir(parents=True)
    np.save(tmp_path / "runs/digits/keep.npy", keep)
    for model, own in enumerate(keep):
        phi = rng.normal(size=(50, 2)) + 2 * own[:, None]
        np.save(tmp_path / f"runs/digits/scores/{model:04d}.npy", phi.astype(np.float32))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert "'auc': 0." in capsys.readouterr().out


def test_files_that_are_linked_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.flags")), ids=lambda p: p.stem)
def test_configs_say_what_they_are_and_have_known_flags(config):
    text = config.read_text()
    assert text.startswith("# ")
    assert re.search(r"^#   scripts/\w+\.sh configs/" + config.name, text, re.M)
    for name in re.findall(r"^--(\w+)", text, re.M):
        assert name in command.FLAGS, name
