"""Xception (Chollet 2017, arXiv:1610.02357)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import batch_norm, classifier, global_mean, require_images


class Xception(nn.Module):
    """Xception as published, of depthwise separable convolutions.

    22,855,952 parameters for 1000 classes; 71x71 pixels are the least, the published size is
    299x299.
    """

    num_classes: int
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("xception", x, smallest=71)

        def conv(x, features, size=1, stride=1, padding="SAME", groups=1):
            layer = Conv(
                features,
                size,
                stride,
                padding,
                groups,
                dtype=self.dtype,
                conv_form=self.conv_form,
            )
            return layer(x)

        def norm(x):
            return batch_norm(train, self.dtype)(x)

        def separable(x, features):
            channels = x.shape[-1]
            return norm(conv(conv(x, channels, 3, groups=channels), features))

        def shrunk(x, first, features, *, relu=True):
            y = separable(nn.relu(x) if relu else x, first)
            y = separable(nn.relu(y), features)
            y = nn.max_pool(y, (3, 3), (2, 2), "SAME")
            return y + norm(conv(x, features, stride=2))

        x = nn.relu(norm(conv(x, 32, 3, 2, "VALID")))
        x = nn.relu(norm(conv(x, 64, 3, padding="VALID")))
        x = shrunk(x, 128, 128, relu=False)
        x = shrunk(x, 256, 256)
        x = shrunk(x, 728, 728)
        for _ in range(8):
            y = x
            for _ in range(3):
                y = separable(nn.relu(y), 728)
            x = x + y
        x = shrunk(x, 728, 1024)
        x = nn.relu(separable(x, 1536))
        x = nn.relu(separable(x, 2048))
        return classifier(self.num_classes)(global_mean(x))
