"""The distance to the boundary where it is known, and where there is none."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.signals.boundary_distance import boundary_distance
from lira_jax.signals.measure import Measurement

RNG = np.random.default_rng(0)


def distances(outputs, x, y, step=0.02, steps=400):
    network = types.SimpleNamespace(evaluate=outputs, normalizer=lambda x: jnp.asarray(x))
    batch = Measurement(network, None, x.astype(np.float32), np.asarray(y, np.int32))
    return np.asarray(jax.jit(lambda: boundary_distance(batch, step=step, steps=steps))())


@pytest.mark.parametrize("scale", [0.2, 1, 50])
def test_of_two_linear_classes_it_is_exact(scale):
    """|z1 - z0| / ||w1 - w0||; sure models and unsure ones."""
    weights, bias = scale * RNG.normal(size=(6, 2)), scale * RNG.normal(size=2)
    x = RNG.normal(size=(40, 6))
    z = x @ weights + bias
    exact = np.abs(z[:, 1] - z[:, 0]) / np.linalg.norm(weights[:, 1] - weights[:, 0])
    found = distances(lambda _, x: x @ weights.astype(np.float32) + bias, x, z.argmax(-1))
    far = exact > 0.1
    assert far.sum() > 20
    np.testing.assert_allclose(found[far], exact[far], rtol=1e-4)
    np.testing.assert_allclose(found, exact, atol=2e-5)


def test_on_a_circle_it_is_the_difference_of_the_radii():
    """Class 1 outside radius 2: curved, and images keep their axes."""

    def outputs(_, x):
        inside = 2 - jnp.sqrt((x**2).sum((1, 2)))
        return jnp.stack([inside, -inside], -1)

    x = RNG.normal(size=(20, 2, 3))
    x *= (RNG.uniform(0.5, 3.5, 20) / np.sqrt((x**2).sum((1, 2))))[:, None, None]
    radius = np.sqrt((x**2).sum((1, 2)))
    found = distances(outputs, x, radius > 2)
    np.testing.assert_allclose(found, np.abs(2 - radius), atol=1e-4)


def test_a_wrong_example_walks_away_from_its_label():
    """It rises on the loss, so the nearer boundary, to its own label, is not the one found."""
    bias = np.array([0, 1.0, 0])

    def outputs(_, x):  # of classes left, middle and right
        return jnp.stack([-x[:, 0], jnp.zeros(len(x)), x[:, 0]], -1) + bias

    # The middle is -1 to 1; an example of the left at 0.2 goes right by 0.8.
    np.testing.assert_allclose(distances(outputs, np.array([[0.2]]), [0]), [0.8], atol=2e-5)


def test_where_nothing_is_near_or_a_third_class_is_between_there_is_none():
    def far(_, x):
        return jnp.stack([10 + 0 * x[:, 0], x[:, 0]], -1)

    x = np.array([[9.5], [0.0]])
    found = distances(far, x, [0, 0], step=0.1, steps=10)
    np.testing.assert_allclose(found[0], 0.5, atol=2e-5)
    assert np.isnan(found[1])

    def thin(_, x):  # class 2 is a sliver between 0 and 1
        return jnp.stack([-x[:, 0], x[:, 0], 0.04 - 3 * jnp.abs(x[:, 0])], -1)

    assert np.isnan(distances(thin, np.array([[-0.05]]), [0], step=0.1, steps=10)).all()


def test_the_last_step_counts():
    def outputs(_, x):
        return jnp.stack([1 - x[:, 0], x[:, 0] - 1], -1)

    x = np.array([[0.05]])
    assert np.isnan(distances(outputs, x, [0], step=0.1, steps=9))
    np.testing.assert_allclose(distances(outputs, x, [0], step=0.1, steps=10), 0.95, atol=2e-5)


def test_a_flat_model_has_none_and_no_error():
    found = distances(
        lambda _, x: jnp.tile(jnp.array([1.0, 0]), (len(x), 1)), np.ones((2, 3)), [0, 1]
    )
    assert np.isnan(found).all()


def test_in_a_batch_each_is_what_it_is_alone():
    """Of a batch some walk long, some find nothing, and others take their places meanwhile."""
    weights = RNG.normal(size=(4, 3))

    def outputs(_, x):
        return x @ weights.astype(np.float32) + jnp.sin(2 * x[:, :3])

    x, y = RNG.normal(size=(50, 4)), RNG.integers(0, 3, 50)
    found = distances(outputs, x, y, step=0.1, steps=30)
    assert 5 < np.isnan(found).sum() < 45
    alone = np.concatenate(
        [distances(outputs, x[i : i + 1], y[i : i + 1], step=0.1, steps=30) for i in range(50)]
    )
    np.testing.assert_allclose(found, alone, atol=3e-5)


def test_a_batch_takes_as_many_turns_as_its_examples_take_steps():
    """And not as many, for each of its blocks, as the one that takes most."""
    turns = []

    def outputs(_, x):
        if len(x) < 64:  # a walk, not the whole batch
            jax.debug.callback(lambda: turns.append(1))
        return jnp.stack([1 - x[:, 0], x[:, 0] - 1], -1)

    x = np.full((64, 1), 0.85)  # two steps from the boundary
    x[::8] = 50.0  # misclassified: they walk away from it, to no end
    found = distances(outputs, x, np.zeros(64), step=0.1, steps=40)
    jax.effects_barrier()
    assert np.isnan(found).sum() == 8
    assert 41 <= len(turns) <= 41 + 56 // 8 * 3
