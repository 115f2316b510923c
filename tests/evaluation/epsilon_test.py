import numpy as np
import pytest
from scipy import stats

from lira_jax.errors import UserError
from lira_jax.evaluation.epsilon import epsilon_lower_bound, epsilon_over_targets

_SIMULATIONS = 300
# An error rate of 5 % exceeds this in one test of 1000.
_TOO_OFTEN = stats.binom.isf(0.001, _SIMULATIONS, 0.05) / _SIMULATIONS


def _randomised_response(rng, members, epsilon):
    """The truth with probability e^epsilon / (1 + e^epsilon): tightly (epsilon, 0)-private."""
    truthful = rng.random(members.shape) < 1 / (1 + np.exp(-epsilon))
    return np.where(truthful, members, ~members).astype(float)


def _bounds(draw, members, **kwargs):
    rng = np.random.default_rng(0)
    return np.array(
        [epsilon_lower_bound(draw(rng), members, seed=i, **kwargs) for i in range(_SIMULATIONS)]
    )


def test_pure_noise_has_no_epsilon():
    for size in (20, 400):
        members = np.arange(size) < size // 2
        assert np.mean(_bounds(lambda rng, n=size: rng.normal(size=n), members) > 0) <= _TOO_OFTEN


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 4.0])
def test_bound_is_below_the_epsilon_of_randomised_response(epsilon):
    members = np.arange(1000) < 500
    bounds = _bounds(lambda rng: _randomised_response(rng, members, epsilon), members)
    assert np.mean(bounds > epsilon) <= _TOO_OFTEN


@pytest.mark.parametrize("sign", [1, -1])
def test_bound_is_below_epsilon_where_only_one_inequality_is_tight(sign):
    # One answer is rare and telling, P(1 | in) = .10 and P(1 | out) = .10 / e^2; the other is
    # common and says little. Negating scores and swapping groups puts the tight ratio into the
    # second inequality.
    epsilon, num = 2.0, 2000
    members = np.arange(num) < num // 2
    rates = np.where(members, 0.1, 0.1 / np.exp(epsilon))
    truth = members if sign == 1 else ~members
    bounds = _bounds(lambda rng: sign * (rng.random(num) < rates).astype(float), truth)
    assert np.mean(bounds > epsilon) <= _TOO_OFTEN
    assert np.median(bounds) > 0.8


def test_bound_counts_delta():
    # With probability delta a member is given away; otherwise the score is noise: (0,
    # delta)-private.
    delta, members = 0.1, np.arange(2000) < 1000

    def draw(rng):
        return rng.normal(size=members.size) + 100 * (members & (rng.random(members.size) < delta))

    assert np.mean(_bounds(draw, members, delta=delta) > 0) <= _TOO_OFTEN
    assert np.median(_bounds(draw, members)) > 1.5


def test_bound_approaches_epsilon_with_many_examples():
    members = np.arange(200_000) < 100_000
    scores = _randomised_response(np.random.default_rng(1), members, 2.0)
    assert 1.93 < epsilon_lower_bound(scores, members) < 2.0


def test_gaussian_mechanism_stays_below_its_privacy_curve():
    # Scores N(0, 1) and N(1, 1): delta as a function of epsilon is known (Balle and Wang 2018,
    # theorem 5).
    epsilon = 1.0
    delta = stats.norm.cdf(0.5 - epsilon) - np.exp(epsilon) * stats.norm.cdf(-0.5 - epsilon)
    members = np.arange(2000) < 1000
    bounds = _bounds(lambda rng: rng.normal(size=members.size) + members, members, delta=delta)
    assert np.mean(bounds > epsilon) <= _TOO_OFTEN
    assert np.median(bounds) > 0.4


def test_perfect_separation_is_bounded_by_the_half_kept_for_the_bound():
    # It catches all its num / 2 members and none of its non-members: Clopper-Pearson has a closed
    # form.
    for num, delta in ((40, 0.0), (1000, 0.0), (1000, 1e-2)):
        members = np.arange(2 * num) < num
        tpr_low = 0.025 ** (2 / num)
        got = epsilon_lower_bound(members.astype(float), members, delta=delta)
        assert got == pytest.approx(np.log((tpr_low - delta) / (1 - tpr_low)))


def test_median_over_targets_holds_even_if_all_targets_are_the_same():
    members = np.arange(1000) < 500
    rng, exceeded = np.random.default_rng(3), 0
    for i in range(_SIMULATIONS // 2):
        one = _randomised_response(rng, members, 2.0)
        exceeded += epsilon_over_targets(np.stack([one] * 3), np.stack([members] * 3), seed=i) > 2.0
    assert exceeded / (_SIMULATIONS // 2) <= _TOO_OFTEN


def test_over_targets_is_the_median_at_half_the_error():
    rng = np.random.default_rng(4)
    members = rng.random((5, 600)) < 0.5
    scores = rng.normal(size=members.shape) + members * np.arange(1, 6)[:, None]
    each = [
        epsilon_lower_bound(s, m, confidence=0.975) for s, m in zip(scores, members, strict=True)
    ]
    assert epsilon_over_targets(scores, members) == np.median(each)
    assert epsilon_over_targets(scores[:1], members[:1]) == epsilon_lower_bound(
        scores[0], members[0]
    )


def test_more_confidence_or_delta_never_raises_the_bound():
    rng = np.random.default_rng(5)
    members = np.arange(2000) < 1000
    scores = rng.normal(size=2000) + 2 * members
    assert epsilon_lower_bound(scores, members, confidence=0.99) < epsilon_lower_bound(
        scores, members
    )
    assert epsilon_lower_bound(scores, members, delta=0.05) < epsilon_lower_bound(scores, members)


@pytest.mark.parametrize(
    "kwargs", [{"delta": -0.1}, {"delta": 1}, {"confidence": 0}, {"confidence": 95}]
)
def test_settings_out_of_range_are_a_user_error(kwargs):
    members = np.arange(20) < 10
    with pytest.raises(UserError, match=next(iter(kwargs))):
        epsilon_lower_bound(np.zeros(20), members, **kwargs)
    with pytest.raises(UserError, match=next(iter(kwargs))):
        epsilon_over_targets(np.zeros((1, 20)), members[None], **kwargs)


def test_too_few_examples_are_a_user_error():
    with pytest.raises(UserError, match="a target has 1"):
        epsilon_lower_bound(np.zeros(4), np.array([True, False, False, False]))


def test_targets_that_cannot_be_split_have_no_say():
    rng = np.random.default_rng(0)
    members = rng.random((4, 500)) < 0.5
    scores = 3 * members + rng.normal(size=members.shape)
    expected = epsilon_over_targets(scores, members)
    assert expected > 0
    lonely = np.zeros((3, 500), bool)
    lonely[0, 7], lonely[1] = True, True  # one member, all members, none
    more = np.concatenate([scores, rng.normal(size=lonely.shape)])
    assert epsilon_over_targets(more, np.concatenate([members, lonely])) == expected
    assert epsilon_over_targets(more[4:], lonely) == 0
