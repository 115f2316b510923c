import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.ensemble import lift
from lira_jax.errors import UserError
from lira_jax.models.conv import conv


def of_one(weight, bias, x):
    return {"y": x @ weight + bias}


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize("strategy", ["vmap", "map", "unroll"])
def test_lift_applies_a_function_to_each_model(strategy, devices):
    rng = np.random.default_rng(0)
    weight, bias, x = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 2)), rng.normal(size=(5, 3))
    mesh = lift.mesh(devices)
    lifted = lift.lift(of_one, strategy, mesh, shared=1)
    found = lifted(*lift.spread((weight, bias), mesh), lift.replicate(x, mesh))
    np.testing.assert_allclose(found["y"], x @ weight + bias[:, None], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("strategy", ["vmap", "map", "unroll"])
def test_devices_do_not_talk(strategy):
    mesh = lift.mesh(4)
    lifted = lift.lift(of_one, strategy, mesh, shared=1)
    arguments = lift.spread((jnp.ones((8, 3, 2)), jnp.ones((8, 2))), mesh)
    text = lifted.lower(*arguments, lift.replicate(jnp.ones((5, 3)), mesh)).compile().as_text()
    for word in ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter"):
        assert word not in text


def test_convolutions_on_a_cpu_stay_with_the_faster_library():
    def gradient(kernel, x):
        return jax.grad(lambda k: (conv(x, k) ** 2).sum())(kernel)

    mesh, kernels, x = lift.mesh(1), jnp.ones((1, 3, 3, 16, 32)), jnp.ones((8, 16, 16, 16))
    if "ynn_fusion" not in jax.jit(gradient).lower(kernels[0], x).compile().as_text():
        pytest.skip("this jaxlib gives no convolution to YNNPACK")
    lifted = lift.lift(gradient, "loop", mesh, shared=1)
    assert "ynn_fusion" not in lifted.lower(kernels, x).compile().as_text()


def test_an_option_that_the_compiler_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(lift, "_CPU_OPTIONS", {"xla_of_another_version": "1"})
    monkeypatch.setattr(lift, "_compiler_options", lift._compiler_options.__wrapped__)
    lifted = lift.lift(of_one, "vmap", lift.mesh(1), shared=1)
    assert lifted(jnp.ones((2, 3, 2)), jnp.ones((2, 2)), jnp.ones((5, 3)))["y"].shape == (2, 5, 2)


def test_default_strategy_on_cpu():
    assert lift.choose_strategy("auto", convolutional=True, platform="gpu") == "vmap"
    assert lift.choose_strategy("auto", convolutional=True, platform="cpu") == "loop"
    assert lift.choose_strategy("auto", convolutional=False, platform="cpu") == "vmap"
    assert lift.choose_strategy("unroll", convolutional=True, platform="cpu") == "unroll"
    with pytest.raises(UserError, match="--strategy=map"):
        lift.choose_strategy("map", convolutional=True, platform="cpu")
