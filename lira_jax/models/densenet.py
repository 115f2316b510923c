"""Densely connected networks for CIFAR (Huang et al. 2017, arXiv:1608.06993)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.errors import UserError
from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm_relu, classifier, global_mean, pool, require_images


class DenseNet(nn.Module):
    """DenseNet-BC without dropout: growth rate `width`, bottlenecks of 4 * width, compression 0.5.

    769,162 parameters with depth 100 and growth 12, for 10 classes. 4x4 pixels are the least.
    """

    num_classes: int
    depth: int = 100
    width: int = 12
    dtype: Any = jnp.float32
    conv_form: str = "plain"
    norm: str = "batch"

    def __post_init__(self):
        if self.depth < 10 or self.depth % 6 != 4:
            nearest = max(10, round((self.depth - 4) / 6) * 6 + 4)
            raise UserError(
                f"--depth={self.depth}: densenet has 6n + 4 layers; the nearest is {nearest}"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("densenet", x, smallest=4)

        def norm_relu_conv(x, features, size):
            x = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)
            return Conv(features, size, dtype=self.dtype, conv_form=self.conv_form)(x)

        x = Conv(2 * self.width, dtype=self.dtype, conv_form=self.conv_form)(x)
        for group in range(3):
            if group > 0:
                x = pool(norm_relu_conv(x, x.shape[-1] // 2, 1), jnp.mean)
            for _ in range((self.depth - 4) // 6):
                new = norm_relu_conv(norm_relu_conv(x, 4 * self.width, 1), self.width, 3)
                x = jnp.concatenate([x, new], axis=-1)
        x = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)
        return classifier(self.num_classes)(global_mean(x))
