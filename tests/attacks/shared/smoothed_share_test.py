"""Smoothed shares against scipy, one target and example at a time."""

import numpy as np
import pytest
from null_scores import lists
from scipy.interpolate import PchipInterpolator

from lira_jax.attacks.shared.smoothed_share import smoothed_share


def naive(loss, keep, own, targets, partner=True):
    p = np.empty(own.shape)
    for row, i in np.ndindex(own.shape):
        losses = loss[lists(keep[:, i], None if targets is None else targets[row], partner)[1], i]
        knots = np.unique(losses)
        share = [np.mean(losses <= x) for x in knots]
        p[row, i] = (
            1
            if own[row, i] >= knots[-1]
            else PchipInterpolator([0, *knots], [0, *share])(own[row, i])
        )
    return p


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("num_models", [3, 4, 12])
def test_shares_equal_scipys_interpolation_of_the_shadows_left(num_models, ties):
    rng = np.random.default_rng(1)
    loss = rng.exponential(1, (num_models, 60)) * 10.0 ** rng.integers(-3, 2, 60)
    if ties:
        loss = np.maximum(loss.round(1), 0.1)
    keep = rng.random(loss.shape) < 0.5
    keep[:2] = False  # two out shadows at least, so that one is left
    targets = rng.permutation(num_models)
    for partner in (True, False):
        got = smoothed_share(loss, keep, targets, loss[targets], partner)
        expected = naive(loss, keep, loss[targets], targets, partner)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    outside = rng.exponential(1, (5, 60))
    np.testing.assert_allclose(
        smoothed_share(loss, keep, None, outside),
        naive(loss, keep, outside, None),
        rtol=1e-9,
        atol=1e-12,
    )
