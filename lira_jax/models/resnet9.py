"""ResNet-9 of the DAWNBench CIFAR-10 speed runs (Page 2018, How to Train Your ResNet)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm_relu, classifier, pool, require_images

# PyTorch's default, with which the published learning rate was found: variance 1 / (3 fan-in).
_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
_LOGIT_SCALE = 0.125


class ResNet9(nn.Module):
    """Convolutions 3x3 without bias, BatchNorm and ReLU after each; w = width, for 32x32x3 images:

        conv 3 -> w
        conv w -> 2w,   pool 2x2,  + (conv 2w -> 2w, conv 2w -> 2w)    16x16
        conv 2w -> 4w,  pool 2x2                                        8x8
        conv 4w -> 8w,  pool 2x2,  + (conv 8w -> 8w, conv 8w -> 8w)    4x4
        maximum over positions, classes, times 0.125

    Pools take the maximum. Parameters for 10 classes: 6,573,130 with w = 64, ten of them the biases
    of the last layer, which the published network has not. The later speed runs' frozen whitening
    layer is left
    out: initial weights here come from a key alone and not from data. 8x8 pixels are the least.
    """

    num_classes: int
    width: int = 64
    dtype: Any = jnp.float32
    conv_form: str = "plain"
    norm: str = "batch"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("resnet9", x, smallest=8)

        def conv(x, features):
            x = Conv(features, kernel_init=_INIT, dtype=self.dtype, conv_form=self.conv_form)(x)
            return batch_norm_relu(train, self.dtype, self.conv_form, self.norm)(x)

        x = conv(x, self.width)
        for scale, residual in ((2, True), (4, False), (8, True)):
            x = pool(conv(x, scale * self.width), jnp.max)
            if residual:
                x = x + conv(conv(x, x.shape[-1]), x.shape[-1])
        x = x.max((1, 2)).astype(jnp.float32)
        return _LOGIT_SCALE * classifier(self.num_classes, kernel_init=_INIT)(x)
