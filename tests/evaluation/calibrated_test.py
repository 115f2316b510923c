import dataclasses

import numpy as np
import pytest
from null_scores import balanced, coin_flips
from scipy import stats

from lira_jax.attacks.p_values import p_values
from lira_jax.evaluation import calibrated as lib


def normal(num_models, num_examples, gap=0.0, spread_in=1.0, seed=0):
    """Statistics of normal lists: `gap` out spreads apart, in lists so many times as wide."""
    rng = np.random.default_rng([seed, num_models])
    keep = balanced(rng, num_models, num_examples)
    centre, spread = rng.normal(0, 3, num_examples), rng.uniform(0.5, 2, num_examples)
    z = rng.normal(size=keep.shape)
    return centre + spread * np.where(keep, gap + spread_in * z, z), keep


def within(values, expected, errors=4):
    """Whether the mean of independent values is the expected one, by its own standard error."""
    return abs(np.mean(values) - expected) < errors * np.std(values, ddof=1) / np.sqrt(len(values))


def test_moments_equal_numpys():
    rng = np.random.default_rng(0)
    keep = coin_flips(rng, 9, 30)
    x = rng.normal(1000, 1, keep.shape).astype(np.float32)
    where = rng.random(keep.shape) < 0.8
    found = lib.lists(x, keep, where)
    for i in range(30):
        for name, member in (("in", keep), ("out", ~keep)):
            own = x[member[:, i] & where[:, i], i].astype(np.float64)
            assert getattr(found, f"{name}_count")[i] == own.size
            if own.size:
                assert getattr(found, f"{name}_mean")[i] == pytest.approx(own.mean(), rel=1e-12)
                ss = getattr(found, f"{name}_ss")[i]
                assert ss == pytest.approx(own.var() * own.size, rel=1e-8, abs=1e-9)


def test_halves_split_both_lists_of_every_example():
    _, keep = normal(12, 50)
    halves = lib.halves(np.zeros(keep.shape), keep)
    for name in ("in_count", "out_count"):
        np.testing.assert_array_equal([getattr(h, name) for h in halves], 3)


@pytest.mark.parametrize("num_models", [8, 16, 64])
@pytest.mark.parametrize("alpha", [1e-2, 1e-3])
def test_on_noise_the_model_says_what_chance_gives(num_models, alpha):
    x, keep = normal(num_models, 20000)
    found = lib.model_tpr(lib.lists(x, keep), alpha)
    assert within(found, alpha)
    # The plug-in, which it replaces, does not.
    own = lib.lists(x, keep)
    n = num_models // 2
    q, s_out, s_in = stats.norm.isf(alpha), *(np.sqrt(s / n) for s in (own.out_ss, own.in_ss))
    plug_in = stats.norm.sf((own.out_mean + q * s_out - own.in_mean) / s_in)
    assert np.mean(plug_in) > 1.5 * alpha


@pytest.mark.parametrize(("gap", "spread_in"), [(1.0, 1.0), (2.5, 0.7), (0.5, 1.6)])
def test_the_model_is_unbiased_for_the_power_of_the_test(gap, spread_in):
    x, keep = normal(16, 20000, gap, spread_in)
    alpha, n = 1e-2, 8
    # The power of a test with a new out list each time, by simulation of its threshold.
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200000, n))
    scale = z.std(1, ddof=1) * np.sqrt(1 + 1 / n)
    power = stats.norm.sf(z.mean(1) + stats.t.isf(alpha, n - 1) * scale, gap, spread_in)
    found = lib.model_tpr(lib.lists(x, keep), alpha)
    error = np.hypot(power.std() / np.sqrt(power.size), found.std() / np.sqrt(found.size))
    assert abs(found.mean() - power.mean()) < 4 * error


def test_the_model_of_many_models_is_the_closed_form():
    x, keep = normal(4000, 30, 2.0, 0.8)
    for alpha in lib.ALPHA.values():
        found = lib.model_tpr(lib.lists(x, keep), alpha)
        exact = stats.norm.sf(stats.norm.isf(alpha), 2.0, 0.8)
        assert within(found, exact)
        assert found.std() < exact


def test_a_tail_of_three_and_four_models_is_the_known_estimate():
    # Of n = 4 draws the estimate is uniform in the place, of 3 an arc sine.
    own = lib.Lists(*(np.array([v, v]) for v in (4, 1.0, 3.0, 50, 0.0, 49.0)))
    own = dataclasses.replace(own, in_count=np.array([4, 3]), in_ss=np.array([3.0, 2.0]))
    place = 1.0 - stats.t.isf(0.1, 49) * np.sqrt(1 + 1 / 50)  # the in spread is 1
    half = [place * np.sqrt(n) / (n - 1) for n in (4, 3)]
    expected = [(1 + half[0]) / 2, 2 / np.pi * np.arcsin(np.sqrt((1 + half[1]) / 2))]
    np.testing.assert_allclose(lib.model_tpr(own, 0.1), expected)


def test_the_most_exposed_of_noise_are_not_exposed():
    x, keep = normal(16, 40000)
    alpha = 1e-2
    found = lib.most_exposed(lib.halves(x, keep), alpha)
    # 800 estimates, each in [0, 1] with mean alpha: their variance is at most alpha.
    assert abs(found - alpha) < 4 * np.sqrt(alpha / 800)
    picked = np.sort(lib.model_tpr(lib.lists(x, keep), alpha))[-400:].mean()
    assert picked > 0.2  # what choosing and measuring by the same models would say


def test_the_most_exposed_are_found():
    x, keep = normal(32, 1000)
    exposed = np.arange(1000) < 10
    x = x + 50.0 * exposed * keep
    assert lib.most_exposed(lib.halves(x, keep), 1e-4) > 0.95


def test_lists_that_are_too_short_leave_nan():
    keep = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], bool).T
    x = np.random.default_rng(0).normal(size=keep.shape)
    found = lib.model_tpr(lib.lists(x, keep), 0.01)
    assert np.isnan(found).tolist() == [True, False, True]
    assert np.isnan(lib.most_exposed(lib.halves(x, keep), 0.01))


def test_rates_are_the_counted_ones_and_pairs_without_p_value_do_not_count():
    x, keep = normal(8, 300, gap=2.0)
    p = p_values(x, keep)
    p[:, :50] = np.nan
    found = lib.calibrated(p, keep, x, keep)
    known = np.broadcast_to(np.arange(300) >= 50, keep.shape)
    assert found.num_members == (keep & known).sum()
    assert found.num_nonmembers == (~keep & known).sum()
    assert found.accusations is None
    for name, alpha in lib.ALPHA.items():
        assert found.at[name].tpr.value == np.mean(p[keep & known] <= alpha)
        assert found.at[name].fpr.value == np.mean(p[~keep & known] <= alpha)


@pytest.mark.parametrize("gap", [0.0, 2.0, 6.0])
def test_false_accusations_keep_to_their_bound(gap):
    shares, found = [], 0
    for seed in range(40):
        x, keep = normal(16, 200, gap, seed=seed)
        targets = np.arange(2)
        accused = lib.accuse(p_values(x, keep, targets), 0.2)
        false = (accused & ~keep[targets]).sum(1)
        shares += (false / np.maximum(accused.sum(1), 1)).tolist()
        found += (accused & keep[targets]).sum()
    assert np.mean(shares) < 0.2 + 3 * np.std(shares) / np.sqrt(len(shares))
    assert found < 30 if gap == 0 else found > 1000


def test_accusations_are_benjamini_and_hochbergs_steps():
    p = np.array([[0.01, 0.02, 0.03, 0.9, np.nan], [0.04, 0.5, 0.6, 0.7, 0.8]])
    # Of four, the largest k with p_(k) <= k / 4 * .05 is 3: .03 <= .0375. Of five .04 > .01.
    assert lib.accuse(p, 0.05).tolist() == [[True] * 3 + [False] * 2, [False] * 5]
    members = np.array([[True, False, True, True, True], [True] * 5])
    empty = np.zeros((2, 5))
    found = lib.calibrated(p, members, empty, members, fdr=0.05).accusations
    assert found == lib.Accusations(fdr=0.05, accused=3, false=1, realised_fdr=1 / 6)
