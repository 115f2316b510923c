"""The scoring pass of one model: logits and phi of every query of some examples."""

from collections.abc import Callable

from lira_jax.data import augment
from lira_jax.models.network import Network
from lira_jax.signals import phi as statistics


def make_score_step(network: Network, grid) -> Callable:
    """Builds score_step(variables, images, labels, index) -> (logits, phi) for ONE model.

    BatchNorm uses its running statistics. Args of the result: variables of the network; images
    [N, ...] and labels [N], resident on the device; index int [B], which examples.
    It returns float32 [B, queries, classes] and float32 [B, queries].
    """

    def score_step(variables, images, labels, index):
        logits = network.outputs(variables, augment.query_views(images, index, grid))
        logits = logits.reshape(len(index), -1, logits.shape[-1])
        return logits, statistics.phi(logits, labels[index][:, None])

    return score_step
