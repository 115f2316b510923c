"""Inception-v3 (Szegedy et al. 2016, arXiv:1512.00567)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.models.conv import Conv
from lira_jax.models.layers import classifier, global_mean, require_images


class InceptionV3(nn.Module):
    """Inception-v3 without the auxiliary classifier, as keras.applications builds it.

    BatchNorm has no scale. 23,817,352 parameters for 1000 classes; 75x75 pixels are the least, the
    published size is 299x299.
    """

    num_classes: int
    dtype: Any = jnp.float32
    conv_form: str = "plain"

    @nn.compact
    def __call__(self, x, train: bool):
        require_images("inception_v3", x, smallest=75)

        def conv(x, features, size: int | tuple[int, int] = 1, stride=1, padding="SAME"):
            layer = Conv(
                features, size, stride, padding, dtype=self.dtype, conv_form=self.conv_form
            )
            norm = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                epsilon=1e-3,
                use_scale=False,
                dtype=self.dtype,
            )
            return nn.relu(norm(layer(x)))

        def chain(x, *layers):
            for features, size in layers:
                x = conv(x, features, size)
            return x

        def shrink(x, features):
            return conv(x, features, 3, 2, "VALID")

        x = conv(shrink(x, 32), 32, 3, padding="VALID")
        x = _max(conv(x, 64, 3))
        x = _max(conv(conv(x, 80, padding="VALID"), 192, 3, padding="VALID"))
        for features in (32, 64, 64):
            x = _joined(
                conv(x, 64),
                chain(x, (48, 1), (64, 5)),
                chain(x, (64, 1), (96, 3), (96, 3)),
                conv(_mean(x), features),
            )
        x = _joined(shrink(x, 384), shrink(chain(x, (64, 1), (96, 3)), 96), _max(x))
        for f in (128, 160, 160, 192):
            x = _joined(
                conv(x, 192),
                chain(x, (f, 1), (f, (1, 7)), (192, (7, 1))),
                chain(x, (f, 1), (f, (7, 1)), (f, (1, 7)), (f, (7, 1)), (192, (1, 7))),
                conv(_mean(x), 192),
            )
        x = _joined(
            shrink(conv(x, 192), 320),
            shrink(chain(x, (192, 1), (192, (1, 7)), (192, (7, 1))), 192),
            _max(x),
        )
        for _ in range(2):
            narrow, deep = conv(x, 384), chain(x, (448, 1), (384, 3))
            crossed = [conv(y, 384, size) for y in (narrow, deep) for size in ((1, 3), (3, 1))]
            x = _joined(conv(x, 320), *crossed, conv(_mean(x), 192))
        return classifier(self.num_classes)(global_mean(x))


def _joined(*branches: jax.Array) -> jax.Array:
    return jnp.concatenate(branches, -1)


def _max(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (3, 3), (2, 2))


def _mean(x: jax.Array) -> jax.Array:
    """The mean over 3x3 pixels, at the border over those that are there."""
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)
