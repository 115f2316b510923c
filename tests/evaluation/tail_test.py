import numpy as np
import pytest
from scipy import stats

from lira_jax.evaluation.roc import roc
from lira_jax.evaluation.tail import tnr_at_fnr


def test_it_is_the_roc_step_that_loses_so_few_members():
    rng = np.random.default_rng(0)
    members = rng.random((4, 1500)) < 0.5
    scores = np.round(rng.normal(size=members.shape) + 2 * members, 2)
    found = tnr_at_fnr(scores, members, 0.01)
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
    found = tnr_at_fnr(scores, members[None]).value
    assert abs(found - stats.norm.cdf(threshold)) < 4 * error < 0.05


def test_missing_scores_and_unresolved_rates():
    rng = np.random.default_rng(2)
    members = rng.random((2, 4000)) < 0.5
    scores = rng.normal(size=members.shape) + members
    holes = np.where(np.arange(4000) < 1000, np.nan, scores)
    assert tnr_at_fnr(holes, members) == tnr_at_fnr(scores[:, 1000:], members[:, 1000:])
    assert np.isnan(tnr_at_fnr(scores[:, :900], members[:, :900]).value)
    assert np.isnan(tnr_at_fnr(scores, np.ones(members.shape, bool)).value)
