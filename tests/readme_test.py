"""What the README and the pages of docs/ say works."""

import contextlib
import importlib
import os
import pathlib
import re
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from lira_jax.attacks.papers import markdown
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import Results
from lira_jax.cli import flags
from lira_jax.cli.flags import FLAGS
from lira_jax.data import masks
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.interop.targets import read_targets
from lira_jax.models.table import create
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
ATTACK_PAGE = PAGES["docs/attacks.md"].split("## Which number is which")[0]


def test_the_two_commands_come_first():
    fences = [
        f
        for f in re.findall(r"^```\n(.*?)^```", README, re.S | re.M)
        if f.startswith("python -m pip install")
    ]
    assert fences[:2] == [
        "python -m pip install -e . && scripts/train_shadows.sh\n",
        "python -m pip install -e '.[test]' && python -m pytest -n 2\n",
    ]


def test_attacks_are_listed_as_the_table_has_them_and_in_its_order():
    """A new one works before it is listed: the help of lira-attack has it at once."""
    listed = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", ATTACK_PAGE, re.M)
    names = [name for name, *_ in listed]
    expected = [(n, a.summary, markdown(a.source)) for n, a in ATTACKS.items() if n in names]
    assert listed == expected
    assert len(names) > 30


@pytest.mark.parametrize(
    "code", re.findall(r"^```python\n(.*?)^```", PAGES["docs/python.md"], re.S | re.M)
)
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
    assert "Metric(value=0." in capsys.readouterr().out


def snippet(word):
    """The code block with this word in it, on the README or the pages on models and other tools."""
    text = README + PAGES["docs/models.md"] + PAGES["docs/other_tools.md"]
    (code,) = [c for c in re.findall(r"^```\w* ?\w*\n(.*?)^```", text, re.S | re.M) if word in c]
    return code


def test_the_nnx_module_is_built_as_the_page_shows_it(tmp_path, monkeypatch):
    (tmp_path / "nnx_models.py").write_text(snippet("import nnx"))
    monkeypatch.syspath_prepend(tmp_path)
    module = create("nnx_models:net", 3)
    outputs, _ = module.init_with_output(jax.random.key(0), np.ones((2, 8, 8, 1)), train=True)
    assert outputs.shape == (2, 3)


class FakeTensor:
    """As much of a torch tensor as the README uses, on numpy."""

    def __init__(self, array):
        self.array = array

    def __truediv__(self, number):
        return FakeTensor(self.array / np.float32(number))

    def __sub__(self, number):
        return FakeTensor(self.array - np.float32(number))

    def permute(self, *axes):
        return FakeTensor(self.array.transpose(axes))

    def float(self):
        return FakeTensor(self.array.astype(np.float32))

    def split(self, size):
        return [FakeTensor(self.array[i : i + size]) for i in range(0, len(self.array), size)]

    def cpu(self):
        return self

    def numpy(self):
        return self.array


class FakeModel:
    """Its logits are ten of the pixels, so they tell the image."""

    def eval(self):
        return self

    def __call__(self, images):
        assert images.array.shape[1:] == (1, 8, 8)
        return FakeTensor(images.array.reshape(len(images.array), -1)[:, 20:30])


def test_logits_from_torch_are_those_of_the_runs_examples_in_its_order(tmp_path, monkeypatch):
    e = Experiment(
        num_examples=600, drop_duplicates=True, outliers=20, outliers_from="random_labels", seed=3
    )
    run = RunDirectory(tmp_path / "runs/digits")
    run.settle_experiment(e, set(FIELDS))
    data = run_data.load_data(run)
    keep = np.random.default_rng(0).random(600) < 0.5
    fake = types.SimpleNamespace(
        from_numpy=FakeTensor,
        no_grad=contextlib.nullcontext,
        cat=lambda parts: FakeTensor(np.concatenate([p.array for p in parts])),
    )
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.chdir(tmp_path)
    exec(
        compile(snippet("import torch"), "README.md", "exec"), {"model": FakeModel(), "keep": keep}
    )
    _, logits, members = read_targets("theirs.npz", data.y, 600, 18, 10)
    np.testing.assert_array_equal(members, [keep])
    pixels = data.x.reshape(600, 64)[:, 20:30]
    np.testing.assert_array_equal(np.rint((logits[0] + 1) * 127.5), pixels)


@pytest.mark.slow
def test_a_model_in_the_users_file_goes_through_all_stages(tmp_path):
    (tmp_path / "my_models.py").write_text(snippet("import flax"))
    small = (
        "--num_models=8 --num_examples=120 --epochs=6 --batch_size=20 --queries=1 --workers=1 "
        "--undefok=workers"
    )
    script = snippet("my_models:net").replace("--epochs=30", small)
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    done = subprocess.run(
        ["bash", "-ec", script], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "lira_online_fixed" in done.stdout
    assert RunDirectory(tmp_path / "runs/net").read_experiment().model == "my_models:net"
    assert (tmp_path / "runs/net/report/index.html").exists()


NUMBER = """
import flax.linen as nn


class Number(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.relu(nn.Dense(8)(x.reshape(len(x), -1))))[:, 0]
"""


@pytest.mark.slow
def test_the_recipe_of_ones_own_goes_through_the_commands(tmp_path, monkeypatch):
    (tmp_path / "my_recipes.py").write_text(NUMBER + snippet("def regression"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    small = ["--num_models=6", "--num_examples=60", "--epochs=3", "--batch_size=30", "--queries=1"]
    for line in snippet("my_recipes:regression").splitlines():
        _, _, module, *given = line.split()
        command = importlib.import_module(module)
        flags.parse([module, *given, *small, "--workers=1"])
        command.main()
    found = Results.read(tmp_path / "runs/regression").attacks
    assert list(found) == ["lira_online@closeness", "threshold@closeness"]
    assert (tmp_path / "runs/regression/report/index.html").exists()


def test_the_attacks_on_any_signal_are_those_of_the_table():
    """Of those that are listed above: a new one works before it is."""
    listed = re.findall(r"^\| `(\w+)` \|", ATTACK_PAGE, re.M)
    named = re.search(r"Attacks that take any are (.*?)\. What", ATTACK_PAGE, re.S)[1]
    assert re.findall(r"`(\w+)`", named) == list(
        dict.fromkeys(a.on_signal for n, a in ATTACKS.items() if a.on_signal and n in listed)
    )


def anchors(text):
    """Of the headings of a page, as GitHub and MkDocs name them."""
    words = [re.sub(r"[^\w\- ]", "", h.lower()) for h in re.findall(r"^#+ (.*)$", text, re.M)]
    return {w.strip().replace(" ", "-") for w in words}


@pytest.mark.parametrize("page", PAGES)
def test_files_and_headings_that_are_linked_exist(page):
    for target in re.findall(
        r"\]\(([^):]+)\)", re.sub(r"^```.*?^```", "", PAGES[page], flags=re.S | re.M)
    ):
        file, _, heading = target.partition("#")
        path = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        assert path.exists(), target
        assert not heading or heading in anchors(path.read_text()), target


def test_every_page_is_in_the_sites_menu_and_is_reached_from_the_readme():
    menu = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES:
        assert page == "README.md" or page.removeprefix("docs/") in menu, page
        top = page.startswith("docs/") and page.count("/") == 1 and page != "docs/index.md"
        assert not top or f"({page})" in README, page


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.flags")), ids=lambda p: p.stem)
def test_configs_say_what_they_are_and_have_known_flags(config):
    text = config.read_text()
    assert text.startswith("# ")
    starts = r"(?:python )?scripts/\w+\.(?:sh|py) |lira-train --flagfile="
    assert re.search(rf"^#   (?:{starts})configs/{config.name}", text, re.M)
    for name in re.findall(r"^--(\w+)", text, re.M):
        assert name in FLAGS, name
