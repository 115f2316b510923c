"""p(x) of one target, against means of lists in plain Python."""

import numpy as np
import pytest
from null_scores import balanced, coin_flips, has_partner, lists
from scipy.special import expit

from lira_jax.attacks.rmia_confidences import of_lists, of_trimmed
from lira_jax.attacks.shared import inputs as inputs_lib


def _trimmed(p, trim):
    cut = int(trim * len(p))
    return np.mean(np.sort(p)[cut : len(p) - cut])


@pytest.mark.parametrize("masks", [balanced, coin_flips])
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("trim", [0.0, 0.2])
def test_the_means_are_those_of_the_lists_without_the_target(masks, online, trim):
    rng = np.random.default_rng(0)
    keep, phi = masks(rng, 10, 12), rng.normal(0, 4, (10, 12, 2))
    inputs, a = inputs_lib.check(phi, keep, [7, 2]), 0.3
    confidences = (of_trimmed if trim else of_lists)(inputs, online, a, trim)
    for row, target in enumerate((7, 2)):
        own, usual = confidences(row)
        np.testing.assert_allclose(own, -np.logaddexp(0, -phi[target]), rtol=1e-12)
        for i, q in np.ndindex(12, 2):
            ins, outs = lists(keep[:, i], target, has_partner(keep))
            p_in, p_out = expit(phi[ins, i, q]), expit(phi[outs, i, q])
            mean_out = _trimmed(p_out, trim)
            if online and trim:
                expected = _trimmed(np.concatenate([p_in, p_out]), trim)
            elif online:
                expected = (np.mean(p_in) + mean_out) / 2
            else:
                expected = (a * mean_out + 1 - a + mean_out) / 2
            np.testing.assert_allclose(usual[i, q], np.log(expected), rtol=1e-9, atol=1e-12)
