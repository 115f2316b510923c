"""One network in evaluation mode: what training, scoring and a user's recipe see is the same."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import network
from lira_jax.models.recipe import Recipe

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (20, 3, 3, 1)).astype(np.uint8)
DATA = Dataset(X, (np.arange(20) % 4).astype(np.int32), num_classes=4)
LINEAR = Experiment(hidden=())


KERNEL, BIAS = RNG.normal(size=(9, 4)).astype(np.float32), np.arange(4, dtype=np.float32)
VARIABLES = {"params": {"logits": {"kernel": KERNEL, "bias": BIAS}}}


@pytest.mark.parametrize("scaling", ["pixel", "standard", "none"])
def test_outputs_are_of_raw_inputs_scaled_as_the_pool(scaling):
    one = network.make(Experiment(hidden=(), normalize=scaling), DATA)
    offset, divisor = {"pixel": (127.5, 127.5), "standard": (X.mean(), X.std()), "none": (0, 1)}[
        scaling
    ]
    expected = (X[:5].reshape(5, 9) - offset) / divisor @ KERNEL + BIAS
    np.testing.assert_allclose(one.outputs(VARIABLES, X[:5]), expected, rtol=1e-4, atol=1e-4)


def test_the_scaling_is_the_pools_even_where_it_sees_a_few_probes():
    e = Experiment(hidden=(), normalize="standard")
    few = Dataset(X[:3], DATA.y[:3], num_classes=4)
    pool = normalize.fit(X, "standard")
    one, whole = network.make(e, few, pool), network.make(e, DATA)
    np.testing.assert_array_equal(one.outputs(VARIABLES, X), whole.outputs(VARIABLES, X))


def test_it_is_described_without_computing_anything():
    one = network.make(LINEAR, DATA)
    layer = one.shapes["params"]["logits"]
    assert {name: (a.shape, a.dtype.name) for name, a in layer.items()} == {
        "kernel": ((9, 4), "float32"),
        "bias": ((4,), "float32"),
    }
    assert one.shapes["batch_stats"] == {}
    assert one.classifies
    assert not one.convolutional
    assert one.signals == {}


class Normed(nn.Module):
    """BatchNorm and Dropout, which training and evaluation see differently."""

    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        return nn.Dropout(0.5, deterministic=not train)(x)


def test_in_evaluation_an_example_does_not_depend_on_its_batch():
    module = Normed()
    shapes = jax.eval_shape(network.initialiser(module, (2,)), jax.random.key(0))
    values = {"scale": [1.0, 1.0], "bias": [0.0, 0.0], "mean": [1.0, -1.0], "var": [4.0, 0.25]}
    variables = jax.tree_util.tree_map_with_path(
        lambda path, _: np.array(values[path[-1].key], np.float32), shapes
    )
    x = RNG.normal(size=(6, 2)).astype(np.float32)
    outputs = network.evaluator(module)
    expected = (x - [1, -1]) / np.sqrt(np.array([4, 0.25]) + 1e-5)
    np.testing.assert_allclose(outputs(variables, x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(outputs(variables, x[2:3])[0], outputs(variables, x)[2])


def recipe(**changes):
    fields = {
        "init": lambda key: {"w": jax.random.normal(key, (9,)), "steps": jnp.int32(0)},
        "step": None,
        "variables": lambda state: state["w"],
        "outputs": lambda w, x: x.reshape(len(x), -1) @ w,
        "signals": {"closeness": lambda outputs, labels: -((outputs - labels) ** 2)},
    }
    return Recipe(**{**fields, **changes})


def described(own, flag="--recipe=mine:own"):
    return network.of_recipe(own, flag, DATA, normalize.fit(X, "pixel"))


def test_a_recipe_is_scored_by_what_the_finished_model_needs():
    one = described(recipe())
    assert one.shapes.shape == (9,)  # and no step counter
    assert not one.classifies
    assert list(one.signals) == ["closeness"]
    w = one.init(jax.random.key(3))
    np.testing.assert_array_equal(w, recipe().init(jax.random.key(3))["w"])
    expected = (X.reshape(20, 9) / 127.5 - 1) @ np.asarray(w)
    np.testing.assert_allclose(one.outputs(w, X), expected, rtol=1e-4, atol=1e-4)


def test_outputs_of_few_bits_are_float32_for_signals_and_attacks():
    own = recipe(outputs=lambda w, x: (x.reshape(len(x), -1) @ w).astype(jnp.bfloat16))
    one = described(own)
    assert one.outputs(one.init(jax.random.key(0)), X).dtype == jnp.float32


def test_a_recipe_that_fails_is_one_line_with_the_place_and_our_own_is_not_hidden():
    wrong = recipe(outputs=lambda w, x: x @ jnp.ones((5, 5)))
    with pytest.raises(UserError, match=r"--recipe=mine:own: TypeError: .*") as error:
        described(wrong)
    assert "\n" not in str(error.value)
    with pytest.raises(TypeError):
        described(wrong, flag="")
