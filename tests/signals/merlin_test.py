"""MERLIN's shares where they are known."""

import types

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from lira_jax.signals.measure import Measurement
from lira_jax.signals.merlin import DRAWS, merlin

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype(np.float32)
Y = np.arange(6) % 2


def shares(outputs, scales, normalizer=lambda x: x):
    network = types.SimpleNamespace(
        outputs=lambda v, x: outputs(normalizer(x)),
        evaluate=lambda v, x: outputs(x),
        normalizer=normalizer,
    )
    return np.asarray(merlin(Measurement(network, None, X, Y), scales=scales))


def test_it_is_the_count_of_a_naive_loop():
    weights = RNG.normal(size=(4, 2)).astype(np.float32)
    found = shares(lambda x: jnp.tanh(x @ weights), (0.1, 2.0), lambda x: 3 * x)

    def losses(x):
        return -special.log_softmax(np.tanh(x @ weights), -1)[np.arange(6), Y]

    noise = np.asarray(jax.random.normal(jax.random.key(0), (DRAWS, 4)))
    for column, scale in enumerate((0.1, 2.0)):
        counts = sum((losses(3 * X + scale * e) > losses(3 * X)).astype(int) for e in noise)
        np.testing.assert_allclose(found[:, column], counts / DRAWS, atol=0.011)


def test_counts_are_whole_and_equal_counts_are_equal():
    weights = RNG.normal(size=(4, 2)).astype(np.float32)
    found = shares(lambda x: x @ weights, (1.0, 3.0))
    counts = np.rint(found * DRAWS).astype(np.float32)
    np.testing.assert_array_equal(found, counts * np.float32(1 / DRAWS))
    # Of a linear model the sign of the change does not depend on the scale.
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_in_a_minimum_of_the_loss_all_copies_are_above_and_on_a_plain_none():
    def peak(x):  # largest at x = X
        away = ((x[:, None] - X) ** 2).sum(-1).min(-1)
        own = jnp.abs(x[:, None] - X).sum(-1).argmin(-1) % 2
        return jnp.where(own[:, None] == jnp.arange(2), -away[:, None], 0)

    assert (shares(peak, (0.001,)) == 1).all()
    assert (shares(lambda x: jnp.zeros((len(x), 2)), (0.1,)) == 0).all()
