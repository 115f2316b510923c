"""Three kinds of targets answer the same questions."""

import numpy as np
import pytest

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside

RNG = np.random.default_rng(0)
LABELS = np.arange(6) % 3
KEEP = RNG.random((4, 6)) < 0.5
PHI = RNG.normal(size=(4, 6, 2)).astype(np.float32)
THEIRS = RNG.normal(size=(2, 6, 2)).astype(np.float32)
MEMBERS = RNG.random((2, 6)) < 0.5
OUTPUTS = Signals({"phi": THEIRS}, LABELS)
KINDS = {
    "inside": Inside(np.array([3, 1])),
    "outside": Outside(OUTPUTS, MEMBERS),
    "counterparts": Counterparts(OUTPUTS, np.array([3, 1])),
}


def evidence(kind):
    return Evidence.of_arrays(LABELS, KEEP, KINDS[kind], phi=PHI)


def read(signals):
    return signals["phi"]


def test_who_is_a_member_is_what_the_kind_says():
    np.testing.assert_array_equal(evidence("inside").members, KEEP[[3, 1]])
    np.testing.assert_array_equal(evidence("counterparts").members, KEEP[[3, 1]])
    np.testing.assert_array_equal(evidence("outside").members, MEMBERS)
    assert Outside(OUTPUTS).members(KEEP) is None


def test_signals_of_the_targets():
    np.testing.assert_array_equal(evidence("inside").of_targets("phi"), PHI[[3, 1]])
    for kind in ("outside", "counterparts"):
        np.testing.assert_array_equal(evidence(kind).of_targets("phi"), THEIRS)
        np.testing.assert_allclose(
            evidence(kind).of_targets("log_confidence"),
            -np.log1p(np.exp(-THEIRS[:, :, 0].astype(float))),
        )


def test_numbers_of_targets_and_shadows():
    assert [t.number for t in KINDS.values()] == [2, 2, 2]
    assert {kind: evidence(kind).num_shadows for kind in KINDS} == {
        "inside": 3,
        "outside": 4,
        "counterparts": 3,
    }


def test_attack_functions_are_told_whom_to_leave_out_and_whom_to_judge():
    given = {kind: target.arguments(read) for kind, target in KINDS.items()}
    assert set(given["inside"]) == {"targets"}
    assert set(given["outside"]) == {"observed"}
    assert set(given["counterparts"]) == {"targets", "observed"}
    np.testing.assert_array_equal(given["counterparts"]["observed"], THEIRS)


@pytest.mark.parametrize("kind", KINDS)
def test_some_examples_are_the_columns(kind):
    for examples in (np.array([True, False, True, True, False, False]), np.array([5, 0])):
        whole, some = evidence(kind), evidence(kind).select(examples)
        np.testing.assert_array_equal(some.labels, LABELS[examples])
        np.testing.assert_array_equal(some.keep, KEEP[:, examples])
        np.testing.assert_array_equal(some.members, whole.members[:, examples])
        np.testing.assert_array_equal(some.signals["phi"], PHI[:, examples])
        np.testing.assert_array_equal(some.of_targets("phi"), whole.of_targets("phi")[:, examples])


def test_some_models_keep_the_targets_that_are_among_them():
    rows = np.array([0, 3, 2])
    inside = evidence("inside").models(rows)
    np.testing.assert_array_equal(inside.targets.models, [1])
    np.testing.assert_array_equal(inside.of_targets("phi"), PHI[[3]])
    np.testing.assert_array_equal(inside.members, KEEP[[3]])
    counterparts = evidence("counterparts").models(rows)
    np.testing.assert_array_equal(counterparts.targets.models, [1])
    np.testing.assert_array_equal(counterparts.of_targets("phi"), THEIRS[:1])
    outside = evidence("outside").models(rows)
    np.testing.assert_array_equal(outside.of_targets("phi"), THEIRS)
    np.testing.assert_array_equal(outside.signals["phi"], PHI[rows])


def test_all_models_are_attacked_without_a_copy():
    everyone = Evidence.of_arrays(LABELS, KEEP, Inside(np.arange(4)), phi=PHI)
    assert everyone.of_targets("phi") is PHI
