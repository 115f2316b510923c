"""The wide residual network against its layer list, written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lira_jax.errors import UserError
from lira_jax.models.wide_resnet import WideResNet


def _conv(x, params, stride=1):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, params["kernel"], (stride, stride), "SAME", dimension_numbers=layout
    )


def _norm_relu(x, params, running):
    x = (x - running["mean"]) / jnp.sqrt(running["var"] + 1e-5) * params["scale"] + params["bias"]
    return jnp.maximum(x, 0)


def _layer_list(variables, x, blocks):
    params, running = variables["params"], variables["batch_stats"]
    x = _conv(x, params["Conv_0"])
    for number in range(3 * blocks):
        p, r = params[f"_Block_{number}"], running[f"_Block_{number}"]
        stride = 2 if number in (blocks, 2 * blocks) else 1
        active = _norm_relu(x, p["BatchNorm_0"], r["BatchNorm_0"])
        y = _conv(active, p["Conv_0"], stride)
        y = _conv(_norm_relu(y, p["BatchNorm_1"], r["BatchNorm_1"]), p["Conv_1"])
        # The projection reads the activated input; the identity, the raw one.
        x = y + (_conv(active, p["Conv_2"], stride) if "Conv_2" in p else x)
    x = _norm_relu(x, params["BatchNorm_0"], running["BatchNorm_0"]).mean((1, 2))
    return x @ params["logits"]["kernel"] + params["logits"]["bias"]


@pytest.mark.parametrize("width", [1, 2])
def test_wide_resnet_is_the_reference_layer_list(width):
    rng = np.random.default_rng(0)
    model = WideResNet(num_classes=5, depth=16, width=width)
    x = jnp.asarray(rng.normal(size=(2, 9, 8, 3)), jnp.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=True))
    values = jax.tree.map(lambda p: jnp.asarray(rng.uniform(-1, 1, p.shape), p.dtype), shapes)
    values["batch_stats"] = jax.tree.map(lambda v: jnp.abs(v) + 0.5, values["batch_stats"])
    # Width 1 needs no projection in the first group: 16 filters meet 16.
    first = values["params"]["_Block_0"]
    assert ("Conv_2" in first) == (width > 1)
    cheap = {"xla_backend_optimization_level": 0}
    logits = jax.jit(lambda v: model.apply(v, x, train=False), compiler_options=cheap)(values)
    wanted = jax.jit(lambda v: _layer_list(v, x, blocks=2), compiler_options=cheap)(values)
    np.testing.assert_allclose(logits, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("depth", "nearest"), [(27, 28), (24, 22), (26, 28), (3, 10), (4, 10), (-2, 10)]
)
def test_depth_must_be_six_n_plus_four(depth, nearest):
    with pytest.raises(UserError, match=f"--depth={depth}: .* the nearest is {nearest}$"):
        WideResNet(num_classes=10, depth=depth)
