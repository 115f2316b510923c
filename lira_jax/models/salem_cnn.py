"""The CNN of Salem et al. 2019 (ML-Leaks, NDSS), as Hintersdorf et al. 2022 train it."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import ACTIVATIONS, classifier, pool, require_images


class SalemCnn(nn.Module):
    """Twice (convolution 5x5 of 32, ReLU, max pool), dense 128 with the activation, logits.

    291,626 parameters for 32x32x3 and 10 classes. The code of Hintersdorf et al. has ReLU and tanh;
    they report ReLU. 4x4 pixels are the least.
    """

    num_classes: int
    activation: str = "relu"
    dropout: float = 0.0
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("salem_cnn", x, smallest=4)
        for _ in range(2):
            layer = Conv(
                32, 5, use_bias=True, slope=0.0, dtype=self.dtype, conv_form=self.conv_form
            )
            x = pool(layer(x), jnp.max)
        x = nn.Dense(128, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        x = ACTIVATIONS[self.activation](x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return classifier(self.num_classes)(x)
