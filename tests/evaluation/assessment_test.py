import json

import numpy as np
import pytest

from lira_jax.evaluation.assessment import assess
from lira_jax.evaluation.summary import evaluate


@pytest.fixture(scope="module")
def simulated():
    rng = np.random.default_rng(0)
    members = rng.random((5, 300)) < 0.5
    labels = rng.integers(0, 3, 300)
    correct = rng.random(members.shape) < np.where(members, 1.0, 0.7)
    scores = rng.normal(size=members.shape) + members * (1 + labels)
    return scores, members, labels, correct


def test_groups_are_the_metrics_of_their_pairs_alone(simulated):
    scores, members, labels, correct = simulated
    found = assess(*simulated)
    assert found.summary.pooled == evaluate(scores, members).pooled
    assert found.correct.pooled["auc"] == evaluate(scores, members, correct).pooled["auc"]
    assert found.misclassified is None  # every member is classified correctly
    assert set(found.per_class) == {0, 1, 2}
    only = np.broadcast_to(labels == 2, members.shape)
    assert found.per_class[2]["auc"] == pytest.approx(evaluate(scores, members, only).pooled["auc"])
    assert found.per_class[2]["auc"] > found.per_class[0]["auc"]


def test_ratios_change_precision_but_not_the_false_alarm_rate(simulated):
    decisions = assess(*simulated).decisions
    assert decisions["5:1"]["far"] == decisions["1:5"]["far"]
    assert (
        decisions["5:1"]["precision_member"]
        > decisions["1:1"]["precision_member"]
        > decisions["1:5"]["precision_member"]
    )


def test_an_attacks_own_threshold_is_used(simulated):
    scores, members, labels, correct = simulated
    assert assess(scores, members, labels, correct, threshold=np.inf).decisions["1:1"]["far"] == 0
    assert assess(scores, members, labels, correct, threshold=-np.inf).decisions["1:1"]["far"] == 1


def test_everything_fits_json_without_nan(simulated):
    scores, members, labels, correct = simulated
    for rows in (slice(None), slice(1)):
        entry = assess(scores[rows], members[rows], labels, correct[rows]).as_dict()
        json.dumps(entry, allow_nan=False)


def test_noise_has_no_epsilon():
    rng = np.random.default_rng(1)
    members = rng.random((8, 500)) < 0.5
    found = assess(
        rng.normal(size=members.shape), members, np.zeros(500, int), np.ones(members.shape, bool)
    )
    assert found.epsilon == 0
