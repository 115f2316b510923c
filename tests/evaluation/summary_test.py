import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.evaluation.intervals import example_intervals, target_intervals
from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.roc import metrics, roc
from lira_jax.evaluation.summary import METRICS, evaluate


def _attack(num_targets=3, num_examples=500, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((num_targets, num_examples)) < 0.5
    return rng.normal(size=members.shape) + members, members


def test_pooled_metrics_are_those_of_all_pairs():
    scores, members = _attack()
    summary = evaluate(scores, members)
    assert {name: found.value for name, found in summary.metrics.items()} == pytest.approx(
        metrics(roc(scores.ravel(), members.ravel())), nan_ok=True
    )
    assert summary.num_targets == 3
    assert summary.num_members == members.sum()
    assert summary.num_members + summary.num_nonmembers == members.size


def test_per_target_metrics_are_each_targets_own():
    scores, members = _attack()
    summary = evaluate(scores, members)
    for target in range(3):
        own = metrics(roc(scores[target], members[target]))
        for name in METRICS:
            assert summary.metrics[name].per_target[target] == pytest.approx(own[name], nan_ok=True)
    assert summary.metrics["auc"].mean == pytest.approx(np.mean(summary.metrics["auc"].per_target))


def test_a_row_keeps_the_metrics_of_all_pairs_and_an_unresolved_tpr_is_nan():
    scores, members = _attack(num_examples=1000)
    summary = evaluate(scores, members)
    row = summary.row("loss")
    assert (row.attack, row.num_targets) == ("loss", 3)
    assert (row.num_members, row.num_nonmembers) == (members.sum(), (~members).sum())
    assert list(row.metrics) == list(METRICS)
    for name, found in row.metrics.items():  # some 1500 non-members
        assert found.is_known == found.has_interval == (name not in ("tpr_at_1e-4", "tpr_at_1e-5"))
        assert vars(found).items() <= vars(summary.metrics[name]).items()


def test_the_curve_is_the_thinned_roc_of_all_pairs():
    scores, members = _attack()
    whole = roc(scores.ravel(), members.ravel())
    curve = evaluate(scores, members, roc_points=50).roc
    assert len(curve.fpr) == len(curve.tpr) <= 50
    assert set(zip(curve.fpr, curve.tpr, strict=True)) <= set(
        zip(whole.fpr.tolist(), whole.tpr.tolist(), strict=True)
    )


def test_one_target_gets_the_intervals_of_its_examples():
    scores, members = _attack(num_targets=1)
    found = evaluate(scores, members).metrics
    for name, expected in example_intervals(roc(scores[0], members[0])).items():
        assert (found[name].low, found[name].high) == pytest.approx(expected, nan_ok=True)


def test_several_targets_get_the_intervals_of_targets():
    scores, members = _attack()
    scores[0] -= members[0]  # unlike the others, so that targets differ more than examples
    summary = evaluate(scores, members)
    ranked = Ranked.of(scores, members)
    expected = target_intervals(ranked.all().curve(), ranked.rows)
    own = summary.metrics["auc"]
    assert (own.low, own.high) == pytest.approx(expected["auc"])
    low, high = example_intervals(roc(scores.ravel(), members.ravel()))["auc"]
    assert own.low < low < high < own.high


def test_same_input_gives_the_same_summary():
    scores, members = _attack()
    assert repr(evaluate(scores, members)) == repr(evaluate(scores, members))


def test_where_of_one_group_for_all_equals_evaluating_that_group():
    scores, members = _attack()
    group = np.random.default_rng(1).random(scores.shape[1]) < 0.3
    masked = evaluate(scores, members, np.broadcast_to(group, scores.shape))
    assert repr(masked) == repr(evaluate(scores[:, group], members[:, group]))


def test_where_without_a_target_equals_leaving_it_out():
    scores, members = _attack()
    where = np.ones(scores.shape, bool)
    where[1] = False
    left = evaluate(scores[[0, 2]], members[[0, 2]])
    assert repr(evaluate(scores, members, where)) == repr(left)


def test_a_nan_outside_where_does_no_harm():
    scores, members = _attack()
    where = np.random.default_rng(2).random(scores.shape) < 0.5
    expected = repr(evaluate(scores, members, where))
    assert repr(evaluate(np.where(where, scores, np.nan), members, where)) == expected


def test_a_pair_without_a_score_does_not_count():
    scores, members = _attack()
    scored = np.random.default_rng(3).random(scores.shape) < 0.5
    expected = repr(evaluate(scores, members, scored))
    assert repr(evaluate(np.where(scored, scores, np.nan), members)) == expected
    with pytest.raises(UserError, match="got 0 and 0"):
        evaluate(np.full(scores.shape, np.nan), members)


def test_a_target_whose_pairs_are_all_members_has_no_metrics_of_its_own():
    scores, members = _attack()
    where = np.ones(scores.shape, bool)
    where[2] = members[2]
    summary = evaluate(scores, members, where)
    assert summary.num_targets == 3
    assert np.isnan(summary.metrics["auc"].per_target).tolist() == [False, False, True]
    assert summary.metrics["auc"].mean == pytest.approx(
        np.mean(summary.metrics["auc"].per_target[:2])
    )


@pytest.mark.parametrize("shape", [(500,), (3, 499), (2, 500)])
def test_shapes_that_differ_are_a_user_error(shape):
    scores, members = _attack()
    with pytest.raises(UserError, match=r"\[targets, examples\]"):
        evaluate(scores, np.zeros(shape, bool))
    with pytest.raises(UserError, match=r"\[targets, examples\]"):
        evaluate(scores, members, np.zeros(shape, bool))
