import numpy as np
import pytest

from lira_jax.evaluation import groups


@pytest.fixture(scope="module")
def simulated():
    rng = np.random.default_rng(0)
    members = rng.random((4, 600)) < 0.4
    labels = np.minimum(rng.integers(0, 5, 600), rng.integers(0, 9, 600))
    correct = rng.random(members.shape) < np.where(members, 0.9, 0.6)
    decisions = correct ^ (rng.random(members.shape) < 0.1)
    counted = rng.random(members.shape) < 0.9
    return decisions, counted, members, labels, correct


def test_rates_equal_those_counted_class_by_class(simulated):
    decisions, counted, members, labels, correct = simulated
    found = groups.group_decisions(*simulated)
    assert tuple(found) == groups.GROUPS
    for name, where in (("all", True), ("correct", correct), ("misclassified", ~correct)):

        def rates(of, where=where & counted):
            inside, outside = (
                kind & where & (labels == of if of is not None else True)
                for kind in (members, ~members)
            )
            if min(inside.sum(), outside.sum()) < 15:
                return None
            far = decisions[outside].mean()
            return (decisions[inside].mean() + 1 - far) / 2, far

        own = found[name]
        assert (own.balanced_accuracy, own.far) == pytest.approx(rates(None))
        each = np.array([r for c in range(5) if (r := rates(c))])
        assert own.num_classes == len(each)
        assert (own.class_balanced_accuracy, own.class_far) == pytest.approx(each.mean(0).tolist())
        spreads = (own.class_balanced_accuracy_sd, own.class_far_sd)
        assert spreads == pytest.approx(each.std(0, ddof=1).tolist())
    assert 2 <= found["misclassified"].num_classes < found["correct"].num_classes


def test_an_attack_that_repeats_correctness_is_at_chance_in_both_groups(simulated):
    _, counted, members, labels, correct = simulated
    found = groups.group_decisions(correct, counted, members, labels, correct)
    assert found["all"].balanced_accuracy > 0.6
    for name in ("correct", "misclassified"):
        assert found[name].balanced_accuracy == found[name].class_balanced_accuracy == 0.5


def test_a_group_of_nothing_is_nan(simulated):
    decisions, counted, members, labels, _ = simulated
    right = np.ones(members.shape, bool)
    found = groups.group_decisions(decisions, counted, members, labels, right)["misclassified"]
    assert found.num_classes == 0
    assert np.isnan([found.balanced_accuracy, found.far, found.class_far]).all()
    assert np.isnan(groups.confidence(right, right, members, right)["misclassified"].members)


def test_confidences_are_the_groups_means(simulated):
    _, _, members, _, correct = simulated
    rng = np.random.default_rng(1)
    predicted = rng.uniform(0.5, 1, members.shape)
    label = np.where(correct, predicted, 1 - predicted)
    found = groups.confidence(label, predicted, members, correct)
    assert found["all"].members == pytest.approx(label[members].mean())
    assert found["misclassified"].nonmembers == pytest.approx(label[~members & ~correct].mean())
    assert found["misclassified"].members_predicted == pytest.approx(
        predicted[members & ~correct].mean()
    )
    assert found["correct"].members == pytest.approx(found["correct"].members_predicted)
