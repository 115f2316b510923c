import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from lira_jax.attacks.class_thresholds import caveat, class_threshold_attack, class_thresholds
from lira_jax.attacks.shared import pairs
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc


def _naive_threshold(metric, members):
    """The highest of the metrics with the best balanced accuracy; None without members or
    non-members."""
    num_in = sum(members)
    num_out = len(members) - num_in
    if not num_in or not num_out:
        return None
    best, chosen = -1, None
    for threshold in sorted(metric, reverse=True):
        right_in = sum(x >= threshold for x, m in zip(metric, members, strict=True) if m)
        right_out = sum(x < threshold for x, m in zip(metric, members, strict=True) if not m)
        doubled_accuracy = right_in * num_out + right_out * num_in
        if doubled_accuracy > best:
            best, chosen = doubled_accuracy, threshold
    return chosen


def _naive_thresholds(metric, members, labels, num_classes):
    thresholds = []
    for label in range(num_classes):
        own = [i for i, other in enumerate(labels) if other == label]
        threshold = _naive_threshold([metric[i] for i in own], [members[i] for i in own])
        thresholds.append(_naive_threshold(metric, members) if threshold is None else threshold)
    return thresholds


@hypothesis.given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
    )
)
def test_thresholds_equal_trying_every_one(pairs):
    metric, members, labels = (np.array(column) for column in zip(*pairs, strict=True))
    hypothesis.assume(0 < members.sum() < len(members))
    expected = _naive_thresholds(metric.tolist(), members.tolist(), labels.tolist(), 5)
    np.testing.assert_array_equal(
        class_thresholds(metric.astype(float), members, labels, 5), expected
    )


def test_a_class_without_both_kinds_takes_the_threshold_of_all_pairs():
    metric = np.array([1.0, 2, 3, 4, 9, 9])
    members = np.array([False, False, True, True, True, True])
    np.testing.assert_array_equal(
        class_thresholds(metric, members, np.array([0, 0, 0, 0, 1, 1]), 3), [3, 3, 3]
    )


def _scores(num_models, num_examples, gap, seed=0, num_classes=3):
    """A metric with a level of its own for each class and example, raised by `gap` in members."""
    rng = np.random.default_rng(seed)
    keep = masks.draw("balanced", num_models, num_examples, seed=seed)
    labels = rng.integers(0, num_classes, num_examples)
    level = 2.0 * labels + rng.normal(0, 1, num_examples)
    return level + rng.normal(0, 1, keep.shape) + gap * keep, labels, keep


@pytest.mark.parametrize("limit", [60, 10**9])
def test_attack_equals_a_loop_over_targets_and_examples(limit):
    metric, labels, keep = _scores(6, 30, 1.0)
    targets = [4, 1]
    score = class_threshold_attack(metric, labels, keep, targets, limit=limit, seed=7)
    for row, target in enumerate(targets):
        models, examples = pairs.sample(keep, target, limit, 7)
        thresholds = _naive_thresholds(
            [metric[m, i] for m, i in zip(models, examples, strict=True)],
            [keep[m, i] for m, i in zip(models, examples, strict=True)],
            labels[examples].tolist(),
            3,
        )
        for example in range(30):
            assert score[row, example] == metric[target, example] - thresholds[labels[example]]


def test_an_outside_target_is_judged_by_all_models():
    metric, labels, keep = _scores(4, 40, 1.0)
    observed = _scores(2, 40, 1.0, seed=1)[0].astype(np.float32)
    score = class_threshold_attack(metric, labels, keep, observed=observed, limit=10**9)
    thresholds = class_thresholds(metric.ravel(), keep.ravel(), np.tile(labels, 4), 3)
    np.testing.assert_array_equal(score, observed.astype(np.float64) - thresholds[labels])


def test_the_targets_own_membership_is_not_read():
    metric, labels, keep = _scores(4, 60, 1.0)
    # Where model 1 is the partner of target 0 it stays the partner when the two exchange
    # memberships.
    apart = keep[0] != keep[1]
    exchanged = keep.copy()
    exchanged[:2, apart] ^= True
    score, score_exchanged = (
        class_threshold_attack(metric, labels, k, [0], limit=10**9) for k in (keep, exchanged)
    )
    np.testing.assert_array_equal(score, score_exchanged)


def test_class_thresholds_beat_one_threshold_where_classes_differ():
    metric, labels, keep = _scores(8, 3000, 2.0)
    by_class = class_threshold_attack(metric, labels, keep) >= 0
    global_ = class_threshold_attack(metric, np.zeros_like(labels), keep) >= 0
    assert np.mean(by_class == keep) > np.mean(global_ == keep) + 0.05


@pytest.mark.parametrize("num_models", [8, 16])
def test_pure_noise_is_at_chance(num_models):
    metric, labels, keep = _scores(num_models, 4000, 0.0, seed=3)
    score = class_threshold_attack(metric, labels, keep)
    # A binomial's standard error for pairs taken as independent; the balanced masks make it
    # smaller, not larger.
    error = 0.5 / np.sqrt(keep.size)
    assert abs(np.mean((score >= 0) == keep) - 0.5) < 4 * error
    assert abs(auc(roc(score.ravel(), keep.ravel())) - 0.5) < 4 * error


def test_a_constant_metric_calls_everybody_a_member():
    _, labels, keep = _scores(4, 20, 0.0)
    np.testing.assert_array_equal(class_threshold_attack(np.zeros((4, 20)), labels, keep), 0)


def test_too_few_models_are_refused():
    metric, labels, keep = _scores(2, 20, 0.0)
    with pytest.raises(UserError, match="num_models"):
        class_threshold_attack(metric, labels, keep)


def test_the_caveat_counts_classes_without_shadows_of_both_kinds():
    labels = np.repeat([0, 1, 2], 10)
    keep = np.zeros((6, 30), bool)
    keep[:3, :10] = True  # three in and out
    keep[:1, 10:20] = True  # one in, who goes with the target or its partner
    keep[:, 20:] = True  # none out
    assert caveat(labels, keep, 0).startswith("1 of 3 classes may have no shadow members or no ")
    assert caveat(labels, keep, 1).startswith("2 of 3 classes")
    assert caveat(labels[:10], keep[:, :10], 1) == ""
    # Shadow models on data of their own: what counts is whether they know the classes under attack.
    assert caveat(labels, keep, 0, judged=np.array([0, 0])) == ""
    assert caveat(labels, keep, 0, judged=np.array([0, 7])).startswith("1 of 2 classes may have no")
