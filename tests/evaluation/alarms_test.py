import numpy as np
import pytest
from scipy import stats

from lira_jax.evaluation import alarms
from lira_jax.evaluation.ranked import Ranked


def simulated(num_targets=40, num_examples=3000, gap=1.0, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((num_targets, num_examples)) < 0.5
    own = offset * rng.normal(size=num_examples)
    return own + rng.normal(size=members.shape) + gap * members, members


def naive(decisions, members):
    """never and top, example by example; 5 % of the examples is a whole number."""
    counts = sorted(
        (sum(d and not m for d, m in zip(own, is_in, strict=True)))
        for own, is_in in zip(decisions.T.tolist(), members.T.tolist(), strict=True)
    )
    top = counts[len(counts) - len(counts) // 20 :]
    return sum(c == 0 for c in counts) / len(counts), sum(top) / sum(counts)


@pytest.mark.parametrize("offset", [0.0, 1.0, 5.0])
def test_the_shares_equal_those_counted_one_by_one(offset):
    scores, members = simulated(offset=offset)
    decisions = alarms.decided(Ranked.of(scores, members))
    assert np.mean(decisions[~members]) == pytest.approx(0.01, abs=1e-4)
    found = alarms.false_alarms(decisions, Ranked.of(scores, members))
    assert (found.never, found.top) == pytest.approx(naive(decisions, members))


def test_equal_examples_are_as_equal_as_chance_has_it():
    never, top = [], []
    for seed in range(30):
        scores, members = simulated(seed=seed)
        found = alarms.false_alarms(
            alarms.decided(Ranked.of(scores, members)), Ranked.of(scores, members)
        )
        never.append(found.never - found.never_if_equal)
        top.append(found.top - found.top_if_equal)
    for gaps in (never, top):
        assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))
    scores, members = simulated(offset=5.0)
    unequal = alarms.false_alarms(
        alarms.decided(Ranked.of(scores, members)), Ranked.of(scores, members)
    )
    assert unequal.never > unequal.never_if_equal + 0.1
    assert unequal.top > 2 * unequal.top_if_equal


def test_what_equal_examples_would_give_is_the_binomial():
    # Two targets that trained on nothing, an FPR of 1/4: 9/16 of the examples raise none.
    scores = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    found = alarms.false_alarms(scores > 0, Ranked.of(scores, np.zeros((2, 4), bool)))
    assert (found.never, found.never_if_equal) == pytest.approx((0.75, 9 / 16))
    # The top 5 % have two alarms each (1/16 of the examples do): .1 of .5 alarms an example.
    assert (found.top, found.top_if_equal) == pytest.approx((0.2, 0.2))


def test_pairs_without_a_score_do_not_count():
    scores, members = simulated()
    missing = np.random.default_rng(1).random(scores.shape) < 0.3
    missing[:, :60] = True
    holes = np.where(missing, np.nan, scores)
    decisions = alarms.decided(Ranked.of(holes, members))
    assert not decisions[missing].any()
    assert np.mean(decisions[~members & ~missing]) == pytest.approx(0.01, abs=2e-4)
    found = alarms.false_alarms(decisions, Ranked.of(holes, members))
    left = [m[:, 60:] for m in (decisions, members | missing)]
    assert (found.never, found.top) == pytest.approx(naive(*left))
    flips = alarms.instability(decisions, Ranked.of(holes, members))
    expected = alarms.flip(decisions, members & ~missing)
    assert np.isnan(expected[:60]).all()
    assert flips.mean == pytest.approx(np.nanmean(expected))


def test_flip_is_the_chance_that_two_targets_disagree():
    rng = np.random.default_rng(0)
    decisions, counted = rng.random((7, 50)) < 0.4, rng.random((7, 50)) < 0.6
    found = alarms.flip(decisions, counted)
    for i in range(50):
        own = decisions[counted[:, i], i]
        pairs = [a != b for k, a in enumerate(own) for b in own[k + 1 :]]
        assert found[i] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


def test_instability_of_examples_that_are_called_with_one_chance():
    # Two draws of a coin that says yes with probability f differ with probability 2 f (1 - f).
    scores, members = simulated(gap=1.5)
    decisions = alarms.decided(Ranked.of(scores, members))
    found = alarms.instability(decisions, Ranked.of(scores, members))
    chance = stats.norm.sf(stats.norm.isf(0.01), 1.5)
    assert found.mean == pytest.approx(2 * chance * (1 - chance), rel=0.05)
    flips = alarms.flip(decisions, members)
    assert found.ever == np.mean(flips > 0)
    assert found.quantiles[0] == np.median(flips)
    assert found.quantiles[-1] <= flips.max()


def test_what_cannot_be_known_is_none():
    scores, members = simulated(num_targets=1, num_examples=90)
    assert alarms.decided(Ranked.of(scores, members)) is None
    scores, members = simulated(num_targets=1)
    decisions = alarms.decided(Ranked.of(scores, members))
    assert alarms.false_alarms(decisions, Ranked.of(scores, members)) is None
    assert alarms.instability(decisions, Ranked.of(scores, members)) is None
    constant = np.zeros((4, 500))
    members = np.arange(500) < np.full((4, 1), 250)
    decisions = alarms.decided(Ranked.of(constant, members))
    assert alarms.false_alarms(decisions, Ranked.of(constant, members)) is None
    assert alarms.instability(decisions, Ranked.of(constant, members)).mean == 0
