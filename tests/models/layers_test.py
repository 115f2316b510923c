"""BatchNorm, pooling and the last layer that the families share."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.models.layers import batch_norm, classifier, global_mean, pool, require_images


def _images(*shape, seed=0, dtype="float32"):
    return jnp.asarray(np.random.default_rng(seed).normal(3.0, 2.0, size=shape), dtype)


class _Norm(nn.Module):
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x, train):
        return batch_norm(train, jnp.dtype(self.dtype))(x)


def test_batch_norm_follows_its_formula():
    x = _images(4, 3, 3, 2)
    mean, variance = np.asarray(x).mean((0, 1, 2)), np.asarray(x).var((0, 1, 2))
    variables = _Norm().init(jax.random.key(0), x, train=True)
    y, new = _Norm().apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)
    running = new["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(running["mean"], 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(running["var"], 0.9 + 0.1 * variance, rtol=1e-5)
    scored = _Norm().apply({**variables, **new}, x, train=False)
    np.testing.assert_allclose(
        scored, (x - 0.1 * mean) / np.sqrt(0.9 + 0.1 * variance + 1e-5), rtol=1e-4, atol=1e-5
    )


def test_batch_norm_takes_its_statistics_in_float32():
    # In bfloat16 a running sum of 4096 terms of like size would stop growing long before its end.
    x = _images(4096, 1, 1, 1, dtype="bfloat16")
    variables = _Norm("bfloat16").init(jax.random.key(0), x, train=True)
    y, new = _Norm("bfloat16").apply(variables, x, train=True, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    wanted = 0.1 * np.asarray(x, np.float64).mean()
    np.testing.assert_allclose(new["batch_stats"]["BatchNorm_0"]["mean"][0], wanted, rtol=1e-5)


@pytest.mark.parametrize(("reduce", "reference"), [(jnp.mean, nn.avg_pool), (jnp.max, nn.max_pool)])
@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 7, 5, 3)])
def test_pool_equals_reduce_window(reduce, reference, shape):
    x = _images(*shape)

    def value_and_gradient(function):
        weigh = lambda x: (function(x) ** 2).sum()  # noqa: E731
        return function(x), jax.grad(weigh)(x)

    found = value_and_gradient(lambda x: pool(x, reduce))
    wanted = value_and_gradient(lambda x: reference(x, (2, 2), (2, 2)))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_global_mean_and_logits_are_float32_whatever_comes_in():
    x = _images(2, 4, 4, 3, dtype="bfloat16")
    means = global_mean(x)
    assert means.dtype == jnp.float32
    np.testing.assert_allclose(means, np.asarray(x, np.float32).mean((1, 2)), rtol=1e-6)
    logits, _ = classifier(5).init_with_output(jax.random.key(0), x.reshape(2, -1))
    assert logits.dtype == jnp.float32


def test_last_layer_starts_glorot_truncated_at_two_deviations():
    kernel = classifier(200).init(jax.random.key(0), jnp.zeros((1, 600)))["params"]["kernel"]
    deviation = np.sqrt(2 / (600 + 200))
    np.testing.assert_allclose(kernel.std(), deviation, rtol=0.02)
    # A normal truncated at two deviations has 0.8796 of its spread, which the initialiser makes
    # good.
    np.testing.assert_allclose(jnp.abs(kernel).max(), 2 * deviation / 0.8796, rtol=0.01)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 30), r"--model: cnn takes images, not examples of shape \[30\]; use --model=mlp"),
        ((2, 9, 7, 3), "--model: cnn needs images of at least 8x8 pixels, not 9x7; use"),
    ],
)
def test_inputs_a_model_cannot_take_are_refused(shape, message):
    require_images("cnn", jnp.zeros((2, 8, 8, 3)), smallest=8)
    with pytest.raises(UserError, match=message):
        require_images("cnn", jnp.zeros(shape), smallest=8)
