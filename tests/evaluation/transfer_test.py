import statistics

import numpy as np
import pytest

from lira_jax.evaluation import transfer
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.roc import roc


def simulated(num_targets=6, num_examples=4000, gap=2.0, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((num_targets, num_examples)) < 0.5
    return rng.normal(size=members.shape) + gap * members, members


def naive(scores, members, alpha):
    """Calls of each target at the median of the others' thresholds, read off their ROCs."""
    own = []
    for s, m in zip(scores, members, strict=True):
        curve = roc(s, m)
        step = np.flatnonzero(curve.fpr <= alpha)[-1]
        # Anything above the next non-member decides alike on its own model.
        below = max(
            x for x, is_in in zip(s, m, strict=True) if not is_in and x < curve.thresholds[step]
        )
        own.append(np.nextafter(below, np.inf))
    called = np.zeros(scores.shape, bool)
    for t in range(len(scores)):
        called[t] = scores[t] >= statistics.median_high(own[:t] + own[t + 1 :])
    return called


@pytest.mark.parametrize("num_targets", [2, 5, 6])
def test_rates_equal_those_counted_at_the_others_median(num_targets):
    scores, members = simulated(num_targets)
    found = transfer.transferred(Ranked.of(scores, members))["1e-3"]
    called = naive(scores, members, 1e-3)
    assert found.tpr.value == np.mean(called[members])
    assert found.fpr.value == np.mean(called[~members])
    assert found.tpr.low < found.tpr.value < found.tpr.high


def test_a_targets_own_scores_have_no_say_in_its_threshold():
    own = np.arange(6.0)
    before = transfer.of_others(own)
    own[2] = 100
    after = transfer.of_others(own)
    assert before[2] == after[2]
    assert (before != after).any()


def test_targets_alike_keep_the_false_positive_rate():
    rates = []
    for seed in range(20):
        scores, members = simulated(8, 4000, seed=seed)
        rates.append(transfer.transferred(Ranked.of(scores, members))["1e-3"].fpr.value)
    # The threshold just above the third of 2000 non-members' scores has a mean FPR of 3 / 2001 or
    # less; the median of several lies between the nominal rate and that.
    assert 0.9e-3 < np.mean(rates) < 1.6e-3


def test_a_rate_that_all_nonmembers_together_do_not_resolve_is_left_out():
    scores, members = simulated()
    assert list(transfer.transferred(Ranked.of(scores, members))) == ["1e-3"]
    scores, members = simulated(64)
    found = transfer.transferred(Ranked.of(scores, members))
    assert list(found) == ["1e-3", "1e-5"]
    assert found["1e-5"].tpr.value < found["1e-3"].tpr.value


def test_a_single_target_takes_what_shadows_give():
    scores, members = simulated(1)
    assert transfer.transferred(Ranked.of(scores, members)) == {}
    limits = np.array([[2.0, np.nan], [5.0, np.nan], [3.0, np.nan]])
    found = transfer.transferred(Ranked.of(scores, members), others=limits)
    assert list(found) == ["1e-3"]
    assert found["1e-3"].fpr.value == np.mean(scores[~members] >= 3.0)


def test_pairs_without_a_score_do_not_count():
    scores, members = simulated()
    scores[:, :1000] = np.nan
    scores[1] = np.nan
    left = np.arange(6) != 1
    expected = transfer.transferred(Ranked.of(scores[left, 1000:], members[left, 1000:]))["1e-3"]
    assert transfer.transferred(Ranked.of(scores, members))["1e-3"] == expected


def test_the_value_of_an_accusation():
    tpr, fpr = Estimate(0.2, 0.1, 0.3), Estimate(0.01, 0.005, 0.02)
    found = transfer.ppv(tpr, fpr, 0.1)
    # Of 1000, 100 are members: 20 hits, 9 false alarms.
    assert found.value == pytest.approx(20 / 29)
    assert found.low == pytest.approx(10 / 28)
    assert found.high == pytest.approx(30 / 34.5)
    assert transfer.ppv(tpr, fpr, 0.5).value == pytest.approx(20 / 21)
    none = transfer.ppv(tpr, Estimate(0.0, 0.0, 0.001), 0.1)
    assert (none.value, none.high) == (1, 1)
    assert none.low == pytest.approx(10 / 10.9)
    assert np.isnan(transfer.ppv(Estimate(0.0, 0.0, 0.1), Estimate(0.0, 0.0, 0.1), 0.1).value)


def test_priors_are_those_asked_for():
    scores, members = simulated()
    found = transfer.transferred(Ranked.of(scores, members), priors=(0.001, 0.5))["1e-3"]
    assert list(found.ppv) == ["0.001", "0.5"]
    assert found.ppv["0.5"] == transfer.ppv(found.tpr, found.fpr, 0.5)
