"""Models of the tests' own, compiled in a moment; also what a user's own model looks like."""

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm


class TinyConv(nn.Module):
    """One convolution, BatchNorm, the mean over positions."""

    num_classes: int
    width = 4

    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.relu(batch_norm(train, jnp.float32)(Conv(self.width)(x)))
        return nn.Dense(self.num_classes)(x.reshape(len(x), -1))


def tiny_conv(num_classes, dtype):
    return TinyConv(num_classes)
