import dataclasses

import numpy as np
import pytest

from lira_jax.evaluation import alarms
from lira_jax.evaluation.assessment import ShadowScores, assess
from lira_jax.evaluation.decisions import best_threshold
from lira_jax.evaluation.ranked import Ranked
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
    assert repr(found.metrics) == repr(evaluate(scores, members).metrics)
    assert repr(found.correct) == repr(evaluate(scores, members, correct).row("correct"))
    assert found.misclassified is None  # every member is classified correctly
    assert set(found.per_class) == {0, 1, 2}
    only = np.broadcast_to(labels == 2, members.shape)
    alone = evaluate(scores, members, only).metrics["auc"].value
    assert found.per_class[2]["auc"] == pytest.approx(alone)
    assert found.per_class[2]["auc"] > found.per_class[0]["auc"]


def test_ratios_change_precision_but_not_the_false_alarm_rate(simulated):
    decisions = assess(*simulated).decisions
    assert decisions["5:1"].far == decisions["1:5"].far
    assert (
        decisions["5:1"].precision_member
        > decisions["1:1"].precision_member
        > decisions["1:5"].precision_member
    )


def test_the_decisions_are_those_at_the_thresholds(simulated):
    scores, members, _, _ = simulated
    found = assess(*simulated)
    called = scores >= np.array(found.thresholds)[:, None]
    alarms = (called & ~members).sum() / (~members).sum()
    assert found.decisions["1:1"].far == pytest.approx(alarms)


def test_one_target_has_no_threshold_that_others_chose(simulated):
    scores, members, labels, correct = simulated
    found = assess(scores[:1], members[:1], labels, correct[:1])
    assert found.decisions is None
    assert found.thresholds is None


def test_an_attacks_own_threshold_is_used(simulated):
    scores, members, labels, correct = simulated
    assert assess(scores, members, labels, correct, threshold=np.inf).decisions["1:1"].far == 0
    assert assess(scores, members, labels, correct, threshold=-np.inf).decisions["1:1"].far == 1


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_pairs_without_a_score_are_left_out_of_everything(simulated, threshold):
    scores, members, labels, correct = (np.array(a) for a in simulated)
    left = np.random.default_rng(2).random(len(labels)) < 0.8
    expected = assess(scores[:, left], members[:, left], labels[left], correct[:, left], threshold)
    scores[:, ~left] = np.nan
    found = assess(scores, members, labels, correct, threshold)
    assert found.num_unscored == np.count_nonzero(~left)
    assert expected.num_unscored == 0
    assert repr(dataclasses.replace(found, num_unscored=0)) == repr(expected)


def test_a_class_without_scores_has_no_metrics(simulated):
    scores, members, labels, correct = (np.array(a) for a in simulated)
    scores[:, labels == labels[0]] = np.nan
    found = assess(scores, members, labels, correct).per_class
    assert found.keys() == set(np.unique(labels).tolist()) - {int(labels[0])}


def test_noise_has_no_epsilon():
    rng = np.random.default_rng(1)
    members = rng.random((8, 500)) < 0.5
    found = assess(
        rng.normal(size=members.shape), members, np.zeros(500, int), np.ones(members.shape, bool)
    )
    assert found.epsilon.value == 0


def test_what_other_targets_and_examples_say_is_there(simulated):
    scores, members, _, _ = simulated
    found = assess(*simulated, priors=(0.2,))
    decisions = alarms.decided(Ranked.of(scores, members))
    assert found.false_alarms == alarms.false_alarms(decisions, Ranked.of(scores, members))
    assert found.instability == alarms.instability(decisions, Ranked.of(scores, members))
    assert found.transferred == {}  # some 750 non-members resolve no rate of the paper
    assert found.reproducibility is None  # and 75 members of both targets have no highest 1 %
    assert not found.tnr_at_fnr.is_known
    many = [np.tile(a, 4) for a in simulated]
    found = assess(*many, priors=(0.2,))
    assert found.transferred["1e-3"].ppv.keys() == {"0.2"}
    assert found.reproducibility.pairs == 4
    assert found.tnr_at_fnr.is_known


def test_a_single_target_is_decided_at_the_thresholds_of_shadow_models(simulated):
    scores, members, labels, correct = simulated
    shadows = ShadowScores(scores[1:].copy(), members[1:])
    shadows.scores[:, :20] = np.nan
    known = ~np.isnan(shadows.scores)
    found = assess(scores[:1], members[:1], labels, correct[:1], shadows=shadows)
    threshold = best_threshold(shadows.scores[known], shadows.members[known])
    assert found.thresholds == (threshold,)
    assert found.decisions["1:1"].far == np.mean(scores[0][~members[0]] >= threshold)
    assert found.false_alarms is None
