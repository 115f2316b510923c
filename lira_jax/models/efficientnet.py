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
    """EfficientNet-B0, by default without dropout and stochastic depth (published: 0.2 of each).

    stem "imagenet": as published, 5,288,548 parameters for 1000 classes. stem "cifar": stride 1 at
    the first convolution and no 1x1 convolution before the mean, as Hintersdorf et al. 2022 train
    it.
    """

    num_classes: int
    stem: str = "cifar"
    dropout: float = 0.0
    drop_connect: float = 0.0
    dtype: Any = jnp.float32
    conv_form: str = "plain"
    norm: str = "batch"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("efficientnet", x)
        published = {"cifar": False, "imagenet": True}[self.stem]

        def conv_norm(x, features, size, stride):
            x = Conv(features, size, stride, dtype=self.dtype, conv_form=self.conv_form)(x)
            return nn.silu(batch_norm(train, self.dtype, self.norm)(x))

        x = conv_norm(x, 32, 3, 2 if published else 1)
        total, passed = sum(group[2] for group in _GROUPS), 0
        for expansion, features, blocks, size, first_stride in _GROUPS:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                dropped = self.drop_connect * passed / total
                shape = (expansion, features, size, stride, dropped)
                x = _Block(*shape, self.dtype, self.conv_form, self.norm)(x, train)
                passed += 1
        if published:
            x = conv_norm(x, 1280, 1, 1)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_mean(x))
        return classifier(self.num_classes)(x)


class _Block(nn.Module):
    """Inverted bottleneck with a depthwise convolution and squeeze-and-excitation."""

    expansion: int
    features: int
    size: int
    stride: int
    dropped: float
    dtype: Any
    conv_form: str
    norm: str

    @nn.compact
    def __call__(self, x, train: bool):
        def conv_norm(x, features, size=1, stride=1, groups=1):
            x = Conv(
                features, size, stride, groups=groups, dtype=self.dtype, conv_form=self.conv_form
            )(x)
            return batch_norm(train, self.dtype, self.norm)(x)

        inner = self.expansion * x.shape[-1]
        y = nn.silu(conv_norm(x, inner)) if self.expansion > 1 else x
        y = nn.silu(conv_norm(y, inner, self.size, self.stride, groups=inner))
        gate = nn.silu(nn.Dense(x.shape[-1] // 4, dtype=self.dtype)(global_mean(y)))
        gate = nn.sigmoid(nn.Dense(inner, dtype=self.dtype)(gate))
        y = conv_norm(y * gate[:, None, None], self.features)
        if x.shape != y.shape:
            return y
        whole = (1, 2, 3)  # one draw an example
        return x + nn.Dropout(self.dropped, whole, deterministic=not train)(y)
