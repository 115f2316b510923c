import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from lira_jax.errors import UserError
from lira_jax.evaluation.decisions import best_threshold, decision_metrics


def _pairs(tp, fn, fp, tn):
    decisions = [True] * tp + [False] * fn + [True] * fp + [False] * tn
    members = [True] * (tp + fn) + [False] * (fp + tn)
    return np.array(decisions), np.array(members)


@hypothesis.given(st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_metrics_equal_sklearn(counts):
    decisions, members = _pairs(*counts)
    got = decision_metrics(decisions, members)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(members, decisions)
    assert vars(got) == pytest.approx(
        {
            "accuracy": sklearn_metrics.accuracy_score(members, decisions),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(members, decisions),
            "far": 1 - recall[0],
            "precision_member": precision[1],
            "recall_member": recall[1],
            "f1_member": f1[1],
            "precision_nonmember": precision[0],
            "recall_nonmember": recall[0],
            "f1_nonmember": f1[0],
        }
    )


@hypothesis.given(
    st.lists(st.integers(0, 5), min_size=4, max_size=4),
    st.sampled_from([(5, 1), (1, 1), (1, 5), (3, 2)]),
)
def test_mix_equals_repeating_pairs(counts, mix):
    tp, fn, fp, tn = counts
    hypothesis.assume(tp + fn and fp + tn)
    members_per, nonmembers_per = mix[0] * (fp + tn), mix[1] * (tp + fn)
    repeated = _pairs(tp * members_per, fn * members_per, fp * nonmembers_per, tn * nonmembers_per)
    got = decision_metrics(*_pairs(*counts), members_per_nonmember=mix[0] / mix[1])
    assert vars(got) == pytest.approx(vars(decision_metrics(*repeated)), nan_ok=True)


def test_mix_leaves_rates_alone_and_is_the_mean_of_subsampling():
    rng = np.random.default_rng(0)
    members = np.arange(20_000) < 10_000
    decisions = rng.random(members.size) < np.where(members, 0.7, 0.5)
    mixed = vars(decision_metrics(decisions, members, members_per_nonmember=1 / 5))
    subsampled = []
    for _ in range(50):
        chosen = np.concatenate(
            [rng.choice(10_000, 2000, replace=False), np.arange(10_000, 20_000)]
        )
        subsampled.append(vars(decision_metrics(decisions[chosen], members[chosen])))
    plain = vars(decision_metrics(decisions, members))
    for name in ("far", "recall_member", "balanced_accuracy"):
        assert mixed[name] == pytest.approx(plain[name])
    for name in ("accuracy", "precision_member", "f1_nonmember"):
        assert mixed[name] == pytest.approx(np.mean([s[name] for s in subsampled]), abs=0.002)
        assert mixed[name] != pytest.approx(plain[name], abs=0.02)


def test_calling_everybody_a_member():
    got = decision_metrics(*_pairs(30, 0, 10, 0))
    assert got.accuracy == 0.75
    assert got.balanced_accuracy == 0.5
    assert got.far == got.recall_member == 1
    assert got.f1_nonmember == got.recall_nonmember == 0
    assert np.isnan(got.precision_nonmember)


def test_ratios_of_nothing_are_nan():
    got = decision_metrics(*_pairs(2, 2, 0, 0))
    assert np.isnan([got.far, got.recall_nonmember, got.balanced_accuracy]).all()
    assert got.accuracy == 0.5
    assert (
        np.isnan(
            list(vars(decision_metrics(*_pairs(2, 2, 0, 0), members_per_nonmember=1)).values())
        ).sum()
        >= 4
    )
    assert np.isnan(list(vars(decision_metrics(*_pairs(0, 0, 0, 0))).values())).all()


def test_targets_are_pooled():
    rng = np.random.default_rng(1)
    decisions, members = rng.random((4, 50)) < 0.5, rng.random((4, 50)) < 0.5
    assert decision_metrics(decisions, members) == decision_metrics(
        decisions.ravel(), members.ravel()
    )


@pytest.mark.parametrize("mix", [0, -1, np.inf, np.nan])
def test_impossible_mix_is_a_user_error(mix):
    with pytest.raises(UserError, match="members_per_nonmember"):
        decision_metrics(*_pairs(1, 1, 1, 1), members_per_nonmember=mix)


def test_shapes_that_differ_are_a_user_error():
    with pytest.raises(UserError, match="one shape"):
        decision_metrics(np.zeros((2, 3), bool), np.zeros(6, bool))


@hypothesis.given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_best_threshold_has_the_best_balanced_accuracy(pairs):
    scores, members = np.array([s for s, _ in pairs], float), np.array([m for _, m in pairs])
    hypothesis.assume(0 < members.sum() < members.size)

    def accuracy(threshold):
        return decision_metrics(scores >= threshold, members).balanced_accuracy

    best = max(map(accuracy, [*scores, np.inf]))
    assert accuracy(best_threshold(scores, members)) == pytest.approx(best)


def test_best_threshold_of_float32_scores_includes_its_own_score():
    scores = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    members = np.array([False, False, True, True])
    assert ((scores >= best_threshold(scores, members)) == members).all()
