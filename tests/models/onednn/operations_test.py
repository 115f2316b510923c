"""What oneDNN computes, against XLA, and how compiled programs call it. Convolutions: conv_test."""

import concurrent.futures
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lira_jax.models import conv, layers
from lira_jax.models.onednn import operations

needs_onednn = pytest.mark.skipif(
    not operations.available(), reason="oneDNN comes with the extra onednn, on Linux x86-64"
)


def _random(*shape, seed=0, dtype="float32"):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def _gradients(x, kernel):
    def loss(x, kernel):
        return jnp.sin(conv.conv(x, kernel, 2, 1, form="onednn")).sum()

    return jax.value_and_grad(loss, (0, 1))(x, kernel)


def _same(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), a, b))


@needs_onednn
def test_a_model_has_the_same_bits_alone_under_vmap_and_in_loops():
    x, kernels = _random(2, 9, 8, 5), _random(3, 3, 3, 5, 7, seed=1)
    alone = [jax.jit(_gradients)(x, kernel) for kernel in kernels]
    alone = jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)
    assert _same(jax.jit(jax.vmap(_gradients, (None, 0)))(x, kernels), alone)
    assert _same(jax.jit(lambda k: lax.map(lambda one: _gradients(x, one), k))(kernels), alone)
    assert _same(jax.jit(jax.vmap(_gradients))(jnp.stack([x] * 3), kernels), alone)


@needs_onednn
def test_threads_share_what_is_built():
    x, kernels = _random(4, 16, 16, 8), _random(8, 3, 3, 8, 8, seed=1)
    program = jax.jit(_gradients)
    wanted = [program(x, kernel) for kernel in kernels]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda kernel: program(x, kernel), kernels))
    assert _same(found, wanted)


@needs_onednn
def test_an_error_inside_is_an_error_of_the_program():
    x = _random(1, 4, 4, 1)
    with pytest.raises(jax.errors.JaxRuntimeError, match="not enough values"):
        jax.block_until_ready(operations._call(operations._like(x), x, key="forward nonsense"))


@needs_onednn
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("models", [0, 3])
def test_batch_norm_and_relu_in_one(dtype, models):
    lead = (models,) if models else ()
    x, scale, bias = _random(*lead, 4, 5, 6, 7, dtype=dtype), _random(7, seed=1), _random(7, seed=2)
    weights = _random(4, 5, 6, 7, seed=3)

    def of(function):
        def loss(x, scale, bias):
            y, *statistics = function(x, scale, bias, 1e-5)
            return (weights * y.astype(jnp.float32) ** 2).sum(), (y, *statistics)

        gradients = jax.grad(loss, (0, 1, 2), has_aux=True)
        return jax.jit(jax.vmap(gradients, (0, None, None)) if models else gradients)

    found = of(layers._norm_relu)(x, scale, bias)
    wanted = of(layers._plain_norm_relu)(x, scale, bias)
    tolerance = {"float32": 1e-5, "bfloat16": 2e-2}[dtype]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


class Small(nn.Module):
    form: str

    @nn.compact
    def __call__(self, x, train):
        x = layers.batch_norm_relu(train, jnp.float32, self.form)(x)
        return layers.batch_norm(train, jnp.float32)(x)


@needs_onednn
def test_a_network_keeps_the_names_and_running_statistics_of_flax():
    x = _random(8, 4, 4, 3)
    results = {}
    for form in ("plain", "onednn"):
        variables = Small(form).init(jax.random.key(0), x, train=False)
        assert sorted(variables["params"]) == ["BatchNorm_0", "BatchNorm_1"]
        results[form] = Small(form).apply(variables, x, train=True, mutable=["batch_stats"])
        results[form + ", evaluated"] = Small(form).apply(variables, x, train=False)
    for a, b in zip(*map(jax.tree.leaves, (results["plain"], results["onednn"])), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert _same(results["plain, evaluated"], results["onednn, evaluated"])
    starts = [Small(form).init(jax.random.key(0), x, train=True) for form in ("plain", "onednn")]
    assert _same(*starts)


WITHOUT = """
import importlib.metadata
def none(name): raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.files = none
import jax.numpy as jnp
from lira_jax.models import conv
assert conv.usual_form() == "plain"
x, k = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 3))
assert (conv.conv(x, k, form="onednn") == conv.conv(x, k)).all()
"""


def test_without_the_library_convolutions_are_plain():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
