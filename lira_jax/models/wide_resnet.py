"""Wide residual networks (Zagoruyko and Komodakis 2016, arXiv:1605.07146)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.errors import UserError
from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm_relu, classifier, global_mean, require_images


class WideResNet(nn.Module):
    """WRN-depth-width of the LiRA reference code: pre-activation, no dropout or convolution bias.

    A 3x3 convolution of 16 filters, three groups of n = (depth - 4) / 6 blocks with 16, 32 and 64
    times `width` filters (the second and third group start with stride 2), BatchNorm, ReLU, global
    mean, logits.
    Parameters for 32x32x3 and 10 classes: 1,467,610 (28-2), 36,479,194 (28-10).
    """

    num_classes: int
    depth: int = 28
    width: int = 2
    dropout: float = 0.0
    dtype: Any = jnp.float32
    conv_form: str = "plain"
    norm: str = "batch"

    def __post_init__(self):
        if self.depth < 10 or self.depth % 6 != 4:
            nearest = max(10, round((self.depth - 4) / 6) * 6 + 4)
            raise UserError(
                f"--depth={self.depth}: wide_resnet has 6n + 4 layers; the nearest is {nearest}"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("wide_resnet", x)
        x = Conv(16, dtype=self.dtype, conv_form=self.conv_form)(x)
        for group in range(3):
            for block in range((self.depth - 4) // 6):
                stride = 2 if group > 0 and block == 0 else 1
                features = 16 * self.width << group
                x = _Block(features, stride, self.dropout, self.dtype, self.conv_form, self.norm)(
                    x, train
                )
        x = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)
        return classifier(self.num_classes)(global_mean(x))


class _Block(nn.Module):
    features: int
    stride: int
    dropout: float
    dtype: Any
    conv_form: str
    norm: str

    @nn.compact
    def __call__(self, x, train: bool):
        def conv(features, size, stride):
            return Conv(features, size, stride, dtype=self.dtype, conv_form=self.conv_form)

        active = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)
        y = conv(self.features, 3, self.stride)(active)
        y = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(y)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        y = conv(self.features, 3, 1)(y)
        if self.stride > 1 or x.shape[-1] != self.features:
            x = conv(self.features, 1, self.stride)(active)
        return x + y
