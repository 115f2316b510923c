"""DP-SGD's gradient rule for a perceptron, without a gradient of any single example.

A dense layer y = a W + b of one example has the gradients a g^T of W and g of b, where g is that of
y. So |gradient|^2 is the sum over layers of (|a|^2 + 1) |g|^2 (Goodfellow 2015,
https://arxiv.org/abs/1510.01799), and the sum of clipped gradients is A^T diag(share) G, one matrix
product, as the ordinary gradient is (Bu et al. 2022, https://arxiv.org/abs/2210.00038). One pass
forth and one back give a and g of all examples and layers.

For ONE model, as dp_sgd.py, whose numbers these are, to rounding.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from lira_jax.defences import dp_sgd
from lira_jax.models.recipe import Batch


def gradient_rule(*, clip: float, noise: float, expected: int) -> Callable:
    """As `dp_sgd.gradient_rule`, for a network that has no parameters but those of `nn.Dense`.

    The network must look at each example alone, and call each layer once, on vectors. The loss must
    be the mean over the batch by its weights, which are 0 or 1.
    """

    def gradient(loss_of: Callable, params, batch: Batch, key):
        example_key, noise_key = jax.random.split(key)
        is_empty = batch.weights.sum() == 0
        given = dp_sgd.padded_by_real(batch)
        given = given._replace(weights=jnp.where(is_empty, 1, batch.weights))  # no mean of nothing

        def run(added):
            loss, layers = _tapped(loss_of, params, given, example_key, added)
            return loss, (loss, layers)

        _, (_, shapes) = jax.eval_shape(run, {})
        nothing = {path: jnp.zeros(y.shape, y.dtype) for path, (_, y) in shapes.items()}
        slopes, (loss, layers) = jax.grad(run, has_aux=True)(nothing)

        # Of each example's own loss, of which the mean had a share.
        g = {p: given.weights.sum() * slope.astype(jnp.float32) for p, slope in slopes.items()}
        a = {p: x.astype(jnp.float32) for p, (x, _) in layers.items()}
        weights = traverse_util.flatten_dict(params)
        squares = dp_sgd.squares
        squared = sum(squares(g[p]) * (squares(a[p]) + ((*p, "bias") in weights)) for p in g)
        share = dp_sgd.shares(squared, batch.weights, clip)
        total: dict = {}
        for p in g:
            clipped = share[:, None] * g[p]
            total[*p, "kernel"] = jnp.matmul(a[p].T, clipped, precision="highest")
            if (*p, "bias") in weights:
                total[*p, "bias"] = clipped.sum(0)
        assert total.keys() == weights.keys(), "parameters of layers that are not dense"
        whole = traverse_util.unflatten_dict(total)
        slope = dp_sgd.finished(whole, batch, noise_key, noise * clip, expected)
        return (jnp.where(is_empty, 0, loss), {}), slope

    return gradient


def _tapped(loss_of: Callable, params, batch: Batch, key, added: dict):
    """The loss, and of each dense layer by its path what goes in and comes out.

    Args:
      added: path -> what is added to the layer's output, so that its gradient is the output's.
    """
    layers: dict = {}

    def tap(call, arguments, named, context):
        y = call(*arguments, **named)
        if isinstance(context.module, nn.Dense) and context.method_name == "__call__":
            path, (x,) = context.module.path, arguments
            assert path not in layers, f"{path} is called twice"
            assert x.ndim == 2, f"{path} is called on more than vectors"
            layers[path] = x.astype(y.dtype), y
            y = y + added.get(path, jnp.zeros((), y.dtype))
        return y

    with nn.intercept_methods(tap):
        loss, _ = loss_of(params, batch, key)
    return loss, layers
