"""What code computes has a fingerprint that comments, places and processes do not change."""

import dataclasses
import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

from lira_jax.data.dataset import Dataset
from lira_jax.experiment import Experiment
from lira_jax.models import fingerprint

DATA = Dataset(np.zeros((6, 4, 4, 1), np.uint8), np.arange(6, dtype=np.int32) % 3, num_classes=3)
CODE = """
import flax.linen as nn
import jax
import numpy as np
from jax.experimental import io_callback
from lira_jax.models.recipe import Recipe
from lira_jax.training import recipe as training

class Net(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.Dense(8)(x.reshape(len(x), -1)))
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(self.num_classes)(x)

def net(num_classes, dtype):
    return Net(num_classes)

def recipe(context):
    own = training.supervised(context)
    return Recipe(own.init, own.step, own.variables, own.outputs,
                  signals={"sum": lambda outputs, labels: outputs.sum(-1)})
"""


@pytest.fixture
def of(tmp_path, monkeypatch):
    """(replacements in the code, fields of the experiment) -> the fingerprint."""
    monkeypatch.syspath_prepend(tmp_path)

    def found(*changes, **fields):
        code = CODE
        for old, new in changes:
            assert old in code
            code = code.replace(old, new)
        monkeypatch.delitem(sys.modules, "of_the_user", raising=False)
        importlib.invalidate_caches()
        (tmp_path / "of_the_user.py").write_text(code)
        os.utime(tmp_path / "of_the_user.py", (len(code), len(code)))  # no old bytecode
        e = Experiment(**{"model": "of_the_user:net", "batch_size": 2, **fields})
        return fingerprint.of(e, DATA)

    return found


@pytest.mark.parametrize(
    "change",
    [
        ("# of a comment", ""),
        ("class Net", "# of a comment\n\nclass Net"),
        ("Net", "Renamed"),
        ("x = nn.Dropout", "z = x\n        x = nn.Dropout"),
    ],
)
def test_what_changes_nothing_leaves_it(of, change):
    code = ("\nclass Net", "# of a comment\nclass Net")
    first = of(code)
    assert len(first.sha256) == 64
    assert of(code, change) == first


@pytest.mark.parametrize(
    "change",
    [
        ("nn.relu", "nn.tanh"),
        ("nn.Dense(8)", "nn.Dense(9)"),
        ("nn.Dense(8)", "nn.Dense(8, kernel_init=nn.initializers.he_normal())"),
        ("0.5, det", "0.4, det"),
        ("not train)", "True)"),
        ("return nn.Dense", "return 1.01 * nn.Dense"),
    ],
)
@pytest.mark.parametrize("recipe", ["", "of_the_user:recipe"])
def test_what_changes_the_model_changes_it(of, change, recipe):
    assert of(change, recipe=recipe).sha256 != of(recipe=recipe).sha256


def test_what_changes_a_recipe_changes_it(of):
    own = {"recipe": "of_the_user:recipe"}
    first = of(**own).sha256
    assert first != of().sha256
    assert first != of(("outputs.sum", "outputs.max"), **own).sha256
    assert of(("(context)\n", "(context, training.mean_gradient)\n"), **own).sha256 == first
    half = (
        "(context)\n",
        "(context, lambda *a: jax.tree.map(lambda g: g / 2, training.mean_gradient(*a)))\n",
    )
    assert of(half, **own).sha256 != first


def test_of_our_own_code_there_is_none(of):
    assert of(model="mlp") is None


def test_of_code_that_calls_back_into_python_there_is_none(of):
    back = "x = jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)"
    assert of(("x = nn.Dropout", f"{back}\n        x = nn.Dropout")) is None


def test_data_and_seed_do_not_matter_but_shapes_do(of):
    first = of()
    assert of(seed=3, num_models=64, data_path="elsewhere") == first
    e = Experiment(model="of_the_user:net", batch_size=2)
    bright = dataclasses.replace(DATA, x=DATA.x + 200)
    assert fingerprint.of(e, bright) == first
    wide = dataclasses.replace(DATA, x=np.zeros((6, 5, 4, 1), np.uint8))
    assert fingerprint.of(e, wide) != first


@pytest.mark.slow
def test_it_is_the_same_in_another_process_with_other_devices(of, tmp_path):
    here = of(recipe="of_the_user:recipe")
    code = (
        "import numpy as np; from lira_jax.models import fingerprint\n"
        "from lira_jax.data.dataset import Dataset; from lira_jax.experiment import Experiment\n"
        "x, y = np.zeros((6, 4, 4, 1), np.uint8), np.arange(6, dtype=np.int32) % 3\n"
        "e = Experiment(model='of_the_user:net', recipe='of_the_user:recipe', batch_size=2)\n"
        "print(fingerprint.of(e, Dataset(x, y, num_classes=3)).sha256)"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "PYTHONHASHSEED": "7",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == here.sha256, done.stderr
