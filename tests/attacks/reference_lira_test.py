"""The reference code's attack against loops over targets, examples and queries."""

import numpy as np
import pytest
from scipy import stats

from lira_jax.attacks.lira import lira
from lira_jax.attacks.reference_lira import reference_lira
from lira_jax.attacks.shared import blocks
from lira_jax.errors import UserError

FORMS = [(form, fixed) for form in ("online", "offline") for fixed in (False, True)]


def _naive(phi, keep, own, form, fixed):
    """Scores of one target with own phi [examples, queries]; phi and keep are those of its
    shadows."""
    num_examples, num_queries = own.shape
    lists = {}
    for bit in (True, False):
        columns = [
            [phi[m, i] for m in range(len(phi)) if keep[m, i] == bit] for i in range(num_examples)
        ]
        shortest = min(len(c) for c in columns)
        lists[bit] = np.array([c[:shortest] for c in columns])
    shared = np.std(lists[form == "online"])
    scores = []
    for i in range(num_examples):
        terms = []
        for a in range(num_queries):
            log = {}
            for bit, x in lists.items():
                sd = (shared if fixed else np.std(x[i, :, a])) + 1e-30
                log[bit] = stats.norm.logpdf(own[i, a], np.median(x[i, :, a]), sd)
            terms.append(log[True] - log[False] if form == "online" else -log[False])
        scores.append(np.mean(terms))
    return scores


def _simulated(seed, kind, shape=(11, 30, 3)):
    rng = np.random.default_rng(seed)
    if kind == "bernoulli":
        keep = rng.random(shape[:2]) < 0.5
        keep[2], keep[3], keep[7], keep[8] = True, False, True, False
    else:
        keep = rng.random(shape[:2]).argsort(0) < shape[0] // 2
    return rng.normal(rng.normal(0, 3, shape[1:]), 1, shape) + keep[:, :, None], keep


@pytest.mark.parametrize(("form", "fixed"), FORMS)
@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
def test_equals_naive_loop(form, fixed, kind, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 300)  # several blocks, the last one smaller
    phi, keep = _simulated(0, kind)
    shadows = [np.arange(11) != t for t in range(11)]
    expected = [_naive(phi[s], keep[s], phi[t], form, fixed) for t, s in enumerate(shadows)]
    np.testing.assert_allclose(
        reference_lira(phi, keep, form=form, fixed=fixed), expected, rtol=1e-10, atol=1e-10
    )
    some = reference_lira(phi, keep, [9, 4], form=form, fixed=fixed)
    np.testing.assert_allclose(some, [expected[9], expected[4]], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("form", "fixed"), FORMS)
def test_a_target_from_outside_equals_the_model_taken_out_by_hand(form, fixed):
    phi, keep = _simulated(1, "bernoulli")
    outside = reference_lira(phi[:-1], keep[:-1], observed=phi[-1:], form=form, fixed=fixed)
    np.testing.assert_allclose(
        outside, reference_lira(phi, keep, [10], form=form, fixed=fixed), rtol=1e-12
    )


def test_float32_scores_are_fitted_in_float64():
    phi, keep = _simulated(2, "balanced")
    phi = phi.astype(np.float32)
    np.testing.assert_array_equal(
        reference_lira(phi, keep), reference_lira(phi.astype(np.float64), keep)
    )


@pytest.mark.parametrize(("form", "fixed"), FORMS)
def test_a_large_constant_added_to_all_scores_costs_no_digits(form, fixed):
    phi, keep = _simulated(6, "balanced")
    moved = reference_lira(phi + 1e6, keep, form=form, fixed=fixed)
    np.testing.assert_allclose(moved, reference_lira(phi, keep, form=form, fixed=fixed), atol=1e-6)


@pytest.mark.parametrize(
    ("reference", "ours"),
    [
        (dict(form="online"), dict(form="online", variance="diagonal")),
        (dict(form="online", fixed=True), dict(form="online", variance="grand")),
        (dict(form="offline"), dict(form="density", variance="diagonal")),
        (dict(form="offline", fixed=True), dict(form="density", variance="grand")),
    ],
)
def test_equals_lira_where_nothing_is_truncated_or_deleted(reference, ours):
    """Lists of one length and a target from outside leave no difference in definition."""
    phi, keep = _simulated(3, "balanced", (12, 40, 2))
    observed = np.random.default_rng(4).normal(0, 3, (2, 40, 2))
    np.testing.assert_allclose(
        reference_lira(phi, keep, observed=observed, **reference),
        lira(phi, keep, observed=observed, centre="median", **ours),
        rtol=1e-9,
    )


def test_equal_shadow_scores_meet_the_offset_of_the_standard_deviation():
    keep = np.repeat([[True], [False]], 4, axis=0)
    score = reference_lira(np.where(keep, 2.0, 1.0), keep, observed=np.array([[2.0], [1.0]]))
    np.testing.assert_allclose(score, [[0.5e60], [-0.5e60]], rtol=1e-9)


def test_an_example_without_shadows_has_no_score_and_shortens_no_list():
    phi, keep = _simulated(5, "balanced", (6, 8, 1))
    keep[:, 3] = [False, False, True, False, False, False]
    rest = np.arange(8) != 3
    for fixed in (False, True):
        score = reference_lira(phi, keep, fixed=fixed)
        np.testing.assert_array_equal(
            score[:, rest], reference_lira(phi[:, rest], keep[:, rest], fixed=fixed)
        )
        assert np.isnan(score[:, 3]).all()  # of targets too that are not in the list
    assert np.isfinite(reference_lira(phi, keep, form="offline")).all()
    with pytest.raises(UserError, match="no example has 1 in and 1 out shadow scores"):
        reference_lira(phi[:, 3:4], keep[:, 3:4])
    with pytest.raises(UserError, match="form=one_sided: it is one of online, offline"):
        reference_lira(phi, keep, form="one_sided")
