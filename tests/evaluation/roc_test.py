import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from lira_jax.errors import UserError
from lira_jax.evaluation import roc as roc_lib


def _naive_points(scores, members):
    """(fpr, tpr) at every distinct threshold by counting, highest threshold first."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        alarms = [s >= threshold for s in scores]
        tp = sum(a and m for a, m in zip(alarms, members, strict=True))
        fp = sum(a and not m for a, m in zip(alarms, members, strict=True))
        points.append((fp / (len(members) - sum(members)), tp / sum(members)))
    return points


def _naive_tpr_at_fpr(scores, members, fpr):
    return max(t for f, t in _naive_points(scores, members) if f <= fpr)


@st.composite
def _tied_scores(draw):
    pairs = draw(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40))
    members = np.array([m for _, m in pairs])
    hypothesis.assume(0 < members.sum() < members.size)
    return np.array([s for s, _ in pairs], np.float32), members


@hypothesis.given(_tied_scores())
def test_points_equal_counting_with_ties(case):
    scores, members = case
    curve = roc_lib.roc(scores, members)
    assert list(zip(curve.fpr, curve.tpr, strict=True)) == _naive_points(
        scores.tolist(), members.tolist()
    )


@hypothesis.given(_tied_scores())
def test_curve_equals_sklearn(case):
    scores, members = case
    curve = roc_lib.roc(scores, members)
    fpr, tpr, thresholds = metrics.roc_curve(members, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.fpr, fpr)
    np.testing.assert_allclose(curve.tpr, tpr)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert roc_lib.auc(curve) == pytest.approx(metrics.roc_auc_score(members, scores))


@hypothesis.given(_tied_scores(), st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5, 1.0]))
def test_tpr_at_fpr_is_the_step_at_the_largest_fpr_allowed(case, fpr):
    scores, members = case
    value = roc_lib.tpr_at_fpr(roc_lib.roc(scores, members), fpr)
    if fpr < 1 / np.sum(~members):
        assert np.isnan(value)
    else:
        assert value == _naive_tpr_at_fpr(scores.tolist(), members.tolist(), fpr)


@hypothesis.given(_tied_scores())
def test_negated_scores_reflect_the_curve(case):
    scores, members = case
    curve, negated = roc_lib.roc(scores, members), roc_lib.roc(-scores, members)
    np.testing.assert_allclose(negated.fpr, 1 - curve.fpr[::-1])
    np.testing.assert_allclose(negated.tpr, 1 - curve.tpr[::-1])


@hypothesis.given(_tied_scores())
def test_monotone_transform_changes_thresholds_only(case):
    scores, members = case
    curve, warped = roc_lib.roc(scores, members), roc_lib.roc(np.exp(scores) - 7, members)
    np.testing.assert_array_equal(curve.fpr, warped.fpr)
    np.testing.assert_array_equal(curve.tpr, warped.tpr)


@hypothesis.given(_tied_scores())
def test_balanced_accuracy_is_the_best_over_thresholds(case):
    scores, members = case
    best = max(
        metrics.balanced_accuracy_score(members, scores >= threshold)
        for threshold in [*np.unique(scores), np.inf]
    )
    assert roc_lib.balanced_accuracy(roc_lib.roc(scores, members)) == pytest.approx(best)


def test_fpr_of_exactly_one_nonmember_in_n_is_resolved():
    for nonmembers, fpr in (
        (100, 1e-2),
        (1000, 1e-3),
        (3000, 1e-3),
        (10_000, 1e-4),
        (100_000, 1e-5),
    ):
        allowed = round(nonmembers * fpr)
        scores = np.concatenate(
            [np.arange(nonmembers), [nonmembers - allowed - 0.5, nonmembers - allowed - 1.5]]
        )
        members = np.arange(nonmembers + 2) >= nonmembers
        curve = roc_lib.roc(scores, members)
        # The first member scores below `allowed` non-members.
        assert roc_lib.tpr_at_fpr(curve, fpr) == 0.5
        assert np.isnan(roc_lib.tpr_at_fpr(curve, np.nextafter(1 / nonmembers, 0)))


def test_higher_score_is_member():
    curve = roc_lib.roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False]))
    assert roc_lib.auc(curve) == 1
    assert roc_lib.balanced_accuracy(curve) == 1
    assert roc_lib.tpr_at_fpr(curve, 0.5) == 1


def test_binormal_closed_forms():
    rng, shift, n = np.random.default_rng(0), 1.2, 200_000
    members = np.arange(2 * n) < n
    curve = roc_lib.roc(rng.normal(size=2 * n) + shift * members, members)
    assert roc_lib.auc(curve) == pytest.approx(stats.norm.cdf(shift / np.sqrt(2)), abs=0.004)
    assert roc_lib.balanced_accuracy(curve) == pytest.approx(stats.norm.cdf(shift / 2), abs=0.004)
    expected = stats.norm.sf(stats.norm.isf(1e-2) - shift)
    assert roc_lib.tpr_at_fpr(curve, 1e-2) == pytest.approx(expected, abs=0.01)


def test_float32_thresholds_reproduce_the_counts():
    rng = np.random.default_rng(1)
    scores, members = rng.normal(size=500).astype(np.float32), rng.random(500) < 0.5
    curve = roc_lib.roc(scores, members)
    assert curve.thresholds.dtype == np.float32
    for threshold, fpr, tpr in zip(curve.thresholds, curve.fpr, curve.tpr, strict=True):
        assert np.mean(scores[members] >= threshold) == tpr
        assert np.mean(scores[~members] >= threshold) == fpr


def test_infinite_and_integer_scores_are_allowed():
    curve = roc_lib.roc(
        np.array([-np.inf, np.inf, np.inf, 0.0]), np.array([False, False, True, True])
    )
    assert list(curve.fpr) == [0, 0.5, 0.5, 1]
    assert list(curve.tpr) == [0, 0.5, 1, 1]
    assert roc_lib.auc(roc_lib.roc(np.array([0, 1]), np.array([False, True]))) == 1


@pytest.mark.parametrize(
    ("scores", "members", "message"),
    [
        ([0.0, np.nan, np.nan], [True, False, True], "with scores, got 1 and 0"),
        ([0.0, 1.0], [True, True], "got 2 and 0"),
        ([0.0, 1.0], [False, False], "got 0 and 2"),
    ],
)
def test_unusable_scores_are_a_user_error(scores, members, message):
    with pytest.raises(UserError, match=message):
        roc_lib.roc(np.array(scores), np.array(members))


def test_pairs_without_a_score_are_left_out():
    rng = np.random.default_rng(7)
    members = rng.random(300) < 0.5
    scores = np.where(rng.random(300) < 0.2, np.nan, rng.normal(size=300) + members)
    scored = ~np.isnan(scores)
    found, expected = (
        roc_lib.roc(scores, members),
        roc_lib.roc(scores[scored], members[scored]),
    )
    assert found.num_members == expected.num_members == (members & scored).sum()
    for name in ("fpr", "tpr", "thresholds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_thin_keeps_every_step_at_low_fpr_and_stays_in_budget():
    rng = np.random.default_rng(2)
    members = rng.random(20_000) < 0.5
    curve = roc_lib.roc(rng.normal(size=members.size) + members, members)
    thinned = roc_lib.thin(curve, 200)
    assert len(thinned.fpr) <= 200
    points = set(zip(curve.fpr, curve.tpr, curve.thresholds, strict=True))
    assert points.issuperset(zip(thinned.fpr, thinned.tpr, thinned.thresholds, strict=True))
    assert (thinned.fpr[0], thinned.tpr[0]) == (0, 0)
    assert (thinned.fpr[-1], thinned.tpr[-1]) == (1, 1)
    for step in range(100):
        fpr = (step + 0.5) / curve.num_nonmembers
        assert thinned.tpr[thinned.fpr <= fpr].max() == curve.tpr[curve.fpr <= fpr].max()
    gaps = np.diff(np.log(thinned.fpr[thinned.fpr > 100 / curve.num_nonmembers]))
    assert gaps.max() < 0.06  # log(10000 / 100) / 99 = 0.047, and at most one step more


@hypothesis.given(_tied_scores())
def test_thin_of_a_short_curve_keeps_its_steps(case):
    scores, members = case
    curve = roc_lib.roc(scores, members)
    thinned = roc_lib.thin(curve, 100)
    for fpr in np.linspace(0, 1, 23):
        assert thinned.tpr[thinned.fpr <= fpr].max() == curve.tpr[curve.fpr <= fpr].max()
