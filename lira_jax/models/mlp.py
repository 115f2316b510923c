"""Multi-layer perceptron, for features and for flattened images."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.layers import ACTIVATIONS, classifier


class Mlp(nn.Module):
    """Dense layers of `hidden` units, each followed by activation and dropout, then the logits.

    hidden=(128,) with tanh is the network of Shokri et al. 2017 on tabular data. With initial
    "glorot_uniform" weights begin as Keras's do (Glorot and Bengio 2010): uniform within
    sqrt(6 / (inputs + outputs)), also in the last layer.
    """

    num_classes: int
    hidden: tuple[int, ...] = (512, 256)
    activation: str = "relu"
    initial: str = "lecun_normal"
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, train: bool):
        x = x.reshape(x.shape[0], -1)
        initials: dict[str, Any] = {}
        if self.initial == "glorot_uniform":
            initials["kernel_init"] = nn.initializers.glorot_uniform()
        for units in self.hidden:
            x = ACTIVATIONS[self.activation](nn.Dense(units, dtype=self.dtype, **initials)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return classifier(self.num_classes, **initials)(x)
