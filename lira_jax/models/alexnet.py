"""AlexNet for CIFAR, the variant that the membership inference literature trains."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import classifier, pool, require_images

# (features, kernel, stride, pixels of padding, whether a max pool follows)
_LAYERS = (
    (64, 11, 4, 5, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


class AlexNet(nn.Module):
    """The five convolutions of AlexNet (Krizhevsky 2014, arXiv:1404.5997), one dense layer.

    As in the model zoo bearpaw/pytorch-classification, which the code of Rezaei and Liu 2021 builds
    on: 2,472,266 parameters (2.47 M there) for 32x32x3 and 10 classes. 29x29 pixels are the least.
    """

    num_classes: int
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("alexnet", x, smallest=29)
        for features, size, stride, padding, pooled in _LAYERS:
            layer = Conv(
                features,
                size,
                stride,
                padding,
                use_bias=True,
                slope=0.0,
                dtype=self.dtype,
                conv_form=self.conv_form,
            )
            x = layer(x)
            if pooled:
                x = pool(x, jnp.max)
        return classifier(self.num_classes)(x.reshape(x.shape[0], -1))
