import numpy as np
import pytest
from scipy import stats
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from lira_jax.evaluation import intervals as lib
from lira_jax.evaluation.intervals import (
    clopper_pearson,
    example_intervals,
    rate,
    target_intervals,
)
from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.roc import TPR_AT, auc, metrics, roc

_SIMULATIONS = 400
# A nominal 95 % interval that truly holds 93 % falls below this in one test of 200.
_ENOUGH = stats.binom.ppf(0.005, _SIMULATIONS, 0.93) / _SIMULATIONS


def _over_targets(scores, members, **options):
    ranked = Ranked.of(scores, members)
    return target_intervals(ranked.all().curve(), ranked.rows, **options)


def _binormal_truth(shift, sd_in=1.0, sd_out=1.0):
    thresholds = np.linspace(-8, 8, 20_001)
    tpr, fpr = stats.norm.sf(thresholds, shift, sd_in), stats.norm.sf(thresholds, 0, sd_out)
    return {
        "auc": stats.norm.cdf(shift / np.hypot(sd_in, sd_out)),
        "balanced_accuracy": (1 + np.max(tpr - fpr)) / 2,
        "tpr_at_1e-2": stats.norm.sf(stats.norm.isf(1e-2) * sd_out, shift, sd_in),
    }


def _coverage(draw_intervals, truth, seed=0):
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(truth, 0)
    for _ in range(_SIMULATIONS):
        intervals = draw_intervals(rng)
        for name, value in truth.items():
            low, high = intervals[name]
            hits[name] += low <= value <= high
    return {name: count / _SIMULATIONS for name, count in hits.items()}


@pytest.mark.parametrize(("num_targets", "each"), [(2, 200), (4, 100), (16, 40)])
@pytest.mark.parametrize(("shift", "spread"), [(0.0, 0.0), (0.2, 0.1), (1.0, 0.4), (2.5, 0.4)])
def test_intervals_over_unlike_targets_hold_their_coverage(num_targets, each, shift, spread):
    # A target moves its members' scores by `shift` give or take `spread`, and all its scores by 0
    # give or take spread / 2; pooled over many targets the groups are normal again, which gives the
    # truth.
    sd_out = np.hypot(1, spread / 2)
    truth = _binormal_truth(shift, np.hypot(sd_out, spread), sd_out)
    members = np.tile(np.arange(2 * each) < each, (num_targets, 1))

    def draw(rng):
        scores = rng.normal(size=members.shape) + rng.normal(0, spread / 2, (num_targets, 1))
        scores += members * rng.normal(shift, spread, (num_targets, 1))
        return _over_targets(scores, members, resamples=100)

    coverage = _coverage(draw, truth)
    assert min(coverage.values()) >= _ENOUGH, coverage


@pytest.mark.parametrize(("num_members", "num_nonmembers"), [(80, 80), (60, 300), (300, 60)])
@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5, 2.5])
def test_intervals_over_examples_hold_their_coverage(num_members, num_nonmembers, shift):
    members = np.arange(num_members + num_nonmembers) < num_members
    truth = _binormal_truth(shift)
    del truth["tpr_at_1e-2"]

    def draw(rng):
        return example_intervals(roc(rng.normal(size=members.size) + shift * members, members))

    coverage = _coverage(draw, truth)
    assert min(coverage.values()) >= _ENOUGH, coverage


def test_tpr_interval_over_examples_covers_the_tpr_at_its_threshold():
    rng, shift, n = np.random.default_rng(1), 1.5, 200
    members = np.arange(2 * n) < n
    hits = 0
    for _ in range(_SIMULATIONS):
        scores = rng.normal(size=2 * n) + shift * members
        low, high = example_intervals(roc(scores, members))["tpr_at_1e-2"]
        # 2 of 200 false alarms are allowed: the threshold is just above the third.
        third = np.sort(scores[~members])[-3]
        hits += low <= stats.norm.sf(third, shift) <= high
    assert hits / _SIMULATIONS >= _ENOUGH


@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 7), (7, 7), (3, 1000), (12_345, 50_000)])
def test_clopper_pearson_inverts_the_binomial_tails(k, n):
    low, high = clopper_pearson(k, n)
    assert stats.binom.sf(k - 1, n, low) == pytest.approx(0.025 if k else 1)
    assert stats.binom.cdf(k, n, high) == pytest.approx(0.025 if k < n else 1)
    expected = stats.binomtest(k, n).proportion_ci(method="exact")
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_auc_interval_is_delong_on_the_logit_scale():
    rng = np.random.default_rng(2)
    own = np.round(rng.normal(1, 1, 40), 1)  # rounding makes ties
    other = np.round(rng.normal(0, 1, 30), 1)
    wins = np.array([[(x > y) + 0.5 * (x == y) for y in other] for x in own])
    area = wins.mean()
    variance = wins.mean(1).var(ddof=1) / 40 + wins.mean(0).var(ddof=1) / 30
    assert any((x == other).any() for x in own)
    half = stats.norm.ppf(0.975) * np.sqrt(variance) / (area * (1 - area))
    expected = 1 / (1 + np.exp(-(np.log(area / (1 - area)) + np.array([-half, half]))))
    curve = roc(np.concatenate([own, other]), np.arange(70) < 40)
    assert auc(curve) == pytest.approx(area)
    assert example_intervals(curve)["auc"] == pytest.approx(tuple(expected))


def test_perfect_separation_is_bounded_by_the_smaller_group():
    members = np.arange(60) < 20
    for scores, expected in (
        (members * 2.0, (0.025 ** (1 / 20), 1)),
        (members * -2.0, (0, 1 - 0.025 ** (1 / 20))),
    ):
        assert example_intervals(roc(scores + np.linspace(0, 1, 60), members))[
            "auc"
        ] == pytest.approx(expected)


def test_constant_scores_give_wide_intervals_about_one_half():
    low, high = example_intervals(roc(np.zeros(200), np.arange(200) < 100))["auc"]
    assert low < 0.42
    assert high > 0.58


@pytest.mark.parametrize("num_targets", [4, 64])
def test_width_is_that_of_the_mean_of_the_targets(num_targets):
    # With targets of equal size and non-members alike, the pooled AUC is close to the mean of the
    # targets' AUCs, whose Student interval is the textbook's. Below 1/2, so that it is symmetric.
    rng = np.random.default_rng(3)
    members = np.tile(np.arange(1000) < 500, (num_targets, 1))
    scores = rng.normal(size=members.shape) + members * rng.normal(-1, 0.5, (num_targets, 1))
    curve = roc(scores.ravel(), members.ravel())
    low, high = _over_targets(scores, members)["auc"]
    own = [roc_auc_score(m, s) for m, s in zip(members, scores, strict=True)]
    expected = 2 * stats.t.ppf(0.975, num_targets - 1) * np.std(own, ddof=1) / np.sqrt(num_targets)
    assert high - low == pytest.approx(expected, rel=0.07)
    assert (high + low) / 2 == pytest.approx(auc(curve))


@pytest.mark.parametrize("kind", ["normal", "heavy", "apart", "few", "noise", "unlike"])
def test_resampled_metrics_are_those_of_all_thresholds(kind):
    # Of thousands of thresholds few are looked at (_finer): none that matters may be passed over.
    rng = np.random.default_rng(8)
    members = rng.random((5, 3000)) < 0.4
    scores = rng.normal(size=members.shape)
    scores += members * {"noise": 0, "apart": 5}.get(kind, 1)
    if kind == "heavy":
        scores = rng.standard_cauchy(members.shape) * np.where(members, 3, 1)
    elif kind == "few":
        scores = np.round(scores)
    elif kind == "unlike":
        scores += 2 * rng.normal(size=(5, 1)) * members + np.arange(5)[:, None]
    tp, fp = _alarms(scores, members)
    draws = rng.multinomial(5, np.full(5, 0.2), size=50).astype(np.float64)
    found = lib._resampled_metrics(draws, tp, fp)
    for i, draw in enumerate(draws):
        hits, alarms = draw @ tp, draw @ fp
        tpr, fpr = hits / hits[-1], alarms / alarms[-1]
        best, area = (1 + np.max(tpr - fpr)) / 2, np.diff(fpr) @ (tpr[1:] + tpr[:-1]) / 2
        assert found["balanced_accuracy"][i] == pytest.approx(best, rel=1e-14)
        assert found["auc"][i] == pytest.approx(area, rel=1e-12)
        for name, most in TPR_AT.items():
            assert found[name][i] == tpr[fpr <= most][-1]


def _alarms(scores, members):
    """True and false alarms [targets, thresholds] at every distinct score, and above all."""
    at = np.append(np.inf, np.unique(scores)[::-1])
    return (
        np.stack([(own[:, None] >= at).sum(0) for own in (s[m] for s, m in rows)]).astype(float)
        for rows in (
            list(zip(scores, members, strict=True)),
            list(zip(scores, ~members, strict=True)),
        )
    )


def test_above_one_half_an_interval_is_symmetric_on_the_logit_scale():
    rng = np.random.default_rng(7)
    members = np.tile(np.arange(400) < 200, (5, 1))
    scores = rng.normal(size=members.shape) + members * rng.normal(3, 1, (5, 1))
    curve = roc(scores.ravel(), members.ravel())
    low, high = _over_targets(scores, members)["auc"]
    assert (logit(high) + logit(low)) / 2 == pytest.approx(logit(auc(curve)))


def test_equal_targets_are_no_proof_of_certainty():
    rng = np.random.default_rng(4)
    one = rng.normal(size=400)
    members = np.tile(np.arange(400) < 200, (2, 1))
    scores = np.stack([one, one])
    curve = roc(scores.ravel(), members.ravel())
    expected = example_intervals(curve)
    for name, interval in _over_targets(scores, members).items():
        assert interval == pytest.approx(expected[name], nan_ok=True)


@pytest.mark.parametrize("shift", [0.0, 2.0, 9.0])
def test_intervals_contain_their_metric_and_stay_in_the_unit_interval(shift):
    rng = np.random.default_rng(5)
    members = rng.random((3, 400)) < 0.5
    scores = rng.normal(size=members.shape) + members * shift * np.array([[0.5], [1], [2]])
    curve = roc(scores.ravel(), members.ravel())
    for intervals in (example_intervals(curve), _over_targets(scores, members)):
        assert np.isnan(intervals["tpr_at_1e-3"]).all()  # some 600 non-members
        for name, value in metrics(curve).items():
            low, high = intervals[name]
            if name in ("tpr_at_1e-3", "tpr_at_1e-4", "tpr_at_1e-5"):
                assert np.isnan([low, high, value]).all()
            else:
                assert 0 <= low <= value <= high <= 1


def test_targets_of_which_some_have_no_members_are_resampled_without_warning():
    rng = np.random.default_rng(6)
    members = np.stack([np.zeros(40, bool), np.ones(40, bool), np.arange(40) < 15])
    scores = rng.normal(size=members.shape) + members
    scores[[0, 2], 30:] = np.nan
    low, high = _over_targets(scores, members)["auc"]
    assert 0 <= low < auc(roc(scores.ravel(), members.ravel())) < high <= 1


@pytest.mark.parametrize(("num_targets", "each"), [(1, 500), (2, 200), (8, 100), (32, 400)])
@pytest.mark.parametrize(("p", "spread"), [(0.3, 0.0), (0.05, 0.0), (0.1, 0.03), (0.9, 0.05)])
def test_the_interval_of_a_rate_holds_its_coverage(num_targets, each, p, spread):
    if num_targets == 1 and spread:
        return  # one target says nothing of others
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(_SIMULATIONS):
        trials = rng.integers(each // 2, each, num_targets)
        own = np.clip(rng.normal(p, spread, num_targets), 0, 1)
        found = rate(rng.binomial(trials, own), trials)
        hits += found.low <= p <= found.high
    assert hits / _SIMULATIONS >= _ENOUGH


def test_a_rate_is_pooled_and_never_surer_than_all_its_trials():
    found = rate(np.array([1, 2, 0]), np.array([10, 20, 0]))
    assert found.value == 0.1
    low, high = clopper_pearson(3, 30)  # the two agree exactly
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))
    alone = rate(np.array([0]), np.array([50]))
    assert (alone.value, alone.low) == (0, 0)
    assert alone.high == pytest.approx(float(clopper_pearson(0, 50)[1]))
    assert not rate(np.zeros(3, int), np.zeros(3, int)).is_known
