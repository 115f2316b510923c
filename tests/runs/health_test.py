"""Models that no attack can use, models that learned nothing, and models that learned little."""

import numpy as np
import pytest
from scipy import stats

from lira_jax.runs import health
from lira_jax.runs.health import Diagnosis, Summary, diagnose

KEEP = np.arange(1000) % 2 == 0
LABELS = np.arange(1000) // 2 % 4  # a quarter of the members in each class
RNG = np.random.default_rng(0)


def predicting(predicted):
    """Outputs that differ from example to example, with these predictions."""
    return Summary(-RNG.random(len(predicted)), RNG.random(len(predicted)), np.asarray(predicted))


def right_on(members, labels=LABELS, others=1.0):
    """Outputs that are right on so many of the members, and wrong in many ways elsewhere."""
    predicted = (labels + RNG.integers(1, 4, len(labels))) % 4
    for which, share in ((KEEP, members), (~KEEP, others)):
        right = RNG.permutation(np.flatnonzero(which))[: round(which.sum() * share)]
        predicted[right] = labels[right]
    return predicting(predicted)


def rare_class(number=12, size=400):
    """Labels and members of a pool of which few examples are of class 1, half of them members."""
    labels = (np.arange(size) < number).astype(int)
    return labels, np.arange(size) % 2 == 0


@pytest.mark.parametrize("hits", [6, 5, 4])
def test_a_model_that_knows_a_few_examples_of_a_rare_class_has_learned(hits):
    labels, keep = rare_class()
    predicted = np.zeros(400, int)
    predicted[np.flatnonzero(labels.astype(bool) & keep)[:hits]] = 1
    assert np.mean(labels[keep] == 0) == 0.97  # so many are right by always guessing class 0
    assert diagnose(predicting(predicted), labels, keep) == Diagnosis()


def test_one_that_always_predicts_the_frequent_class_learned_nothing_and_has_not_diverged():
    labels, keep = rare_class()
    found = diagnose(predicting(np.zeros(400, int)), labels, keep)
    assert found.diverged is None
    assert found.learned_nothing == (
        "97.0% of its own members are predicted right, and by chance 97.0% would be"
    )


def test_few_members_are_said_to_be_too_few():
    labels = np.arange(10) % 2
    predicted = np.where(np.arange(10) < 1, 1 - labels, labels)
    found = diagnose(predicting(predicted), labels, np.ones(10, bool))
    assert found.learned_nothing == (
        "90.0% of its own members are predicted right, and by chance 50.0% would be: 10 members "
        "are too few to tell"
    )


def test_only_members_count():
    assert diagnose(right_on(0.9, others=0.0), LABELS, KEEP) == Diagnosis()
    assert diagnose(right_on(0.2, others=1.0), LABELS, KEEP).learned_nothing


def test_members_of_one_class_are_learned_when_all_are_right():
    one_class = np.zeros(1000, int)
    assert diagnose(predicting(one_class), one_class, KEEP) == Diagnosis()
    some_wrong = np.where(np.arange(1000) < 20, 1, 0)
    assert diagnose(predicting(some_wrong), one_class, KEEP).learned_nothing


def test_guesses_are_nearly_always_named_and_a_weak_model_nearly_never():
    guesses = [predicting(RNG.integers(0, 4, 1000)) for _ in range(1000)]
    named = [bool(diagnose(o, LABELS, KEEP).learned_nothing) for o in guesses]
    assert np.mean(named) > 0.99  # a normal variable exceeds three sigma with probability 0.00135
    weak = [right_on(0.4) for _ in range(300)]
    assert not any(diagnose(o, LABELS, KEEP).learned_nothing for o in weak)


@pytest.mark.parametrize("classes", [2, 5])
def test_chance_is_that_of_predictions_dealt_out_at_random(classes):
    labels = np.minimum(RNG.poisson(1, 60), classes - 1)
    predicted = np.minimum(RNG.poisson(2, 60), classes - 1)
    mean, deviation = health.by_chance(predicted, labels)
    right = [(RNG.permutation(predicted) == labels).sum() for _ in range(20_000)]
    assert mean == pytest.approx(np.mean(right), abs=4 * np.std(right) / np.sqrt(20_000))
    assert deviation == pytest.approx(np.std(right), rel=0.03)


def test_the_spread_of_two_classes_is_that_of_the_hypergeometric_distribution():
    labels, predicted = np.repeat([0, 1], [30, 10]), np.repeat([0, 1, 0], [5, 12, 23])
    mean, deviation = health.by_chance(predicted, labels)
    ones = stats.hypergeom(40, 10, 12)  # how many of those predicted 1 are; others follow
    assert mean == pytest.approx(40 - 12 - 10 + 2 * ones.mean())
    assert deviation == pytest.approx(2 * ones.std())


@pytest.mark.parametrize("predicted", [LABELS, None], ids=["logits", "no logits"])
def test_outputs_that_are_not_finite_are_counted(predicted):
    low, high = RNG.random(1000), 1 + RNG.random(1000)
    assert diagnose(Summary(low, high, predicted), LABELS, KEEP) == Diagnosis()
    low[3], high[8] = -np.inf, np.nan  # of a non-member and of a member
    found = diagnose(Summary(low, high, predicted), LABELS, KEEP)
    assert found == Diagnosis("NaN or infinite outputs on 2 examples")


def test_what_was_computed_from_the_outputs_must_be_finite_too():
    finite = np.ones(1000, bool)
    finite[7] = False
    found = diagnose(right_on(0.9), LABELS, KEEP, finite)
    assert found == Diagnosis("NaN or infinite outputs on 1 examples")


def outputs(logits):
    return diagnose(health.summarise(np.asarray(logits, np.float32), True), LABELS, KEEP)


@pytest.mark.parametrize("bias", [0.0, 1e-3, 3e7])
def test_the_same_outputs_for_all_examples_are_of_no_use(bias):
    same = bias * np.tile([0.2, 1.0, -0.5, 0.1], (1000, 1))
    assert outputs(same) == Diagnosis("the same outputs for all examples")
    rounded = same * (1 + 1e-7 * RNG.standard_normal((1000, 1)))
    assert outputs(rounded) == Diagnosis("the same outputs for all examples")
    slow = same + 1e-3 * max(bias, 1e-3) * RNG.standard_normal((1000, 4))
    assert outputs(slow).diverged is None


def test_a_saturated_model_is_not_taken_for_a_constant_one():
    assert outputs(np.eye(4)[LABELS]) == Diagnosis()


def test_masks_of_no_member_and_outputs_without_classes_say_nothing_of_learning():
    empty = np.zeros(1000, bool)
    assert diagnose(right_on(0.0, others=0.0), LABELS, empty) == Diagnosis()
    number = health.summarise(RNG.random(1000), False)
    assert number.predicted is None
    assert number.accuracy(LABELS) is None
    assert diagnose(number, LABELS, KEEP) == Diagnosis()


def test_summaries_of_parts_are_one_summary():
    logits = RNG.random((3, 10, 4))
    swept = [health.summarise(logits[0, s], True) for s in (slice(0, 6), slice(6, 10))]
    whole = health.concatenate(swept)
    for got, expected in zip(whole, health.summarise(logits[0], True), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert whole.accuracy(logits[0].argmax(-1)) == 1
    assert whole.accuracy(np.zeros(10, int), np.zeros(10, bool)) is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"diverged": None}, Diagnosis()),
        ({}, Diagnosis()),
        ({"diverged": "NaN or infinite outputs"}, Diagnosis("NaN or infinite outputs")),
        ({"diverged": None, "learned_nothing": "little"}, Diagnosis(None, "little")),
        (
            {"diverged": "accuracy 99.5% on its own members is at chance (97.0%)"},
            Diagnosis(None, "accuracy 99.5% on its own members is at chance (97.0%)"),
        ),
    ],
)
def test_what_earlier_versions_wrote_is_read(entry, expected):
    assert Diagnosis.of_entry(entry) == expected
