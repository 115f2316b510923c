"""Residual networks (He et al. 2015, arXiv:1512.03385)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.errors import bad_choice
from lira_jax.models.conv import Conv
from lira_jax.models.layers import (
    batch_norm,
    batch_norm_relu,
    classifier,
    global_mean,
    require_images,
)

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


class ResNet(nn.Module):
    """ResNet-18, 34 or 50; a bottleneck's stride is at its 3x3 convolution, padding is symmetric.

    stem "cifar": a 3x3 convolution of 64 filters, as in the CIFAR code of Hintersdorf et al. 2022
    (11,173,962, 21,282,122 and 23,520,842 parameters for 10 classes). stem "imagenet": 7x7 with
    stride 2 and a 3x3 max pool with stride 2 (ResNet-50: 25,557,032 parameters for 1000 classes).
    """

    num_classes: int
    depth: int = 18
    stem: str = "cifar"
    dropout: float = 0.0
    dtype: Any = jnp.float32
    conv_form: str = "plain"
    norm: str = "batch"

    def __post_init__(self):
        if self.depth not in _BLOCKS:
            raise bad_choice("--depth", self.depth, _BLOCKS)
        super().__post_init__()

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("resnet", x)
        size, stride = {"cifar": (3, 1), "imagenet": (7, 2)}[self.stem]
        x = Conv(64, size, stride, padding=size // 2, dtype=self.dtype, conv_form=self.conv_form)(x)
        x = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)
        if self.stem == "imagenet":
            x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        for group, blocks in enumerate(_BLOCKS[self.depth]):
            for block in range(blocks):
                stride = 2 if group > 0 and block == 0 else 1
                x = Block(
                    64 << group, stride, self.depth >= 50, self.dtype, self.conv_form, self.norm
                )(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_mean(x))
        return classifier(self.num_classes)(x)


class Block(nn.Module):
    """Two convolutions 3x3, or the bottleneck 1x1, 3x3, 1x1 to four times the features; and what
    went in, projected where the shape changes.
    """

    features: int
    stride: int
    bottleneck: bool
    dtype: Any
    conv_form: str
    norm: str

    @nn.compact
    def __call__(self, x, train: bool):
        def conv(x, features, size, stride=1):
            layer = Conv(
                features, size, stride, size // 2, dtype=self.dtype, conv_form=self.conv_form
            )
            return layer(x)

        def conv_norm(*arguments):
            return batch_norm(train, self.dtype, self.norm)(conv(*arguments))

        def conv_norm_relu(*arguments):
            return batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(conv(*arguments))

        if self.bottleneck:
            y = conv_norm_relu(x, self.features, 1)
            y = conv_norm_relu(y, self.features, 3, self.stride)
            y = conv_norm(y, 4 * self.features, 1)
        else:
            y = conv_norm_relu(x, self.features, 3, self.stride)
            y = conv_norm(y, self.features, 3)
        if x.shape != y.shape:
            x = conv_norm(x, y.shape[-1], 1, self.stride)
        return nn.relu(x + y)
