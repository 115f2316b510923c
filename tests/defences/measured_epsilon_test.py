"""What an attack measures of DP-SGD stays below what is proved, and comes near it.

The attacker is the strongest that DP-SGD is proved against: he knows all but one example, has
chosen it, and sees every step (Nasr et al. 2021, https://arxiv.org/abs/2101.04535).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from defences.accounting_test import analytic_gaussian

from lira_jax.defences import accounting, dp_sgd
from lira_jax.evaluation.epsilon import Setting, epsilon
from lira_jax.evaluation.ranked import Ranked
from lira_jax.models.recipe import Batch
from lira_jax.training import batches

DELTA, TRAININGS, CLIP = 1e-5, 4000, 0.5


def measured(noise, steps, rate=1.0):
    """The lower bound on epsilon, of as many trainings with the example as without.

    Its gradient is by far too long, and the only one with a first coordinate.
    """
    rule = dp_sgd.gradient_rule(clip=CLIP, noise=noise, expected=4)
    inputs = jnp.asarray([[99.0, 0], [0, 0.1], [0, -0.2], [0, 5]])
    params = {"w": jnp.zeros(2)}

    def loss_of(params, batch, key):
        return (batch.inputs @ params["w"] * batch.weights).sum(), {}

    def training(key, is_member):
        """The sum of the first coordinate over the steps."""
        keep = jnp.asarray([False, True, True, True]).at[0].set(is_member)
        draw, noisy = jax.random.split(key)
        drawn = batches.poisson_batches(
            draw, keep, 0, steps=steps, expected=rate * keep.sum(), places=4
        )

        def step(index, key):
            weights = (index != batches.PADDING).astype(jnp.float32)
            batch = Batch(inputs[jnp.maximum(index, 0)], jnp.zeros(4, int), weights)
            return rule(loss_of, params, batch, key)[1]["w"][0]

        return jax.vmap(step)(drawn, jax.random.split(noisy, steps)).sum()

    members = np.arange(TRAININGS) % 2 == 0
    keys = jax.random.split(jax.random.key(0), TRAININGS)
    scores = np.asarray(jax.jit(jax.vmap(training))(keys, members))
    found = epsilon(Ranked.of(scores[None], members[None]), Setting(DELTA, 0.95, 0.5))
    return found.value


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (2.0, 4)])
def test_it_is_below_what_a_gaussian_proves_and_near_it(noise, steps):
    proved = analytic_gaussian(noise / np.sqrt(steps), DELTA)
    assert proved / 4 < measured(noise, steps) < proved


def test_less_noise_than_is_claimed_is_found_out():
    assert measured(0.3, 1) > analytic_gaussian(1.0, DELTA)


def test_it_is_below_what_poisson_batches_prove():
    pytest.importorskip("dp_accounting")
    noise, steps, rate = 0.7, 4, 0.5
    proved = accounting.of_poisson(noise, rate, steps, DELTA)
    assert proved / 6 < measured(noise, steps, rate) < proved
