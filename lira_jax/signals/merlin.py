"""How often noise on the input raises the loss."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from lira_jax.signals.measure import Measurement
from lira_jax.signals.phi import phi

DRAWS = 100
"""T: noisy copies of an example at each scale, as the authors' code and LiRA have it."""


def merlin(batch: Measurement, *, scales: Sequence[float]) -> jax.Array:
    """Of DRAWS noisy copies of an example, the share whose loss is above the example's own.

    Jayaraman et al. 2021, Revisiting Membership Inference Under Realistic Assumptions, algorithm
    for MERLIN (https://arxiv.org/abs/2005.10881): a member sits in a local minimum of the loss more
    often than others. The loss is above where phi is below, which does not round where the loss is
    nearly 0. The draws of the noise are the same for every example, scale and model.

    Args:
      scales: standard deviations of the Gaussian noise on each coordinate of the normalised input.

    Returns:
      float32 [B, scales], counts times 1 / DRAWS in float32, so that equal counts are equal.
    """
    x, labels = batch.normalised, batch.labels
    noise = jax.random.normal(jax.random.key(0), (DRAWS, *x.shape[1:]))
    own = phi(batch.outputs, labels)

    def share(scale: float) -> jax.Array:
        copies = x[:, None] + scale * noise
        logits = batch.network.evaluate(batch.variables, copies.reshape(-1, *x.shape[1:]))
        noisy = phi(logits.reshape(len(x), DRAWS, -1), labels[:, None])
        # A product, which XLA computes as it stands: equal counts are equal in every program.
        return (noisy < own[:, None]).sum(-1) * jnp.float32(1 / DRAWS)

    return jnp.stack([share(scale) for scale in scales], -1)
