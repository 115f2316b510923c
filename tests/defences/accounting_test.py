"""Epsilon against closed forms and, where it is installed, dp-accounting's own numbers."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from lira_jax.defences import accounting
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment

installed = pytest.mark.skipif(
    not accounting.version(), reason="dp-accounting is not installed (the extra dp)"
)


def analytic_gaussian(noise, delta):
    """Balle and Wang 2018, https://arxiv.org/abs/1805.06530, theorem 8, solved for epsilon."""

    def excess(epsilon):
        a, b = 1 / (2 * noise), epsilon * noise
        return stats.norm.cdf(a - b) - math.exp(epsilon) * stats.norm.cdf(-a - b) - delta

    return optimize.brentq(excess, 0, 200)


def test_a_batch_has_places_for_what_chance_brings():
    for size, members, steps in ((64, 900, 1500), (8, 30, 16), (256, 25_000, 10_000)):
        places = accounting.capacity(size, members, members, steps)
        draws = stats.binom(members, size / members)
        assert steps * draws.sf(places) <= accounting.SURPLUS
        assert size < places <= members
        if places < members:
            assert steps * draws.sf(places - 9) > accounting.SURPLUS  # no more than needed
    assert accounting.capacity(30, 30, 30, 16) == 30


def test_without_the_accountant_training_can_begin_and_says_why(monkeypatch):
    monkeypatch.setattr(accounting, "version", lambda: "")
    found = accounting.epsilon(Experiment(defence="dp_sgd"), 900, 1500)
    assert found["epsilon"] is None
    assert "not installed" in found["why"]
    with pytest.raises(UserError, match="--dp_epsilon=8: "):
        accounting.noise_for(Experiment(defence="dp_sgd", dp_epsilon=8.0), 900, 1500)
    none = accounting.epsilon(Experiment(defence="dp_sgd", dp_noise=0.0), 900, 1500)
    assert "noise" in none["why"]


@installed
@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0])
def test_epsilon_of_one_gaussian_has_a_closed_form(noise):
    expected = analytic_gaussian(noise, 1e-5)
    assert expected <= accounting.of_gaussian(noise, 1e-5) + 1e-9
    assert accounting.of_gaussian(noise, 1e-5) == pytest.approx(expected, rel=1e-3)
    # every example in every batch: as many Gaussians
    assert accounting.of_poisson(2 * noise, 1.0, 4, 1e-5) == pytest.approx(expected, rel=1e-3)


@installed
def test_epsilon_equals_dp_accountings_own_example():
    # pld/accountant_test.py, test_get_smallest_subsampled_gaussian_noise
    assert accounting.of_poisson(0.67379294682, 0.01, 1, 1e-5) == pytest.approx(1, abs=1e-4)


@installed
def test_the_noise_for_an_epsilon_reaches_it_and_no_less_does():
    e = Experiment(defence="dp_sgd", dp_epsilon=8.0, epochs=4, dp_batches="shuffled")
    noise = accounting.noise_for(e, 300, 20)
    assert accounting.of_gaussian(noise / 2, 1e-5) <= 8.0
    assert accounting.of_gaussian((noise - 2e-4) / 2, 1e-5) > 8.0


@installed
def test_shuffled_batches_prove_less_than_they_are_counted_for():
    e = Experiment(defence="dp_sgd", epochs=10, dp_batches="shuffled")
    found = accounting.epsilon(e, 900, 150)
    assert found["epsilon"] == pytest.approx(analytic_gaussian(10**-0.5, 1e-5), rel=1e-3)
    assert found["epsilon_as_poisson"] < found["epsilon"]
    assert np.isfinite(found["epsilon"])
