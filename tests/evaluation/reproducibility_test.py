import numpy as np
import pytest
from scipy import stats

from lira_jax.evaluation import reproducibility as lib
from lira_jax.evaluation.ranked import Ranked


def simulated(num_targets=5, num_examples=2000, common=1.0, seed=0):
    """Scores of which a part belongs to the example, whichever the target."""
    rng = np.random.default_rng(seed)
    members = rng.random((num_targets, num_examples)) < 0.5
    own = rng.normal(size=num_examples)
    return common * own + rng.normal(size=members.shape), members


def test_pairs_are_compared_on_what_both_trained_on():
    scores, members = simulated()
    found = lib.reproducibility(Ranked.of(scores, members), top=0.1)
    jaccards, correlations = [], []
    for t in range(4):
        both = members[t] & members[t + 1]
        a, b = scores[t, both], scores[t + 1, both]
        number = round(0.1 * both.sum())
        tops = [set(np.argsort(v)[-number:].tolist()) for v in (a, b)]
        jaccards.append(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
        correlations.append(stats.spearmanr(a, b).statistic)
    assert found.pairs == 4
    assert found.jaccard == pytest.approx(np.mean(jaccards))
    assert found.spearman == pytest.approx(np.mean(correlations))


def test_orders_that_have_nothing_in_common_are_at_chance():
    gaps = []
    for seed in range(60):
        found = lib.reproducibility(Ranked.of(*simulated(4, 2000, 0.0, seed)), top=0.1)
        gaps.append((found.jaccard - found.jaccard_by_chance, found.spearman))
    error = np.std(gaps, 0) / np.sqrt(len(gaps))
    # The index of the expected intersection, by which chance goes, is a little above the mean.
    assert (np.abs(np.mean(gaps, 0)) < 4 * error + [0.001, 0]).all()
    assert found.jaccard_by_chance == pytest.approx(0.1 / 1.9, rel=0.01)


def test_equal_orders_agree_and_only_the_order_counts():
    scores, members = simulated()
    same = np.tile(scores[0], (5, 1))
    found = lib.reproducibility(
        Ranked.of(np.exp(same * np.arange(1, 6)[:, None]), members), top=0.1
    )
    assert (found.jaccard, found.spearman) == pytest.approx((1, 1))


def test_ties_at_the_border_are_broken_by_lot():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (2, 60)).astype(float)
    sizes = []
    for _ in range(4000):
        tops = [set(np.lexsort((rng.random(60), v))[-6:].tolist()) for v in (a, b)]
        sizes.append(len(tops[0] & tops[1]))
    common = np.mean(sizes)
    expected = common / (12 - common)
    assert lib.jaccard(a, b, 0.1) == pytest.approx(expected, abs=0.01)
    constant = np.zeros(60)
    assert lib.jaccard(constant, constant, 0.1) == pytest.approx(0.1 / 1.9)


def test_scores_that_do_not_vary_have_no_rank_correlation():
    _, members = simulated()
    found = lib.reproducibility(Ranked.of(np.zeros(members.shape), members))
    assert np.isnan(found.spearman)
    assert found.support == (2000,)


def test_support_counts_targets_without_a_false_positive():
    scores, members = simulated(common=0.0)
    scores[1:4, :3] += 20
    scores[0, 5] = 50.0
    expected = np.zeros(2000, int)
    for t in range(5):
        highest = max(s for s, m in zip(scores[t], members[t], strict=True) if not m)
        expected += members[t] & (scores[t] > highest)
    np.testing.assert_array_equal(lib.support(Ranked.of(scores, members)), expected)
    found = lib.reproducibility(Ranked.of(scores, members))
    assert sum(found.support) == 2000
    assert sum(k * n for k, n in enumerate(found.support)) == expected.sum()


def test_a_missing_score_is_neither_found_nor_compared():
    scores, members = simulated()
    holes = scores.copy()
    holes[:, 1500:] = np.nan
    found = lib.reproducibility(Ranked.of(holes, members), top=0.1)
    expected = lib.reproducibility(Ranked.of(scores[:, :1500], members[:, :1500]), top=0.1)
    assert found.jaccard == expected.jaccard
    assert found.support[0] == expected.support[0] + 500


def test_too_few_common_members_or_targets_are_none():
    assert lib.reproducibility(Ranked.of(*simulated(1))) is None
    assert lib.reproducibility(Ranked.of(*simulated(4, 200))) is None
    scores, members = simulated(2)
    assert lib.reproducibility(Ranked.of(scores, np.stack([members[0], ~members[0]]))) is None
