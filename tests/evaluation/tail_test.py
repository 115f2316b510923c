import numpy as np
import pytest
from scipy import stats

from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.roc import roc
from lira_jax.evaluation.tail import extremes, tnr_at_fnr


def test_it_is_the_roc_step_that_loses_so_few_members():
    rng = np.random.default_rng(0)
    members = rng.random((4, 1500)) < 0.5
    scores = np.round(rng.normal(size=members.shape) + 2 * members, 2)
    found = tnr_at_fnr(Ranked.of(scores, members).rows, 0.01)
    curve = roc(scores.ravel(), members.ravel())
    assert found.value == pytest.approx(1 - curve.fpr[curve.tpr >= 0.99].min())
    assert found.low < found.value < found.high


def test_two_normal_groups_have_its_closed_form():
    rng = np.random.default_rng(1)
    members = np.arange(400000) < 200000
    scores = rng.normal(size=(1, 400000)) + 3 * members
    threshold = 3 + stats.norm.ppf(1e-3)
    # The quantile of 200000 members errs by this much, which moves the TNR by the density there.
    error = np.sqrt(1e-3 / 200000) / stats.norm.pdf(threshold, 3) * stats.norm.pdf(threshold)
    found = tnr_at_fnr(Ranked.of(scores, members[None]).rows).value
    assert abs(found - stats.norm.cdf(threshold)) < 4 * error < 0.05


def test_missing_scores_and_unresolved_rates():
    rng = np.random.default_rng(2)
    members = rng.random((2, 4000)) < 0.5
    scores = rng.normal(size=members.shape) + members
    holes = np.where(np.arange(4000) < 1000, np.nan, scores)
    assert tnr_at_fnr(Ranked.of(holes, members).rows) == tnr_at_fnr(
        Ranked.of(scores[:, 1000:], members[:, 1000:]).rows
    )
    assert np.isnan(tnr_at_fnr(Ranked.of(scores[:, :900], members[:, :900]).rows).value)
    assert np.isnan(tnr_at_fnr(Ranked.of(scores, np.ones(members.shape, bool)).rows).value)


def naive_precision(scores, members, share):
    """Over all orders of equal scores alike, by many random ones."""
    rng = np.random.default_rng(0)
    right = total = 0
    for own, member in zip(scores, members, strict=True):
        known = ~np.isnan(own)
        own, member = own[known], member[known]
        size = int(share * own.size)
        total += 3000 * size
        for _ in range(3000):
            shuffled = rng.permutation(own.size)
            best = shuffled[np.argsort(-own[shuffled], kind="stable")][:size]
            right += np.count_nonzero(member[best])
    return right / total


def test_extremes_are_the_precision_of_each_target_at_either_end():
    rng = np.random.default_rng(3)
    members = rng.random((3, 400)) < 0.4
    scores = rng.normal(size=members.shape) + members + np.arange(3)[:, None]
    found = extremes(Ranked.of(scores, members).rows, 0.05)
    order = np.argsort(scores, axis=1)
    own = np.take_along_axis(members, order, 1)
    assert found.highest.value == own[:, -20:].mean()
    assert found.lowest.value == 1 - own[:, :20].mean()
    assert found.highest.low < found.highest.value < found.highest.high
    turned = extremes(
        Ranked.of(-scores, ~members).rows, 0.05
    )  # who is a member is a matter of naming
    assert (turned.highest, turned.lowest) == (found.lowest, found.highest)
    assert (
        extremes(Ranked.of(np.exp(scores), members).rows, 0.05) == found
    )  # the order alone counts


def test_equal_scores_at_the_border_count_as_if_drawn_at_random():
    rng = np.random.default_rng(4)
    members = rng.random((2, 60)) < 0.5
    scores = np.round(rng.normal(size=members.shape) + members)
    scores[0, :7] = np.nan
    found = extremes(Ranked.of(scores, members).rows, 0.15)
    assert found.highest.value == pytest.approx(naive_precision(scores, members, 0.15), abs=0.01)
    lowest = naive_precision(-scores, ~members, 0.15)
    assert found.lowest.value == pytest.approx(lowest, abs=0.01)
    constant = extremes(Ranked.of(np.zeros((2, 100)), np.arange(200).reshape(2, 100) % 4 == 0).rows)
    assert (constant.highest.value, constant.lowest.value) == (0.25, 0.75)


def test_too_few_examples_have_no_end():
    scores, members = np.arange(99.0)[None], np.arange(99)[None] < 50
    assert np.isnan(extremes(Ranked.of(scores, members).rows).highest.value)
    more = extremes(Ranked.of(np.arange(100.0)[None], np.arange(100)[None] < 50).rows)
    assert (more.highest.value, more.lowest.value) == (0, 0)
