import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.evaluation import ranked as lib
from lira_jax.evaluation.ranked import Pairs, Ranked
from lira_jax.evaluation.roc import roc

SCORES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan]), st.floats())


@hypothesis.given(hnp.arrays(np.float64, (3, 7), elements=SCORES), hnp.arrays(bool, (3, 7)))
def test_ranks_are_in_the_order_of_the_scores_and_values_are_the_scores(scores, members):
    ranked = Ranked.of(scores, members)
    known = ~np.isnan(scores)
    np.testing.assert_array_equal(ranked.counted, known)
    np.testing.assert_array_equal(ranked.values[ranked.codes[known] >> 1], scores[known])
    assert ranked.values.size == np.unique(scores[known]).size
    np.testing.assert_array_equal(ranked.codes[known] & 1, members[known])


@pytest.mark.parametrize(
    "made",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: np.exp(30 * rng.normal(size=n)) * rng.choice([-1, 1], n),  # all magnitudes
        lambda rng, n: 1 + rng.normal(size=n) * 1e-14,  # of which a few thousand are distinct
        lambda rng, n: rng.integers(0, 5, n) / 3,
        lambda rng, n: np.where(
            rng.random(n) < 0.1, rng.choice([0.0, -0.0, np.inf, -np.inf], n), 2
        ),
        lambda rng, n: rng.normal(size=n).astype(np.float32),
        lambda rng, n: np.zeros(n),
    ],
)
def test_many_scores_are_sorted_as_few_are(made, monkeypatch):
    scores = made(np.random.default_rng(0), 5000)
    monkeypatch.setattr(lib, "_BLOCK", 512)  # fewer are sorted by numpy itself
    # So few have room for 51 bits of the score; with 19, some begin alike, as those of millions do.
    monkeypatch.setattr(lib, "_KEY_BITS", 32)
    found = lib.order(scores)
    assert sorted(found.tolist()) == list(range(5000))
    np.testing.assert_array_equal(scores[found], np.sort(scores))


def test_pairs_are_sorted_and_their_curve_is_that_of_the_scores():
    rng = np.random.default_rng(1)
    scores, members = np.round(rng.normal(size=(4, 50)), 1), rng.random((4, 50)) < 0.5
    ranked = Ranked.of(scores, members)
    for pairs, own, inside in zip(ranked.rows, scores, members, strict=True):
        np.testing.assert_array_equal(ranked.values[pairs.inside], np.sort(own[inside]))
        np.testing.assert_array_equal(ranked.values[pairs.outside], np.sort(own[~inside]))
        assert pairs.size == 50
        limits = np.array([0, 7, ranked.values.size], np.uint32)  # the last is above all
        at = np.append(ranked.values[limits[:2]], np.inf)
        hits, alarms = pairs.reach(limits)
        np.testing.assert_array_equal(hits, (own[inside, None] >= at).sum(0))
        np.testing.assert_array_equal(alarms, (own[~inside, None] >= at).sum(0))
    curve, expected = ranked.all().curve(), roc(scores.ravel(), members.ravel())
    np.testing.assert_array_equal(curve.fp, expected.fp)
    np.testing.assert_array_equal(curve.tp, expected.tp)
    np.testing.assert_array_equal(ranked.values[curve.thresholds[1:]], expected.thresholds[1:])
    group = rng.random(members.shape) < 0.3
    of_group = roc(scores[group], members[group])
    np.testing.assert_array_equal(ranked.among(group).all().curve().tp, of_group.tp)
    some = np.arange(50) % 3 == 0
    of_some = roc(scores[:, some].ravel(), members[:, some].ravel())
    np.testing.assert_array_equal(ranked.examples(some).all().curve().tp, of_some.tp)


def test_limits_in_ranks_decide_as_thresholds_do():
    rng = np.random.default_rng(2)
    scores = np.round(rng.normal(size=(4, 50)), 1)
    scores[0, :9] = np.nan
    ranked = Ranked.of(scores, scores > 0)
    limits = np.array([0.2, -9, 9, np.nan])  # one of the scores, below and above all, none
    called = ranked.at_least(ranked.rank_of(limits))
    np.testing.assert_array_equal(called, scores >= limits[:, None])
    np.testing.assert_array_equal(ranked.at_least(ranked.rank_of(0.25)), scores >= 0.25)


def test_more_pairs_than_32_bits_hold_get_64():
    pairs = Pairs.of(np.array([2**32, 1, 2**32 + 1], np.uint64), np.array([True, False, False]))
    assert pairs.inside.tolist() == [2**32]
    assert pairs.outside.tolist() == [1, 2**32 + 1]


def test_shapes_that_differ_are_a_user_error():
    with pytest.raises(UserError, match=r"\[targets, examples\]"):
        Ranked.of(np.zeros((2, 3)), np.zeros((2, 4), bool))
