import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.ensemble import chunks, lift
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


@given(
    models=st.integers(0, 40),
    asked=st.integers(0, 12),
    devices=st.integers(1, 4),
    strategy=st.sampled_from(["vmap", "map", "unroll", "loop"]),
)
def test_chunks_cover_the_models_evenly(models, asked, devices, strategy):
    mesh = lift.mesh(devices)
    ids = list(range(100, 100 + models))
    most = chunks.width(strategy, asked, models, mesh)
    parts, width = chunks.chunks(ids, most, mesh)
    assert [i for part in parts for i in part] == ids
    assert all(0 < len(part) <= width <= most for part in parts)
    assert width % devices == 0
    if models:
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert most < min(asked, models) + devices or asked == 0 or strategy == "loop"
        assert most < models + devices
    if strategy == "loop" and models:
        assert width == devices


class OutOfMemory(jax.errors.JaxRuntimeError):
    pass


@given(
    models=st.integers(1, 20),
    devices=st.integers(1, 3),
    width=st.integers(1, 20),
    fits=st.integers(1, 20),
)
def test_out_of_memory_halves_the_chunk_and_goes_on(models, devices, width, fits):
    mesh, done, tried = lift.mesh(devices), [], []

    def run(part, width):
        tried.append(width)
        if width > max(fits, devices):
            raise OutOfMemory("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        assert 0 < len(part) <= width
        assert width % devices == 0
        done.extend(part)

    chunks.in_chunks(list(range(models)), -(-width // devices) * devices, mesh, run)
    assert done == list(range(models))
    assert tried == sorted(tried, reverse=True)


def test_memory_for_not_even_one_model_is_a_clear_error():
    def run(part, width):
        raise OutOfMemory("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    with pytest.raises(UserError, match="--batch_size"):
        chunks.in_chunks([0, 1, 2], 2, lift.mesh(1), run)


def test_other_failures_are_not_taken_for_memory():
    def run(part, width):
        raise OutOfMemory("INTERNAL: something else")

    with pytest.raises(OutOfMemory):
        chunks.in_chunks([0, 1, 2], 2, lift.mesh(1), run)


def test_padding_repeats_the_last_model():
    np.testing.assert_array_equal(chunks.pad([4, 7], 4), [4, 7, 7, 7])


def test_default_strategy_on_cpu():
    assert lift.choose_strategy("auto", convolutional=True, platform="gpu") == "vmap"
    assert lift.choose_strategy("auto", convolutional=True, platform="cpu") == "loop"
    assert lift.choose_strategy("auto", convolutional=False, platform="cpu") == "vmap"
    assert lift.choose_strategy("unroll", convolutional=True, platform="cpu") == "unroll"
    with pytest.raises(UserError, match="--strategy=map"):
        lift.choose_strategy("map", convolutional=True, platform="cpu")
