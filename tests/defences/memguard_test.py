"""MemGuard keeps the label and moves g to one half; a naive search finds the same noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from lira_jax.defences import memguard


def outputs(seed=0, examples=48, classes=4):
    """Logits of members, which are surer, and of others."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(examples, classes))
    members = np.arange(examples) % 2 == 0
    logits[np.arange(examples), rng.integers(0, classes, examples)] += np.where(members, 6, 1.5)
    return logits.astype(np.float32), members


@pytest.fixture(scope="module")
def fitted():
    logits, members = outputs()
    net = jax.jit(memguard.fit, static_argnums=3)(logits, members, jax.random.key(0), 4000)
    given = np.asarray(jax.jit(jax.vmap(memguard.noisy, (None, 0)))(net, logits))
    return net, logits, members, given


def g(net, logits):
    p = jnp.sort(jax.nn.softmax(jnp.asarray(logits)), -1)
    return np.asarray(jax.nn.sigmoid(memguard.before_sigmoid(net, p)))


def test_g_learns_who_is_a_member(fitted):
    net, logits, members, _ = fitted
    assert ((g(net, logits) > 0.5) == members).mean() > 0.8


def test_the_label_stays_for_every_example(fitted):
    _, logits, _, given = fitted
    np.testing.assert_array_equal(given.argmax(-1), logits.argmax(-1))
    others = np.array(given)
    np.put_along_axis(others, given.argmax(-1)[:, None], -np.inf, -1)
    assert (given.max(-1) > others.max(-1)).all()


def test_g_says_the_other_thing_of_what_is_noisy_and_barely(fitted):
    net, logits, _, given = fitted
    moved = (given != logits).any(-1)
    assert moved.mean() > 0.5
    p = np.sort(special.softmax(given[moved], -1), -1)  # the code's g sees the order of before
    order = np.argsort(logits[moved], -1)
    in_order = np.take_along_axis(special.softmax(given[moved], -1), order, -1)
    after = np.asarray(memguard.before_sigmoid(net, jnp.asarray(in_order, jnp.float32)))
    before = g(net, logits[moved]) - 0.5
    assert (np.sign(after) != np.sign(before)).all()
    assert np.abs(jax.nn.sigmoid(after) - 0.5).mean() < np.abs(before).mean()
    assert np.isfinite(p).all()


def naive(net, z0):
    """The authors' loop on one example, in numpy but for the gradient."""
    order = np.argsort(z0)
    start = jnp.asarray(z0[order])
    u = jax.nn.softmax(start)
    h0, label = float(memguard.before_sigmoid(net, u)), int(np.argmax(start))
    if abs(1 / (1 + np.exp(-h0)) - 0.5) <= 1e-5:
        return z0

    def loss(z, c3):
        rest = jnp.max(jnp.where(jnp.arange(len(z)) == label, -jnp.inf, z))
        p = jax.nn.softmax(z)
        h = memguard.before_sigmoid(net, p)
        return jnp.abs(h) + 10 * jax.nn.relu(rest - z[label]) + c3 * jnp.abs(p - u).sum()

    slope, best = jax.jit(jax.grad(loss)), np.asarray(start)
    for c3 in 10.0 ** np.arange(-1, 6):
        z, steps = start, 0
        while steps < 300:
            h = float(memguard.before_sigmoid(net, jax.nn.softmax(z)))
            if int(np.argmax(z)) == label and np.sign(h) != np.sign(h0):
                break
            d = slope(z, c3)
            z, steps = z - 0.1 * d / jnp.linalg.norm(d), steps + 1
        h = float(memguard.before_sigmoid(net, jax.nn.softmax(z)))
        if int(np.argmax(z)) != label or np.sign(h) == np.sign(h0):
            break
        best = np.asarray(z)
    found = np.empty_like(best)
    found[order] = best
    return found


@pytest.mark.slow
def test_the_noise_is_that_of_a_plain_loop(fitted):
    net, logits, _, given = fitted
    for i in (0, 1, 2):
        np.testing.assert_allclose(given[i], naive(net, logits[i]), atol=2e-3)


def test_the_budget_bounds_the_mean_distortion(fitted):
    net, logits, _, given = fitted
    distortion = np.abs(special.softmax(given, -1) - special.softmax(logits, -1)).sum(-1)
    choose = jax.jit(
        jax.vmap(
            jax.vmap(memguard.within_budget, (None, 0, 0, 0, None)), (None, None, None, 0, None)
        )
    )
    keys = jax.random.split(jax.random.key(1), (400, len(logits)))
    for budget in (0.05, 0.3, 10.0):
        chosen = np.asarray(choose(net, logits, given, keys, budget))
        took = (chosen != logits).any(-1).mean(0)
        before, after = (np.abs(g(net, z) - 0.5) for z in (logits, given))
        chance = np.where(after < before, np.minimum(budget / np.maximum(distortion, 1e-30), 1), 0)
        chance[(given == logits).all(-1)] = 0
        assert np.abs(took - chance).max() < 5 * np.sqrt(0.25 / 400)
        assert (took * distortion).max() <= budget + 5 * distortion.max() * np.sqrt(0.25 / 400)
