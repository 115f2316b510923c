"""Gradient norms against closed forms and a naive loop over examples."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from lira_jax.data.dataset import Dataset
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.signals.gradient_norms import NAMES, gradient_norms_w, gradient_norms_x, seven
from lira_jax.signals.measure import Measurement
from lira_jax.signals.phi import loss

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 5)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2, 0])


def linear(scale):
    """A matrix, whose outputs are logits of 3 classes, and its Measurement."""

    def outputs(weights, x):
        return x @ weights

    weights = scale * RNG.normal(size=(5, 3)).astype(np.float32)
    network = types.SimpleNamespace(
        outputs=outputs, evaluate=outputs, by_example=outputs, normalizer=lambda x: x
    )
    return Measurement(network, weights, X, Y), weights


@pytest.mark.parametrize("scale", [0.5, 30])
def test_of_a_matrix_they_are_the_error_times_the_features(scale):
    batch, weights = linear(scale)
    logits = X.astype(np.float64) @ weights
    others = np.where(np.eye(3)[Y], 0, special.softmax(logits, -1))
    error = others - np.eye(3)[Y] * others.sum(-1, keepdims=True)  # p - y, precise where p_y is 1
    of_w, of_x = jax.jit(lambda: (gradient_norms_w(batch), gradient_norms_x(batch)))()
    l2 = NAMES.index("l2")
    expected = np.linalg.norm(error, axis=-1) * np.linalg.norm(X, axis=-1)
    np.testing.assert_allclose(of_w[:, l2], expected, rtol=2e-4)
    np.testing.assert_allclose(of_x[:, l2], np.linalg.norm(error @ weights.T, axis=-1), rtol=2e-4)


def test_the_seven_are_those_of_numpy_and_scipy():
    parts = [RNG.exponential(size=(3, 4)), RNG.normal(size=11)]
    g = np.concatenate([p.ravel() for p in parts])
    expected = [
        np.abs(g).sum(),
        np.linalg.norm(g),
        np.abs(g).min(),
        np.abs(g).max(),
        g.mean(),
        stats.skew(g),
        stats.kurtosis(g),
    ]
    for scale in (1, 1e-25, 1e15):
        found = seven([jnp.asarray(scale * p, jnp.float32) for p in parts])
        sized = np.array([scale] * 5 + [1, 1])
        np.testing.assert_allclose(found, expected * sized, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_of_equal_parts_the_shape_is_0(value):
    found = seven([jnp.full((2, 3), value), jnp.full(4, value)])
    np.testing.assert_allclose(
        found, [10 * value, np.sqrt(10) * value, value, value, value, 0, 0], rtol=1e-6
    )


def test_of_a_network_they_are_those_of_one_example_after_the_other():
    """In blocks of two."""
    data = Dataset(
        RNG.integers(0, 256, (5, 8, 8, 1)).astype(np.uint8), np.arange(5) % 3, num_classes=3
    )
    network = networks.make(Experiment(model="tiny_models:tiny_conv"), data)
    variables = jax.jit(network.init)(jax.random.key(0))
    batch = Measurement(network, variables, data.x, jnp.asarray(data.y))
    two = 2 * 3 * 4 * sum(a.size for a in jax.tree.leaves(variables["params"]))
    cut = Measurement(network, variables, data.x, batch.labels, two)
    of_w, of_x = jax.jit(lambda: (gradient_norms_w(cut), gradient_norms_x(cut)))()

    def one_loss(params, x, label):
        variables = {**batch.variables, "params": params}
        return loss(batch.network.evaluate(variables, x[None]), label[None])[0]

    naive = jax.jit(jax.grad(one_loss, argnums=(0, 1)))
    for i in range(len(batch.labels)):
        by_weights, by_x = naive(batch.variables["params"], batch.normalised[i], batch.labels[i])
        whole = np.concatenate([np.ravel(a) for a in jax.tree.leaves(by_weights)], dtype=float)
        for found, g in ((of_w[i], whole), (of_x[i], np.ravel(by_x).astype(np.float64))):
            expected = [np.linalg.norm(g, 1), np.linalg.norm(g), np.abs(g).min(), np.abs(g).max()]
            np.testing.assert_allclose(found[:4], expected, rtol=1e-3, atol=1e-7)
            shape = [g.mean(), stats.skew(g), stats.kurtosis(g)]
            np.testing.assert_allclose(found[4:], shape, rtol=2e-3, atol=1e-5)
