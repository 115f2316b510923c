"""The scoring pass of one model: logits and phi of every query of some examples."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from lira_jax.data import augment
from lira_jax.data.normalize import Normalizer
from lira_jax.signals import phi as statistics


def make_score_step(module: nn.Module, normalize: Normalizer, grid) -> Callable:
    """Builds score_step(variables, images, labels, index) -> (logits, phi) for ONE model.

    BatchNorm uses its running statistics. Args of the result: variables of the module; images
    [N, ...] and labels [N], resident on the device; index int [B], which examples.
    It returns float32 [B, queries, classes] and float32 [B, queries].
    """

    def score_step(variables, images, labels, index):
        x = normalize(augment.query_views(images, index, grid))
        logits = module.apply(variables, x, train=False).astype(jnp.float32)
        logits = logits.reshape(len(index), -1, logits.shape[-1])
        return logits, statistics.phi(logits, labels[index][:, None])

    return score_step
