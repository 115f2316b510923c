"""Deletion against refits that remove the target and its partner, in plain Python loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.attacks.shared import leave_out


def _masks(rng, kind, num_models, num_examples):
    if kind == "balanced":
        return rng.random((num_models, num_examples)).argsort(0) < num_models // 2
    pkeep = {"bernoulli": 0.5, "mostly_in": 0.95, "mostly_out": 0.05}[kind]
    return rng.random((num_models, num_examples)) < pkeep


@st.composite
def _scores(draw):
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["balanced", "bernoulli", "mostly_in", "mostly_out"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    phi = rng.normal(rng.normal(0, 10, shape[1:]), 1, shape)
    if draw(st.booleans()):
        phi = np.round(phi)  # ties, which sorted order must survive
    targets = rng.integers(shape[0], size=draw(st.integers(1, shape[0])))
    return (
        phi.astype(draw(st.sampled_from([np.float32, np.float64]))),
        _masks(rng, kind, *shape[:2]),
        targets,
    )


def _partner(column, target):
    for step in range(1, len(column)):
        model = (target + step) % len(column)
        if column[model] != column[target]:
            return model
    return -1


def _refit(phi, keep, target, example, query, bit, partner):
    """The list of one example and query without the target and its partner (None: nothing is left
    out)."""
    gone = () if target is None else (target,)
    if gone and partner:
        gone += (_partner(keep[:, example], target),)
    models = [m for m in range(len(phi)) if keep[m, example] == bit and m not in gone]
    return phi[models, example, query].astype(np.float64)


def _assert_equals_refits(phi, keep, targets, in_and_out, statistic, scale, partner):
    for bit, fast in in_and_out.items():
        for (t, i, a), value in np.ndenumerate(fast):
            target = None if targets is None else targets[t]
            scores = _refit(phi, keep, target, i, a, bit, partner)
            expected = statistic(scores)
            if np.isnan(expected):
                assert np.isnan(value)
            else:
                assert abs(value - expected) <= 1e-13 * scale


@settings(max_examples=150)
@given(_scores())
def test_partners_are_the_next_model_of_opposite_membership(scores):
    _, keep, targets = scores
    expected = [[_partner(keep[:, i], t) for i in range(keep.shape[1])] for t in targets]
    np.testing.assert_array_equal(leave_out.partners(keep, targets), expected)


@settings(max_examples=150)
@given(_scores(), st.booleans(), st.booleans())
def test_moments_by_deletion_equal_refit(scores, outside, partner):
    phi, keep, targets = scores
    targets = None if outside else targets
    m = leave_out.moments(phi, keep, targets, partner)
    largest = np.abs(phi).max() + 1
    squares = len(phi) * largest**2

    def mean(x):
        return np.mean(x) if len(x) else np.nan

    def sum_of_squares(x):
        return np.std(x) ** 2 * len(x) if len(x) else 0.0

    def check(in_and_out, statistic, scale):
        _assert_equals_refits(phi, keep, targets, in_and_out, statistic, scale, partner)

    shape = m.in_mean.shape
    counts = {True: m.in_count[..., None], False: m.out_count[..., None]}
    check({bit: np.broadcast_to(count, shape) for bit, count in counts.items()}, len, 0)
    check({True: m.in_mean, False: m.out_mean}, mean, largest)
    check({True: m.in_ss, False: m.out_ss}, sum_of_squares, squares)
    assert m.in_ss.min() >= 0
    assert m.out_ss.min() >= 0


@settings(max_examples=150)
@given(_scores(), st.booleans(), st.booleans())
def test_medians_by_deletion_equal_refit_exactly(scores, outside, partner):
    phi, keep, targets = scores
    targets = None if outside else targets
    in_median, out_median = leave_out.medians(phi, keep, targets, partner)

    def median(x):
        return np.median(x) if len(x) else np.nan

    medians = {True: in_median, False: out_median}
    _assert_equals_refits(phi, keep, targets, medians, median, 0, partner)


@pytest.mark.parametrize("num_models", [4, 8, 64, 256])
@pytest.mark.parametrize("num_examples", [60, 2000])
def test_a_partner_goes_where_examples_are_in_equally_many_training_sets(num_models, num_examples):
    rng = np.random.default_rng(num_models)
    balanced = _masks(rng, "balanced", num_models, num_examples)
    quarter = rng.random(balanced.shape).argsort(0) < num_models // 4
    odd = np.where(np.arange(num_examples) % 3, balanced, True)  # in a third
    few = balanced[:, :1]
    for keep in (balanced, ~balanced, quarter, balanced[:-1], balanced | True, odd, few):
        assert leave_out.with_partner(keep)
    for kind in ("bernoulli", "mostly_in", "mostly_out"):
        assert not leave_out.with_partner(_masks(rng, kind, num_models, num_examples))


def test_of_a_few_models_of_a_balanced_run_the_rule_is_the_one_that_leaves_less_to_tell():
    """The share of members among targets with lists of the same lengths should not vary."""
    whole = _masks(np.random.default_rng(0), "balanced", 64, 10_000)
    for few in (4, 16, 48, 60, 63):
        keep = whole[:few]
        scatter = {}
        for partner in (True, False):
            m = leave_out.moments(np.zeros((few, 10_000, 1)), keep, np.arange(few), partner)
            count = np.broadcast_to(m.in_count, keep.shape)
            pairs = np.bincount(count.ravel())
            share = np.bincount(count.ravel(), keep.ravel()) / np.maximum(pairs, 1)
            scatter[partner] = np.var(share[count])
        assert leave_out.with_partner(keep) == (scatter[True] < scatter[False])


def test_a_sum_less_the_deleted_score_is_the_sum_of_the_refit():
    rng = np.random.default_rng(0)
    phi, keep, targets = rng.normal(size=(8, 5, 2)), _masks(rng, "balanced", 8, 5), np.array([3, 0])
    for bit in (True, False):
        member = keep == bit
        models, loses = leave_out.deleted(member, targets)
        gone = phi[models, np.arange(5)] * loses[..., None]
        total = (phi * member[:, :, None]).sum(0) - gone
        for row, target in enumerate(targets):
            for i in range(5):
                away = (target, _partner(keep[:, i], target))
                left = [m for m in range(8) if member[m, i] and m not in away]
                np.testing.assert_allclose(total[row, i], phi[left, i].sum(0))


def test_an_offset_common_to_all_models_costs_no_digits():
    rng = np.random.default_rng(0)
    # Multiples of 1/1024, so that adding the offset is exact and only the moments can lose digits.
    phi = np.round(rng.normal(0, 1, (60, 20, 2)) * 1024) / 1024
    keep = _masks(rng, "balanced", 60, 20)
    targets = np.arange(60)
    plain, moved = (leave_out.moments(x, keep, targets) for x in (phi, phi + 1e6))
    np.testing.assert_allclose(moved.in_ss, plain.in_ss, rtol=1e-12)
    np.testing.assert_allclose(moved.out_ss, plain.out_ss, rtol=1e-12)


def test_deleting_the_only_outlier_leaves_the_others_spread():
    phi = np.array([50.0, 1.0, 1.5, 2.0, -1.0, 0.0, 1.0, -50.0])[:, None, None]
    keep = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)[:, None]
    m = leave_out.moments(phi, keep, np.array([0]))
    assert m.in_ss.item() == pytest.approx(0.5, rel=1e-11)
    assert m.in_mean.item() == pytest.approx(1.5, rel=1e-12)


def test_each_list_loses_one_score_whoever_the_target():
    keep = _masks(np.random.default_rng(0), "balanced", 8, 50)
    m = leave_out.moments(np.zeros((8, 50, 1)), keep, np.arange(8))
    assert np.all(m.in_count == 3)
    assert np.all(m.out_count == 3)
