"""Layers of our networks and of a user's, by place and by name."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.signals.layers import layers
from lira_jax.signals.measure import Measurement

RNG = np.random.default_rng(0)
DATA = Dataset(RNG.integers(0, 256, (6, 8, 8, 1)).astype(np.uint8), np.arange(6) % 3, num_classes=3)


def measured(**fields):
    network = networks.make(Experiment(**fields), DATA)
    return Measurement(network, jax.jit(network.init)(jax.random.key(0)), DATA.x, DATA.y)


def features(batch, *names):
    return jax.jit(lambda: [layers(batch, layer=name) for name in names])()


def test_the_last_hidden_layer_times_the_last_kernel_is_the_logits():
    batch = measured(hidden=(7, 5))
    params = batch.variables["params"]
    last, before, first = features(batch, "-1", "-2", "-3")
    assert [a.shape for a in (last, before, first)] == [(6, 5), (6, 7), (6, 64)]
    head = params["logits"]
    np.testing.assert_allclose(last @ head["kernel"] + head["bias"], batch.outputs, rtol=1e-4)
    dense = before @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]
    np.testing.assert_allclose(last, nn.relu(dense), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(features(batch, "Dense_1")[0], dense, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first, batch.normalised.reshape(6, -1))


class Own(nn.Module):
    """A user's module: blocks, no fully connected layer of flax at its end."""

    head: bool

    @nn.compact
    def __call__(self, x, train):
        x = Block()(x.reshape(len(x), -1))
        kernel = self.param("head", nn.initializers.ones_init(), (4, 3))
        return Block()(x) @ kernel if self.head else x @ kernel


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.tanh(nn.Dense(4)(x))


def own(num_classes, dtype):
    return Own(True)


def bare(num_classes, dtype):
    return Bare()


class Bare(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = x.reshape(len(x), -1)
        return x @ self.param("kernel", nn.initializers.ones_init(), (x.shape[-1], 3))


def test_a_users_module_is_looked_into_as_ours():
    batch = measured(model=f"{__name__}:own")
    second, inner, before = features(batch, "Block_1", "Block_1.Dense_0", "-1")
    dense = batch.variables["params"]["Block_1"]["Dense_0"]
    np.testing.assert_allclose(second, np.tanh(inner), rtol=1e-6)
    np.testing.assert_allclose(
        before @ dense["kernel"] + dense["bias"], inner, rtol=1e-4, atol=1e-6
    )


def test_images_are_flattened_and_examples_do_not_depend_on_their_neighbours():
    batch = measured(model="tiny_models:tiny_conv")
    (whole,) = features(batch, "Conv_0")
    assert whole.shape == (6, 8 * 8 * 4)
    one = Measurement(batch.network, batch.variables, DATA.x[2:3], DATA.y[2:3])
    np.testing.assert_allclose(features(one, "Conv_0")[0][0], whole[2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        ("mlp", "Dense_7", r"layer=Dense_7: .*a name: Dense_0, .*logits"),
        ("mlp", "-9", r"layer=-9: the model has 3 fully connected layers; .* to -3"),
        ("mlp", "1", r"layer=1: .* count from -1"),
        (f"{__name__}:bare", "-1", r"layer=-1: flax knows of no layer .* leave the signal out"),
        (f"{__name__}:bare", "Dense_0", r"layer=Dense_0: flax knows of no layer in the model"),
    ],
)
def test_a_layer_that_there_is_not_is_one_line(model, layer, message):
    network = networks.make(Experiment(model=model), DATA)
    with pytest.raises(UserError, match=message) as error:
        jax.eval_shape(
            lambda v: layers(Measurement(network, v, DATA.x, DATA.y), layer=layer), network.shapes
        )
    assert "\n" not in str(error.value)
