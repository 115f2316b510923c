"""What every gradient rule of DP-SGD must do."""

import jax
import jax.numpy as jnp
import numpy as np

from lira_jax.models.recipe import Batch


def naive(loss_of, params, batch, clip, expected):
    """The sum of clipped gradients, one example after the other, in float64."""
    total = jax.tree.map(lambda p: np.zeros(p.shape), params)
    for i in np.flatnonzero(np.asarray(batch.weights)):
        one = Batch(batch.inputs[i : i + 1], batch.labels[i : i + 1], jnp.ones(1))
        slope = jax.grad(lambda p, one=one: loss_of(p, one, jax.random.key(0))[0])(params)
        slope = jax.tree.map(np.float64, slope)
        norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(slope)))
        total = jax.tree.map(lambda t, g, n=norm: t + g * min(1, clip / n), total, slope)
    return jax.tree.map(lambda t: t / expected, total)


def check_padding_and_empty_batches(rule, loss_of, params, batch):
    """Of a rule without noise, and a batch whose last place is free."""
    _, expected = rule(loss_of, params, batch, jax.random.key(0))
    wild = batch._replace(inputs=batch.inputs.at[-1].set(jnp.nan))
    (loss, _), found = rule(loss_of, params, wild, jax.random.key(0))
    assert np.isfinite(loss)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    for empty in (batch, wild):
        empty = empty._replace(weights=jnp.zeros(len(batch.weights)))
        (loss, _), found = rule(loss_of, params, empty, jax.random.key(0))
        assert loss == 0
        assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(found))
