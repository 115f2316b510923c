"""The small CNN of the LiRA paper (Carlini et al. 2022), as its reference code builds it."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv, windows
from lira_jax.models.layers import classifier, global_mean, pool, require_images

# The reference code starts from variance 1 / fan-in (objax's default), not He's 2 / fan-out.
_INIT = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
_SLOPE = 0.01  # of the leaky ReLU
_POOLINGS: dict[str, Callable] = {"mean": jnp.mean, "max": jnp.max}


class Cnn(nn.Module):
    """Convolutions 3x3 with bias, leaky ReLU (slope 0.01) and no BatchNorm.

    With w = width, for 32x32x3 images:

        conv 3 -> w
        conv w -> w,    conv w -> 2w,   pool 2x2    16x16
        conv 2w -> 2w,  conv 2w -> 4w,  pool 2x2    8x8
        conv 4w -> 4w,  conv 4w -> 8w,  pool 2x2    4x4
        conv 8w -> classes, mean over positions

    Parameters for 10 classes: 605,226 with w = 32 (157,466 with 16, 2,371,658 with 64). `pooling`
    is "mean" or "max": the reference's cnn32-3-mean, cnn32-3-max, cnn64-3-mean and cnn64-3-max. 8x8
    pixels are the least.
    """

    num_classes: int
    width: int = 32
    pooling: str = "mean"
    dropout: float = 0.0
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("cnn", x, smallest=8)
        reduce = _POOLINGS[self.pooling]

        def conv(x, features):
            layer = Conv(
                features,
                use_bias=True,
                slope=_SLOPE,
                kernel_init=_INIT,
                dtype=self.dtype,
                conv_form=self.conv_form,
            )
            return layer(x)

        x = conv(x, self.width)
        for scale in range(3):
            x = conv(x, self.width << scale)
            x = conv(x, self.width << scale + 1)
            x = pool(x, reduce)
        # The mean of a convolution is linear in the means of its shifted inputs: the same function
        # and parameters as the last convolution, without computing it at every position.
        means = jnp.concatenate([global_mean(window) for window in windows(x, (3, 3))], axis=-1)
        means = nn.Dropout(self.dropout, deterministic=not train)(means)
        return classifier(self.num_classes, kernel_init=_INIT)(means)
