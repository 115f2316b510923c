import dataclasses

import numpy as np
import pytest
from scipy import stats

from lira_jax.errors import UserError
from lira_jax.evaluation import epsilon_strategies as strategies
from lira_jax.evaluation.epsilon import Epsilon, Setting, epsilon
from lira_jax.evaluation.ranked import Ranked

_SIMULATIONS = 200
# An error rate of 5 % exceeds this in one test of 1000.
_TOO_OFTEN = stats.binom.isf(0.001, _SIMULATIONS, 0.05) / _SIMULATIONS
COINS = Setting(0.0, coin=0.5)
NO_COINS = Setting(0.0)


def _ranks(scores):
    return np.unique(scores, return_inverse=True)[1].astype(np.uint32)


def _randomised_response(rng, members, epsilon):
    """The truth with probability e^epsilon / (1 + e^epsilon): tightly (epsilon, 0)-private."""
    truthful = rng.random(members.shape) < 1 / (1 + np.exp(-epsilon))
    return np.where(truthful, members, ~members).astype(float)


def _bounds(draw, size, setting, simulations=_SIMULATIONS):
    """Bounds of one target each from independent draws: `value` and `one_run`, [simulations]."""
    rng, made, value = np.random.default_rng(0), [], []
    coin, delta, error = setting.coin, setting.delta, 1 - setting.confidence
    for i in range(simulations):
        members = rng.random(size) < (0.5 if coin is None else coin)
        scores = draw(rng, members)
        if coin is None:
            value.append(
                np.exp(epsilon(Ranked.of(scores[None], members[None]), setting, seed=i).value)
            )
        else:
            made.append(strategies.guess(_ranks(scores), members, coin, seed=i))
            value.append(strategies.guesses(made[-1], delta, error))
    one_run = strategies.one_run(made, delta, error) if coin == 0.5 else np.ones(simulations)
    return np.log(np.maximum(value, 1)), np.log(np.maximum(one_run, 1))


@pytest.mark.parametrize("coin", [None, 0.5, 0.8])
def test_pure_noise_has_no_epsilon(coin):
    for size in (20, 400):
        value, _ = _bounds(lambda rng, m: rng.normal(size=m.size), size, Setting(0.0, coin=coin))
        assert np.mean(value > 0) <= _TOO_OFTEN


@pytest.mark.parametrize("coin", [None, 0.5, 0.8])
@pytest.mark.parametrize("true", [0.5, 2.0, 4.0])
def test_bound_is_below_the_epsilon_of_randomised_response(true, coin):
    value, _ = _bounds(
        lambda rng, m: _randomised_response(rng, m, true), 1000, Setting(0.0, coin=coin)
    )
    assert np.mean(value > true) <= _TOO_OFTEN
    assert np.median(value) > (0 if true == 0.5 else 0.7 * true)


@pytest.mark.parametrize("coin", [None, 0.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_bound_is_below_epsilon_where_only_one_inequality_is_tight(sign, coin):
    # One answer is rare and telling, P(1 | in) = .10 and P(1 | out) = .10 / e^2; the other is
    # common and says little. Negating scores and swapping groups puts the tight ratio into the
    # second inequality.
    true = 2.0

    def draw(rng, members):
        rates = np.where(members if sign == 1 else ~members, 0.1, 0.1 / np.exp(true))
        return sign * (rng.random(members.size) < rates).astype(float)

    value, _ = _bounds(draw, 2000, Setting(0.0, coin=coin))
    assert np.mean(value > true) <= _TOO_OFTEN
    assert np.median(value) > 0.8


@pytest.mark.parametrize("coin", [None, 0.5, 0.3])
def test_bound_counts_delta(coin):
    # With probability delta a member is given away; otherwise the score is noise: (0,
    # delta)-private.
    delta = 0.1

    def draw(rng, members):
        return rng.normal(size=members.size) + 100 * (members & (rng.random(members.size) < delta))

    value, _ = _bounds(draw, 2000, Setting(delta, coin=coin))
    assert np.mean(value > 0) <= _TOO_OFTEN
    value, _ = _bounds(draw, 2000, Setting(0.0, coin=coin), 20)
    assert np.median(value) > 1.2


@pytest.mark.parametrize("coin", [None, 0.5])
def test_bound_approaches_epsilon_with_many_examples(coin):
    rng = np.random.default_rng(1)
    members = rng.random(200_000) < 0.5
    scores = _randomised_response(rng, members, 2.0)
    for delta, least in ((0.0, 1.95), (1e-5, 1.93)):
        found = epsilon(Ranked.of(scores[None], members[None]), Setting(delta, coin=coin))
        assert least < found.value < 2.0
        assert found.strategy == ("thresholds" if coin is None else "guesses")


@pytest.mark.parametrize("coin", [None, 0.5])
def test_gaussian_mechanism_stays_below_its_privacy_curve(coin):
    # Scores N(0, 1) and N(1, 1): delta as a function of epsilon is known (Balle and Wang 2018,
    # theorem 8).
    true = 1.0
    delta = stats.norm.cdf(0.5 - true) - np.exp(true) * stats.norm.cdf(-0.5 - true)
    value, one_run = _bounds(
        lambda rng, m: rng.normal(size=m.size) + m, 2000, Setting(delta, coin=coin)
    )
    assert np.mean(value > true) <= _TOO_OFTEN
    assert np.median(value) > 0.4
    if coin:
        assert np.mean(one_run > true) <= _TOO_OFTEN


@pytest.mark.parametrize("setting", [COINS, NO_COINS])
def test_median_over_targets_holds_even_if_all_targets_are_the_same(setting):
    rng, exceeded = np.random.default_rng(3), 0
    for i in range(_SIMULATIONS):
        members = rng.random(600) < 0.5
        one = _randomised_response(rng, members, 2.0)
        exceeded += (
            epsilon(
                Ranked.of(one[None].repeat(3, 0), members[None].repeat(3, 0)), setting, seed=i
            ).value
            > 2
        )
    assert exceeded / _SIMULATIONS <= _TOO_OFTEN


@pytest.mark.parametrize("setting", [COINS, NO_COINS])
def test_over_targets_is_the_median_at_half_the_error(setting):
    rng = np.random.default_rng(4)
    members = rng.random((5, 600)) < 0.5
    scores = rng.normal(size=members.shape) + members * np.arange(1, 6)[:, None]
    stricter = dataclasses.replace(setting, confidence=0.975)
    each = [
        epsilon(Ranked.of(s[None], m[None]), stricter).value
        for s, m in zip(scores, members, strict=True)
    ]
    assert epsilon(Ranked.of(scores, members), setting).value == pytest.approx(
        np.median(each), abs=1e-12
    )


@pytest.mark.parametrize("coin", [None, 0.5])
def test_more_confidence_or_delta_never_raises_the_bound(coin):
    rng = np.random.default_rng(5)
    members = rng.random((1, 2000)) < 0.5
    scores = rng.normal(size=(1, 2000)) + 2 * members

    def bound(delta, confidence):
        found = epsilon(Ranked.of(scores, members), Setting(delta, confidence, coin))
        return np.array([found.value, found.one_run if coin else found.value])

    assert np.all(bound(0.0, 0.99) < bound(0.0, 0.95))
    assert np.all(bound(1e-5, 0.95) <= bound(0.0, 0.95))
    assert np.all(bound(0.05, 0.95) < bound(1e-5, 0.95))


def test_nothing_but_the_order_of_the_scores_matters():
    rng = np.random.default_rng(6)
    members = rng.random((2, 500)) < 0.5
    scores = rng.normal(size=members.shape) + members
    for setting in (COINS, NO_COINS, Setting(1e-4, coin=0.5)):
        bounds = [epsilon(Ranked.of(of, members), setting) for of in (scores, np.exp(scores))]
        assert repr(bounds[0]) == repr(bounds[1])  # NaN too


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"delta": -0.1}, "--delta=-0.1: give a number from 0 to below 1"),
        ({"delta": 1}, "--delta=1: "),
        ({"delta": np.nan}, "--delta=nan: "),
        ({"confidence": 0}, "--confidence=0: give a probability between 0 and 1"),
        ({"confidence": 95}, "--confidence=95: "),
        ({"coin": 1.5}, "coin=1.5: "),
    ],
)
def test_settings_out_of_range_are_a_user_error(kwargs, told):
    with pytest.raises(UserError, match=told):
        Setting(**kwargs)


def test_a_bound_of_one_run_needs_fair_coins_where_delta_is_positive():
    rng = np.random.default_rng(7)
    members = rng.random((1, 500)) < 0.8
    scores = rng.normal(size=members.shape) + 3 * members
    pure = epsilon(Ranked.of(scores, members), Setting(0.0, coin=0.8))
    assert pure.one_run == pytest.approx(pure.value)
    assert pure.value > 1
    assert np.isnan(epsilon(Ranked.of(scores, members), Setting(1e-5, coin=0.8)).one_run)
    assert np.isnan(epsilon(Ranked.of(scores, members), Setting(0.0)).one_run)


@pytest.mark.parametrize("setting", [COINS, NO_COINS, Setting(1e-5, coin=0.5)])
def test_targets_without_two_of_either_kind_have_no_say(setting):
    rng = np.random.default_rng(0)
    members = rng.random((4, 500)) < 0.5
    scores = 3 * members + rng.normal(size=members.shape)
    expected = epsilon(Ranked.of(scores, members), setting)
    assert expected.value > 0
    lonely = np.zeros((3, 500), bool)
    lonely[0, 7], lonely[1] = True, True  # one member, all members, none
    more = np.concatenate([scores, rng.normal(size=lonely.shape)])
    assert repr(epsilon(Ranked.of(more, np.concatenate([members, lonely])), setting)) == repr(
        expected
    )
    nothing = epsilon(Ranked.of(more[4:], lonely), setting)
    assert nothing.value == 0
    assert not nothing.one_run > 0
    # NaN is no score: as if the example were not there.
    blank = np.where(np.arange(500) < 20, np.nan, scores)
    left = epsilon(Ranked.of(scores[:, 20:], members[:, 20:]), setting)
    assert repr(epsilon(Ranked.of(blank, members), setting)) == repr(left)


def test_tiny_targets_get_a_bound_of_zero():
    members = np.array([[True, True, False, False]])
    for setting in (COINS, NO_COINS, Setting(1e-5, coin=0.5)):
        found = epsilon(Ranked.of(members.astype(float), members), setting)
        assert isinstance(found, Epsilon)
        assert found.value == 0
