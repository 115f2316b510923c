import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.experiment import Experiment
from lira_jax.training import optimizer


def test_reference_schedule():
    rate = optimizer.schedule(Experiment(schedule="reference", learning_rate=0.1), 1000)
    for step in (0, 3, 10, 500, 999):
        t = step / 1000
        assert float(rate(step)) == pytest.approx(
            0.1 * np.cos(7 * np.pi / 16 * t) * min(1, 100 * t), rel=1e-5, abs=1e-9
        )
    assert float(rate(1000)) == pytest.approx(0.1 * 0.195, rel=1e-2)


@pytest.mark.parametrize(
    ("name", "middle", "end"), [("cosine", 0.5, 0), ("linear", 0.5, 0), ("constant", 1, 1)]
)
def test_other_schedules(name, middle, end):
    rate = optimizer.schedule(Experiment(schedule=name, learning_rate=2.0, warmup=0.1), 100)
    assert float(rate(50)) == pytest.approx(2 * middle, abs=1e-6)
    assert float(rate(100)) == pytest.approx(2 * end, abs=1e-6)
    assert float(rate(5)) == pytest.approx(float(rate(10)) * 0.5, rel=0.1)


def test_steps_fall_after_whole_epochs():
    """At 81 and 122 of 164 epochs of 391 steps, as Rezaei and Liu train on CIFAR."""
    e = Experiment(schedule="step", drops=(81, 122), epochs=164, learning_rate=0.1)
    rate = optimizer.schedule(e, 164 * 391)
    expected = {0: 0.1, 81 * 391 - 1: 0.1, 81 * 391: 0.01, 122 * 391 - 1: 0.01, 122 * 391: 0.001}
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, rel=1e-6)
    slower = Experiment(schedule="step", drops=(2,), drop_factor=0.5, epochs=3, learning_rate=1.0)
    assert [float(optimizer.schedule(slower, 9)(s)) for s in (5, 6)] == [1.0, 0.5]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_heavy_ball_on_the_penalised_loss_of_kernels_only(nesterov):
    e = Experiment(
        schedule="constant", learning_rate=0.1, momentum=0.9, weight_decay=0.5, nesterov=nesterov
    )
    params = {
        "dense": {"kernel": jnp.array([2.0]), "bias": jnp.array([2.0])},
        "norm": {"scale": jnp.array([2.0])},
    }
    descent = optimizer.make(e, 10)
    state = descent.init(params)
    expected = {"kernel": 2.0, "bias": 2.0}
    velocity = {"kernel": 0.0, "bias": 0.0}
    for _ in range(3):
        gradients = {
            "dense": {"kernel": jnp.array([1.0]), "bias": jnp.array([1.0])},
            "norm": {"scale": jnp.array([1.0])},
        }
        updates, state = descent.update(gradients, state, params)
        params = {k: {n: v + updates[k][n] for n, v in params[k].items()} for k in params}
        for name in expected:
            gradient = 1.0 + (0.5 * expected[name] if name == "kernel" else 0)
            velocity[name] = 0.9 * velocity[name] + gradient
            expected[name] -= 0.1 * (
                gradient + 0.9 * velocity[name] if nesterov else velocity[name]
            )
    assert params["dense"]["kernel"][0] == pytest.approx(expected["kernel"], rel=1e-5)
    assert params["dense"]["bias"][0] == pytest.approx(expected["bias"], rel=1e-5)
    assert params["norm"]["scale"][0] == pytest.approx(expected["bias"], rel=1e-5)


def test_adam_moves_by_the_learning_rate_first():
    descent = optimizer.make(
        Experiment(optimizer="adam", schedule="constant", learning_rate=0.01, weight_decay=0.0), 10
    )
    params = {"kernel": jnp.array([1.0, -1.0])}
    updates, _ = descent.update({"kernel": jnp.array([5.0, -0.1])}, descent.init(params), params)
    np.testing.assert_allclose(updates["kernel"], [-0.01, 0.01], rtol=1e-4)


@pytest.mark.parametrize(("decayed", "of_bias"), [("kernels", 0.0), ("all", 0.5 * 3.0)])
def test_the_penalty_is_of_kernels_or_of_all_parameters(decayed, of_bias):
    e = Experiment(
        learning_rate=1.0, momentum=0.0, schedule="constant", weight_decay=0.5, decayed=decayed
    )
    params = {"dense": {"kernel": jnp.array([2.0]), "bias": jnp.array([3.0])}}
    descent = optimizer.make(e, 10)
    nothing = {"dense": {"kernel": jnp.zeros(1), "bias": jnp.zeros(1)}}
    updates, _ = descent.update(nothing, descent.init(params), params)
    np.testing.assert_allclose(updates["dense"]["kernel"], [-0.5 * 2.0])
    np.testing.assert_allclose(updates["dense"]["bias"], [-of_bias])


def test_adamw_takes_the_decay_off_the_kernels_themselves():
    """Adam's step is the learning rate at first, whatever the gradient; the decay comes on top."""
    e = Experiment(optimizer="adamw", schedule="constant", learning_rate=0.01, weight_decay=0.5)
    params = {"dense": {"kernel": jnp.array([2.0]), "bias": jnp.array([3.0])}}
    gradient = {"dense": {"kernel": jnp.array([4.0]), "bias": jnp.array([-0.1])}}
    for decayed, of_bias in (("kernels", 0.0), ("all", 0.5 * 3.0)):
        descent = optimizer.make(dataclasses.replace(e, decayed=decayed), 10)
        updates, _ = descent.update(gradient, descent.init(params), params)
        found = {name: float(update[0]) for name, update in updates["dense"].items()}
        assert found["kernel"] == pytest.approx(-0.01 * (1 + 0.5 * 2.0), rel=1e-4)
        assert found["bias"] == pytest.approx(-0.01 * (-1 + of_bias), rel=1e-4)


@pytest.mark.parametrize(("bound", "share"), [(2.5, 0.5), (10.0, 1.0), (0.0, 1.0)])
def test_a_long_gradient_is_scaled_down_and_the_penalty_is_not(bound, share):
    e = Experiment(
        learning_rate=1.0, momentum=0.0, schedule="constant", weight_decay=0.5, clip_norm=bound
    )
    params = {"kernel": jnp.array([2.0]), "bias": jnp.array([0.0])}
    gradient = {"kernel": jnp.array([3.0]), "bias": jnp.array([4.0])}  # of length 5
    descent = optimizer.make(e, 10)
    updates, _ = descent.update(gradient, descent.init(params), params)
    np.testing.assert_allclose(updates["kernel"], [-share * 3 - 0.5 * 2], rtol=1e-6)
    np.testing.assert_allclose(updates["bias"], [-share * 4], rtol=1e-6)
