"""EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946, table 1)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm, classifier, global_mean, require_images

# (expansion, features, blocks, kernel, stride of the first block)
_GROUPS = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


class EfficientNet(nn.Module):
    """EfficientNet-B0 without dropout and stochastic depth: a step needs no more random keys.

    stem "imagenet": as published, 5,288,548 parameters for 1000 classes. stem "cifar": stride 1 at
    the first convolution and no 1x1 convolution before the mean, as Hintersdorf et al. 2022 train
    it.
    """

    num_classes: int
    stem: str = "cifar"
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("efficientnet", x)
        published = {"cifar": False, "imagenet": True}[self.stem]

        def conv_norm(x, features, size, stride):
            x = Conv(features, size, stride, dtype=self.dtype, conv_form=self.conv_form)(x)
            return nn.silu(batch_norm(train, self.dtype)(x))

        x = conv_norm(x, 32, 3, 2 if published else 1)
        for expansion, features, blocks, size, first_stride in _GROUPS:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                x = _Block(expansion, features, size, stride, self.dtype, self.conv_form)(x, train)
        if published:
            x = conv_norm(x, 1280, 1, 1)
        return classifier(self.num_classes)(global_mean(x))


class _Block(nn.Module):
    """Inverted bottleneck with a depthwise convolution and squeeze-and-excitation."""

    expansion: int
    features: int
    size: int
    stride: int
    dtype: Any
    conv_form: str

    @nn.compact
    def __call__(self, x, train: bool):
        def conv_norm(x, features, size=1, stride=1, groups=1):
            x = Conv(
                features, size, stride, groups=groups, dtype=self.dtype, conv_form=self.conv_form
            )(x)
            return batch_norm(train, self.dtype)(x)

        inner = self.expansion * x.shape[-1]
        y = nn.silu(conv_norm(x, inner)) if self.expansion > 1 else x
        y = nn.silu(conv_norm(y, inner, self.size, self.stride, groups=inner))
        gate = nn.silu(nn.Dense(x.shape[-1] // 4, dtype=self.dtype)(global_mean(y)))
        gate = nn.sigmoid(nn.Dense(inner, dtype=self.dtype)(gate))
        y = conv_norm(y * gate[:, None, None], self.features)
        return x + y if x.shape == y.shape else y
