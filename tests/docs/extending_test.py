"""docs/extending.md does what it says: in a copy of the package all of it works."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/extending.md").read_text()
FILES = dict(re.findall(r"^`(\S+\.py)`\n\n```python\n(.*?)^```", PAGE, re.S | re.M))
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
DIFFS = [block for language, block in BLOCKS if language == "diff"]
COMMANDS = [
    shlex.split(line) for language, block in BLOCKS if not language for line in block.splitlines()
]
NO_MODEL = "--model_ids=0 --part=1/2"  # all is read, drawn and checked, and no model is trained
SMALL = {
    "runs/stl10": NO_MODEL,
    "runs/conv_mixer": f"--num_examples=40 {NO_MODEL}",
    "runs/penalty": "--num_models=8 --num_examples=60 --hidden=16 --batch_size=20 --workers=1",
}
COMPILE_CHEAPLY = "--xla_backend_optimization_level=0"

RUN_ALL = """
import importlib, json, sys
import pytest

def run(name, *words):
    if name == "python":
        return pytest.main(["-p", "no:cacheprovider", *words[2:]])  # less -m pytest
    sys.argv = [name, *words]
    try:
        importlib.import_module("lira_jax.cli." + name.removeprefix("lira-")).cli()
    except SystemExit as end:
        return end.code

for command in json.loads(sys.argv[1]):
    if status := run(*command):
        sys.exit(f"{' '.join(command)}: status {status}")
"""


def apply(diff, root):
    """Applies a diff whose hunks, separated by @@, have no line numbers.

    So the page does not rot with every line that is added above.
    """
    _, name, body = re.fullmatch(r"--- a/(\S+)\n\+\+\+ b/(\S+)\n(.*)", diff, re.S).groups()
    path = root / name
    for hunk in body.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before, after = ("".join(li[1:] for li in lines if li[0] in kept) for kept in (" -", " +"))
        assert path.read_text().count(before) == 1, f"{name} does not have, exactly once:\n{before}"
        path.write_text(path.read_text().replace(before, after))


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the package and its tests, extended by all that the page adds."""
    root = tmp_path_factory.mktemp("extended")
    for folder in ("lira_jax", "tests"):
        shutil.copytree(
            ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "docs")
        )
    shutil.copy(ROOT / "pyproject.toml", root)
    for name, text in FILES.items():
        assert not (root / name).exists(), f"{name} is in the package by now: take another example"
        (root / name).write_text(text)
    for diff in DIFFS:
        apply(diff, root)
    return root


def run(root, *command):
    environment = {**os.environ, "PYTHONPATH": str(root), "XLA_FLAGS": COMPILE_CHEAPLY}
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_kind_of_extension_is_a_file_a_line_in_a_table_and_a_test():
    sections = re.split(r"^## ", PAGE, flags=re.M)[1:]
    kinds = [s for s in sections if "```python" in s]
    assert len(kinds) == 6
    for section in kinds:
        in_table = re.findall(r"^```diff\n--- a/(\S+)", section, re.M)
        code, test = re.findall(r"^`(\S+\.py)`$", section, re.M)
        if code.startswith("lira_jax/"):
            assert len(in_table) == 1
            assert test == code.replace("lira_jax/", "tests/").replace(".py", "_test.py")
        else:
            assert not in_table  # a file of the user's own


def test_what_the_page_adds_is_in_the_style_of_the_house(extended):
    pytest.importorskip("ruff", reason="ruff comes with the extra lint")
    changed = [*FILES, *(re.match(r"--- a/(\S+)", diff)[1] for diff in DIFFS)]
    for action in (["check"], ["format", "--check"]):
        run(extended, sys.executable, "-m", "ruff", *action, "--no-cache", *changed)


@pytest.mark.slow
def test_the_commands_of_the_page_run(extended):
    """In one process, which imports JAX once.

    The run of the last section stands for the README's run that the page plays with.
    """
    (extended / "stl10_binary").mkdir()
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 96, 96)).astype(np.uint8)
    x.tofile(extended / "stl10_binary/train_X.bin")
    (np.arange(20) % 10 + 1).astype(np.uint8).tofile(extended / "stl10_binary/train_y.bin")
    (extended / "runs").mkdir()
    (extended / "runs/digits").symlink_to("penalty")
    commands = [c for c in COMMANDS if c[0] == "python" or c[0].startswith("lira-")]
    for command in commands:
        if command[0] == "lira-train":
            command += SMALL[command[1].removeprefix("--workdir=")].split()
        if command[:2] == ["lira-score", "--workdir=runs/digits"]:
            command.append("--recipe=my_recipes:confidence_penalty")  # of the run in its place
    commands.sort(key=lambda c: "--workdir=runs/penalty" not in c)
    output = run(extended, sys.executable, "-c", RUN_ALL, json.dumps(commands))
    for name in (
        "median_calibration",
        "median_calibration@hinge",
        "lira_online@noisy_phi",
        "watson@top_margin",
    ):
        assert re.search(rf"^{name} ", output, re.M), output
    assert "entropy" in (extended / "runs/penalty/metrics.jsonl").read_text()
    assert np.load(extended / "runs/stl10/labels.npy").shape == (20,)
    assert (extended / "runs/conv_mixer/keep.npy").exists()
