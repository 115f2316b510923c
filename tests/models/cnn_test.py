"""The small CNN against the layer list of the LiRA reference code, written out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lira_jax.models.cnn import Cnn


def _compile(function):
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def _layer_list(params, x, reduce):
    """Convolution; three times two convolutions and a pool; a convolution to the classes, mean."""

    def conv(x, kernel, bias):
        layout = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout) + bias

    def active(x, layer):
        x = conv(x, params[layer]["kernel"], params[layer]["bias"])
        return jnp.where(x > 0, x, 0.01 * x)

    x = active(x, "Conv_0")
    for scale in range(3):
        x = active(active(x, f"Conv_{2 * scale + 1}"), f"Conv_{2 * scale + 2}")
        init, add = (0.0, lax.add) if reduce == "mean" else (-jnp.inf, lax.max)
        x = lax.reduce_window(x, init, add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = x / 4 if reduce == "mean" else x
    last = params["logits"]["kernel"].reshape(3, 3, x.shape[-1], -1)
    return conv(x, last, params["logits"]["bias"]).mean((1, 2))


@pytest.mark.parametrize(
    ("pooling", "shape"), [("mean", (16, 16, 3)), ("mean", (28, 28, 1)), ("max", (8, 8, 1))]
)
def test_cnn_is_the_reference_layer_list(pooling, shape):
    rng = np.random.default_rng(0)
    model = Cnn(num_classes=5, width=4, pooling=pooling)
    x = jnp.asarray(rng.normal(size=(2, *shape)), jnp.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=True))["params"]
    params = jax.tree.map(
        lambda p: (rng.normal(size=p.shape) / np.sqrt(p.size)).astype(p.dtype), shapes
    )
    widths = [params[f"Conv_{i}"]["kernel"].shape[-1] for i in range(7)]
    assert widths == [4, 4, 8, 8, 16, 16, 32]
    logits = _compile(lambda p: model.apply({"params": p}, x, train=False))(params)
    wanted = _compile(lambda p: _layer_list(p, x, pooling))(params)
    assert logits.shape == (2, 5)
    assert np.ptp(wanted) > 1e-3
    np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-6)


def test_kernels_start_with_the_variance_of_the_reference():
    init = _compile(functools.partial(Cnn(num_classes=10, width=32).init, train=True))
    params = init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    for layer, fan_in in (("Conv_5", 9 * 128), ("Conv_6", 9 * 128), ("logits", 9 * 256)):
        np.testing.assert_allclose(params[layer]["kernel"].std(), fan_in**-0.5, rtol=0.02)
        assert not params[layer]["bias"].any()
