"""The residual networks for CIFAR (He et al. 2015, arXiv:1512.03385, section 4.2)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.errors import UserError
from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm_relu, classifier, global_mean, require_images
from lira_jax.models.resnet import Block


class CifarResNet(nn.Module):
    """Three groups of n blocks of 16, 32 and 64 filters; projections where the shape changes.

    Depth is 6n + 2, or 9n + 2 with bottlenecks, whose blocks give four times as many filters. As in
    the model zoo bearpaw/pytorch-classification, which the code of Rezaei and Liu 2021 builds on;
    what they call ResNet-110 is the bottleneck one of depth 164 (1,704,154 parameters for 10
    classes).
    """

    num_classes: int
    depth: int = 110
    bottleneck: bool = False
    dropout: float = 0.0
    dtype: Any = jnp.float32
    conv_form: str = "plain"
    norm: str = "batch"

    def __post_init__(self):
        layers = 9 if self.bottleneck else 6
        if self.depth < layers + 2 or self.depth % layers != 2:
            nearest = max(1, round((self.depth - 2) / layers)) * layers + 2
            family = "resnet_cifar_bottleneck" if self.bottleneck else "resnet_cifar"
            raise UserError(
                f"--depth={self.depth}: {family} has {layers}n + 2 layers; the nearest is {nearest}"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("resnet_cifar", x)
        x = Conv(16, padding=1, dtype=self.dtype, conv_form=self.conv_form)(x)
        x = batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)
        for group in range(3):
            for block in range((self.depth - 2) // (9 if self.bottleneck else 6)):
                stride = 2 if group > 0 and block == 0 else 1
                x = Block(
                    16 << group, stride, self.bottleneck, self.dtype, self.conv_form, self.norm
                )(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_mean(x))
        return classifier(self.num_classes)(x)
