"""Strategies one by one: closed forms, the published p-value, and which is tightest where."""

import numpy as np
import pytest
from scipy import stats

from lira_jax.evaluation import epsilon_strategies as strategies

_SIMULATIONS = 200
# An error rate of 5 % exceeds this in one test of 1000.
_TOO_OFTEN = stats.binom.isf(0.001, _SIMULATIONS, 0.05) / _SIMULATIONS


def _ranks(scores):
    return np.unique(scores, return_inverse=True)[1].astype(np.uint32)


def test_of_one_run_is_the_highest_epsilon_that_its_p_value_rejects():
    rng = np.random.default_rng(2)
    members = rng.random(900) < 0.5
    made = strategies.guess(_ranks(rng.normal(size=900) + 2 * members), members, 0.5, 0)
    delta, error = 1e-5, 0.05

    def p_value(v, r, epsilon):  # Steinke et al. 2023, theorem 5.2, word by word
        mass = stats.binom.pmf(np.arange(r + 1), r, 1 / (1 + np.exp(-epsilon)))
        alpha = max(mass[v - i : v].sum() / i for i in range(1, v + 1))
        return mass[v:].sum() + 2 * 900 * delta * alpha

    found = np.log(strategies.one_run([made], delta, error)[0])
    p_values = {
        e: [p_value(int(v), int(r), found + e) for v, r in zip(made.right, made.made, strict=True)]
        for e in (-1e-6, 1e-6)
    }
    tests = len(made.made)
    assert any(
        below <= error / tests < above
        for below, above in zip(p_values[-1e-6], p_values[1e-6], strict=True)
    )
    # The test that looked best is not far from the best.
    others = zip(made.right, made.made, strict=True)
    assert min(p_value(int(v), int(r), found + 0.1) for v, r in others) > error / tests


@pytest.mark.parametrize("delta", [0.0, 1e-2])
def test_perfect_separation_has_closed_forms(delta):
    num, error = 500, 0.05
    members = np.arange(2 * num) < num
    scores = _ranks(members)
    # All are caught of the half that is kept for the bound.
    low = (error / 2) ** (2 / num)
    got = strategies.split(scores, members, delta, error, 0)
    assert got == pytest.approx((low - delta) / (1 - low))
    # 9 ranks from either end, each with two bounds: none of the non-members is above the first.
    each = error / 36
    low = each ** (1 / num)
    assert strategies.ranks(scores, members, delta, error) == pytest.approx(
        (low - delta) / (1 - low)
    )
    # Guessed numbers are 16, 24, ..., 500: 10 of them of three kinds, and all 1000 are right.
    made = strategies.guess(scores, members, 0.5, 0)
    assert made.made.size == 30
    assert np.array_equal(made.right, made.made)
    q, mass = ((0.9 if delta else 1) * error / 30) ** (1 / 1000), 1.0
    if delta:
        mass = stats.beta.ppf(0.1 * error / 20, 501, 500)
    expected = (2 * q - delta / mass) / (2 * (1 - q))
    assert strategies.guesses(made, delta, error) == pytest.approx(expected)


def test_ranks_hold_though_ties_hide_the_thresholds():
    rng, above = np.random.default_rng(3), 0
    for _ in range(_SIMULATIONS):
        members = rng.random(300) < 0.5
        scores = _ranks(np.rint(rng.laplace(size=300) + members))  # (1, 0)-private
        above += strategies.ranks(scores, members, 0.0, 0.05) > np.e
    assert above / _SIMULATIONS <= _TOO_OFTEN


def test_guesses_are_above_the_other_strategies_where_they_may_be_used():
    # The reason for taking them alone; Gaussian scores of 2 000 examples, tight at no threshold.
    rng = np.random.default_rng(4)
    found = []
    for i in range(20):
        members = rng.random(2000) < 0.5
        scores = _ranks(rng.normal(size=2000) + members)
        found.append(
            (
                strategies.split(scores, members, 1e-5, 0.05, i),
                strategies.ranks(scores, members, 1e-5, 0.05),
                strategies.guesses(strategies.guess(scores, members, 0.5, i), 1e-5, 0.05),
            )
        )
    split, of_ranks, guesses = np.median(np.log(found), 0)
    assert split < of_ranks < guesses - 0.2
