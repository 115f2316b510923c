"""ResNet-9 against its published layer list and parameter count, written out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lira_jax.models.resnet9 import ResNet9

_CHEAP = {"xla_backend_optimization_level": 0}


def _layer_list(variables, x):
    """prep, layer1 (pool, residual), layer2 (pool), layer3 (pool, residual), maximum, linear."""
    params, running = variables["params"], variables["batch_stats"]

    def conv(x, number):
        layout = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(
            x, params[f"Conv_{number}"]["kernel"], (1, 1), "SAME", dimension_numbers=layout
        )
        norm, moments = params[f"BatchNorm_{number}"], running[f"BatchNorm_{number}"]
        x = (x - moments["mean"]) / jnp.sqrt(moments["var"] + 1e-5) * norm["scale"] + norm["bias"]
        return jnp.maximum(x, 0)

    def pool(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    x = conv(x, 0)
    x = pool(conv(x, 1))
    x = x + conv(conv(x, 2), 3)
    x = pool(conv(x, 4))
    x = pool(conv(x, 5))
    x = x + conv(conv(x, 6), 7)
    return 0.125 * (x.max((1, 2)) @ params["logits"]["kernel"] + params["logits"]["bias"])


def test_resnet9_is_the_published_layer_list():
    rng = np.random.default_rng(0)
    model = ResNet9(num_classes=5, width=4)
    x = jnp.asarray(rng.normal(size=(2, 18, 16, 3)), jnp.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=True))
    values = jax.tree.map(lambda p: jnp.asarray(rng.uniform(-1, 1, p.shape), p.dtype), shapes)
    values["batch_stats"] = jax.tree.map(lambda v: jnp.abs(v) + 0.5, values["batch_stats"])
    features = [values["params"][f"Conv_{i}"]["kernel"].shape[-1] for i in range(8)]
    assert features == [4, 8, 8, 8, 16, 32, 32, 32]
    logits = jax.jit(lambda v: model.apply(v, x, train=False), compiler_options=_CHEAP)(values)
    wanted = jax.jit(lambda v: _layer_list(v, x), compiler_options=_CHEAP)(values)
    np.testing.assert_allclose(logits, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_parameters_are_those_of_the_published_network_and_ten_biases():
    """Page's network at width 64, 10 classes, no bias in convolutions or linear layer:

    prep     3 x 3 x   3 x  64 =     1,728      BatchNorm 2 x (64 + 3 x 128 + 256 + 3 x 512) = 4,480
    layer1   3 x 3 x  64 x 128 =    73,728      linear    512 x 10                           = 5,120
             3 x 3 x 128 x 128 =   147,456 twice
    layer2   3 x 3 x 128 x 256 =   294,912
    layer3   3 x 3 x 256 x 512 = 1,179,648
             3 x 3 x 512 x 512 = 2,359,296 twice, in all 6,563,520 + 4,480 + 5,120 = 6,573,120
    """
    pairs = [
        (3, 64),
        (64, 128),
        (128, 128),
        (128, 128),
        (128, 256),
        (256, 512),
        (512, 512),
        (512, 512),
    ]
    published = sum(9 * a * b + 2 * b for a, b in pairs) + 512 * 10
    assert published == 6_573_120
    model = ResNet9(num_classes=10)
    init = functools.partial(model.init, train=True)
    params = jax.eval_shape(
        init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    )["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == published + 10
    assert params["logits"]["bias"].size == 10


def test_kernels_start_as_in_pytorch():
    init = jax.jit(
        functools.partial(ResNet9(num_classes=10, width=32).init, train=True),
        compiler_options=_CHEAP,
    )
    params = init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    for layer, fan_in in (("Conv_5", 9 * 128), ("Conv_7", 9 * 256), ("logits", 256)):
        kernel = params[layer]["kernel"]
        np.testing.assert_allclose(kernel.std(), (3 * fan_in) ** -0.5, rtol=0.03)
        assert np.abs(kernel).max() <= fan_in**-0.5  # uniform
