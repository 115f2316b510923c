import json

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.evaluation.intervals import example_intervals, target_intervals
from lira_jax.evaluation.roc import metrics, roc
from lira_jax.evaluation.summary import METRICS, evaluate

_COLUMNS_OF_RESULTS_CSV = (
    "attack,num_targets,num_members,num_nonmembers,"
    "auc,balanced_accuracy,tpr_at_1e-2,tpr_at_1e-3,tpr_at_1e-4,tpr_at_1e-5,"
    "auc_low,auc_high,balanced_accuracy_low,balanced_accuracy_high,tpr_at_1e-2_low,tpr_at_1e-2_high,"
    "tpr_at_1e-3_low,tpr_at_1e-3_high,tpr_at_1e-4_low,tpr_at_1e-4_high,tpr_at_1e-5_low,tpr_at_1e-5_high"
)


def _attack(num_targets=3, num_examples=500, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((num_targets, num_examples)) < 0.5
    return rng.normal(size=members.shape) + members, members


def test_pooled_metrics_are_those_of_all_pairs():
    scores, members = _attack()
    summary = evaluate(scores, members)
    assert summary.pooled == pytest.approx(
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
            assert summary.per_target[name][target] == pytest.approx(own[name], nan_ok=True)
    assert summary.mean["auc"] == pytest.approx(np.mean(summary.per_target["auc"]))


def test_row_has_the_columns_of_results_csv_and_none_for_an_unresolved_tpr():
    scores, members = _attack(num_examples=1000)
    row = evaluate(scores, members).as_row("loss")
    assert ",".join(row) == _COLUMNS_OF_RESULTS_CSV
    assert row["attack"] == "loss"
    for name, value in row.items():  # some 1500 non-members
        assert (value is None) == ("1e-4" in name or "1e-5" in name)


def test_dict_is_strict_json():
    scores, members = _attack()
    entry = json.loads(json.dumps(evaluate(scores, members).as_dict(), allow_nan=False))
    assert entry["tpr_at_1e-5"] == {
        "value": None,
        "low": None,
        "high": None,
        "mean": None,
        "per_target": [None] * 3,
    }
    assert entry["auc"]["low"] < entry["auc"]["value"] < entry["auc"]["high"]
    assert len(entry["roc"]["fpr"]) == len(entry["roc"]["tpr"])


def test_one_target_gets_the_intervals_of_its_examples():
    scores, members = _attack(num_targets=1)
    intervals = evaluate(scores, members).intervals
    for name, expected in example_intervals(roc(scores[0], members[0])).items():
        assert intervals[name] == pytest.approx(expected, nan_ok=True)


def test_several_targets_get_the_intervals_of_targets():
    scores, members = _attack()
    scores[0] -= members[0]  # unlike the others, so that targets differ more than examples
    summary = evaluate(scores, members)
    expected = target_intervals(roc(scores.ravel(), members.ravel()), scores, members)
    assert summary.intervals["auc"] == pytest.approx(expected["auc"])
    low, high = example_intervals(roc(scores.ravel(), members.ravel()))["auc"]
    assert summary.intervals["auc"][0] < low < high < summary.intervals["auc"][1]


def test_same_input_gives_the_same_summary():
    scores, members = _attack()
    assert evaluate(scores, members).as_dict() == evaluate(scores, members).as_dict()


def test_where_of_one_group_for_all_equals_evaluating_that_group():
    scores, members = _attack()
    group = np.random.default_rng(1).random(scores.shape[1]) < 0.3
    masked = evaluate(scores, members, np.broadcast_to(group, scores.shape))
    assert masked.as_dict() == evaluate(scores[:, group], members[:, group]).as_dict()


def test_where_without_a_target_equals_leaving_it_out():
    scores, members = _attack()
    where = np.ones(scores.shape, bool)
    where[1] = False
    assert (
        evaluate(scores, members, where).as_dict()
        == evaluate(scores[[0, 2]], members[[0, 2]]).as_dict()
    )


def test_a_nan_outside_where_does_no_harm():
    scores, members = _attack()
    where = np.random.default_rng(2).random(scores.shape) < 0.5
    expected = evaluate(scores, members, where).as_dict()
    assert evaluate(np.where(where, scores, np.nan), members, where).as_dict() == expected


def test_a_target_whose_pairs_are_all_members_has_no_metrics_of_its_own():
    scores, members = _attack()
    where = np.ones(scores.shape, bool)
    where[2] = members[2]
    summary = evaluate(scores, members, where)
    assert summary.num_targets == 3
    assert np.isnan(summary.per_target["auc"]).tolist() == [False, False, True]
    assert summary.mean["auc"] == pytest.approx(np.mean(summary.per_target["auc"][:2]))


@pytest.mark.parametrize("shape", [(500,), (3, 499), (2, 500)])
def test_shapes_that_differ_are_a_user_error(shape):
    scores, members = _attack()
    with pytest.raises(UserError, match=r"\[targets, examples\]"):
        evaluate(scores, np.zeros(shape, bool))
    with pytest.raises(UserError, match=r"\[targets, examples\]"):
        evaluate(scores, members, np.zeros(shape, bool))
