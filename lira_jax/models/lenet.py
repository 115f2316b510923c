"""LeNet-5 (LeCun et al. 1998, Gradient-based learning applied to document recognition)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import ACTIVATIONS, classifier, pool, require_images


class LeNet(nn.Module):
    """LeNet-5: convolutions 5x5 of 6 and 16, a mean pool after each, dense 120, dense 84, logits.

    61,706 parameters for 28x28x1 or 32x32x1 and 10 classes. Images below 32x32 pixels are padded by
    two on each side, as the paper does with the 28x28 digits; 12x12 pixels are the least.

    size 3: convolutions 3x3 without padding, as in the code of Rezaei and Liu 2021: 60,074
    parameters for 28x28x1 and 10 classes; 10x10 pixels are the least.
    """

    num_classes: int
    size: int = 5
    activation: str = "relu"
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("lenet", x, smallest=12 if self.size == 5 else 10)
        activation = ACTIVATIONS[self.activation]
        first_padding = 2 if self.size == 5 and min(x.shape[1:3]) < 32 else 0
        for features, padding in ((6, first_padding), (16, 0)):
            layer = Conv(
                features,
                self.size,
                padding=padding,
                use_bias=True,
                dtype=self.dtype,
                conv_form=self.conv_form,
            )
            x = pool(activation(layer(x)), jnp.mean)
        x = x.reshape(x.shape[0], -1)
        for units in (120, 84):
            x = activation(nn.Dense(units, dtype=self.dtype)(x))
        return classifier(self.num_classes)(x)
