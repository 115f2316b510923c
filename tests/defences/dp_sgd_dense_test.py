"""DP-SGD's gradient rule for perceptrons against a loop over examples."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from defences.clipping import check_padding_and_empty_batches, naive
from training.loop_test import MLP, data

from lira_jax.defences import dp_sgd, dp_sgd_dense
from lira_jax.models import recipe as recipes
from lira_jax.models.mlp import Mlp
from lira_jax.models.recipe import Batch
from lira_jax.training import losses, recipe

NETWORKS = [
    Mlp(3, hidden=()),
    Mlp(3, hidden=(6,)),
    Mlp(3, hidden=(6, 5), activation="tanh", initial="glorot_uniform"),
]


def problem(module, size=9, seed=0):
    """Parameters, a loss, and a batch whose last two places are free."""
    rng = np.random.default_rng(seed)
    inputs = jnp.asarray(rng.normal(size=(size, 2, 4)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 3, size))
    params = module.init(jax.random.key(seed), inputs, train=False)["params"]

    def loss_of(params, batch, key):
        logits = module.apply({"params": params}, batch.inputs, train=True, rngs={"dropout": key})
        loss = losses.cross_entropy(logits, batch.labels, 0.1)
        return losses.weighted_mean(loss, batch.weights), {}

    return params, loss_of, Batch(inputs, labels, jnp.asarray([1.0] * (size - 2) + [0.0] * 2))


def assert_close(found, expected, **tolerance):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), found, expected)


@pytest.mark.parametrize("module", NETWORKS)
@pytest.mark.parametrize("clip", [0.2, 1.0, 1e3])  # all gradients are longer, some, none
def test_the_gradient_is_that_of_a_loop_over_examples(module, clip):
    params, loss_of, batch = problem(module)
    rule = dp_sgd_dense.gradient_rule(clip=clip, noise=0.0, expected=4)
    (loss, _), found = jax.jit(rule, static_argnums=0)(loss_of, params, batch, jax.random.key(0))
    expected = naive(loss_of, params, batch, clip, 4)
    assert_close(found, expected, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(loss, loss_of(params, batch, jax.random.key(0))[0], rtol=1e-6)


def test_with_noise_it_is_the_general_rule():
    params, loss_of, batch = problem(NETWORKS[1])
    how = {"clip": 0.5, "noise": 2.0, "expected": 4}
    key = jax.random.key(5)
    (loss, _), found = dp_sgd_dense.gradient_rule(**how)(loss_of, params, batch, key)
    (other, _), expected = dp_sgd.gradient_rule(**how)(loss_of, params, batch, key)
    assert_close(found, expected, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(loss, other, rtol=1e-6)


def test_many_models_are_lifted_together():
    params, loss_of, batch = problem(NETWORKS[2])
    many = jax.tree.map(lambda p: jnp.stack([p, 0.5 * p, -p]), params)
    rule = dp_sgd_dense.gradient_rule(clip=0.3, noise=0.0, expected=4)
    lifted = jax.vmap(lambda p: rule(loss_of, p, batch, jax.random.key(0))[1])(many)
    for m in range(3):
        one = jax.tree.map(lambda p, m=m: p[m], many)
        expected = naive(loss_of, one, batch, 0.3, 4)
        assert_close(jax.tree.map(lambda g, m=m: g[m], lifted), expected, rtol=2e-5, atol=1e-6)


def test_padding_may_hold_anything_and_an_empty_batch_gives_noise_alone():
    params, loss_of, batch = problem(NETWORKS[1])
    rule = dp_sgd_dense.gradient_rule(clip=1.0, noise=0.0, expected=4)
    check_padding_and_empty_batches(rule, loss_of, params, batch)


def test_other_layers_and_layers_used_twice_are_no_case_for_it():
    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.Dense(3)(nn.LayerNorm()(x.reshape(len(x), -1)))

    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            layer = nn.Dense(8)
            return layer(layer(x.reshape(len(x), -1)))

    rule = dp_sgd_dense.gradient_rule(clip=1.0, noise=0.0, expected=4)
    for module, message in ((Normed(), "not dense"), (Twice(), "called twice")):
        params, loss_of, batch = problem(module)
        with pytest.raises(AssertionError, match=message):
            rule(loss_of, params, batch, jax.random.key(0))


@pytest.mark.parametrize(("model", "of_dense"), [("mlp", 1), ("cnn", 0)])
def test_training_takes_it_for_perceptrons_alone(model, of_dense, monkeypatch):
    made = []
    plain = dp_sgd_dense.gradient_rule
    monkeypatch.setattr(
        dp_sgd_dense, "gradient_rule", lambda **how: made.append(how) or plain(**how)
    )
    e = dataclasses.replace(MLP, defence="dp_sgd:0.5", model=model, hidden=(512, 256))
    recipe.make(recipes.context(e, data()))
    assert len(made) == of_dense
