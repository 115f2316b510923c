"""Modules of one's own are told in their own words whether they train."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lira_jax.errors import UserError
from lira_jax.models.modes import Told, has_nnx, told

X = jnp.ones((3, 4))


class Training(nn.Module):
    @nn.compact
    def __call__(self, x, *, training):
        return nn.Dropout(0.5, deterministic=not training)(nn.Dense(64)(x))


class IsTraining(nn.Module):
    @nn.compact
    def __call__(self, x, is_training=False):
        return Training()(x, training=is_training)


class Deterministic(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        return Training()(x, training=not deterministic)


class RunningAverage(nn.Module):
    @nn.compact
    def __call__(self, x, use_running_average: bool):
        return Training()(x, training=not use_running_average)


class Two(nn.Module):
    @nn.compact
    def __call__(self, x, training, deterministic):
        assert training != deterministic
        return Training()(x, training=training)


class Untold(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(64)(x)


class Usual(nn.Module):
    @nn.compact
    def __call__(self, x, train, deterministic="of another meaning"):
        assert deterministic == "of another meaning"
        return nn.Dense(64)(x)


class Anything(nn.Module):
    @nn.compact
    def __call__(self, x, **told):
        assert told.keys() == {"train"}
        return nn.Dense(64)(x)


class Masked(nn.Module):
    def __call__(self, x, train, mask, lengths):
        return x


class Nnx(nnx.Module):
    def __init__(self, *, rngs):
        self.dense = nnx.Linear(4, 64, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, deterministic):
        return self.dropout(self.dense(x), deterministic=deterministic)


def run(module, train):
    key = jax.random.key(0)
    variables = module.init({"params": key, "dropout": key}, X, train=False)
    return np.asarray(module.apply(variables, X, train=train, rngs={"dropout": key}))


@pytest.mark.parametrize(
    "module",
    [
        *(Training(), IsTraining(), Deterministic(), RunningAverage(), Two()),
        nnx.bridge.to_linen(Nnx),
    ],
    ids=lambda m: type(m).__name__,
)
def test_dropout_is_on_in_training_alone(module):
    adapted = told("--model=m:f", module)
    assert 0.25 < np.mean(run(adapted, train=True) == 0) < 0.75
    assert np.all(run(adapted, train=False) != 0)


@pytest.mark.parametrize("module", [Untold(), nn.Sequential([nn.Dense(64)])])
def test_modules_that_are_told_nothing_are_called_with_the_inputs_alone(module):
    adapted = told("--model=m:f", module)
    np.testing.assert_array_equal(run(adapted, train=True), run(adapted, train=False))


@pytest.mark.parametrize("module", [Usual(), Anything()])
def test_who_takes_train_stays_as_it_is(module):
    assert told("--model=m:f", module) is module
    run(module, train=True)


def test_other_arguments_are_refused_by_name():
    with pytest.raises(UserError, match=r"^--model=m:f: its __call__ wants mask, lengths, which"):
        told("--model=m:f", Masked())


def test_nnx_is_seen_through_the_adapter():
    adapted = told("--model=m:f", nnx.bridge.to_linen(Nnx))
    assert isinstance(adapted, Told)
    assert has_nnx(adapted)
    assert not has_nnx(told("--model=m:f", Untold()))
