import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Counterparts
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit import fewer_shadows
from lira_jax.audit.number_of_shadows import check_counts, number_of_shadows
from lira_jax.audit.variants import LIRA
from lira_jax.errors import UserError
from lira_jax.evaluation.summary import evaluate


def test_each_attack_is_made_with_each_number():
    rows = number_of_shadows(small_evidence(), [4, 6])
    assert [(r.num_shadows, r.attack) for r in rows] == [(n, name) for n in (4, 6) for name in LIRA]
    assert {r.num_targets for r in rows} == {8}
    assert all(r.metrics["auc"].value > 0.5 for r in rows)


def test_of_many_targets_sixteen_are_attacked():
    rows = number_of_shadows(small_evidence(models=40, examples=30), [4])
    assert {r.num_targets for r in rows} == {16}
    assert {r.num_members + r.num_nonmembers for r in rows} == {16 * 30}


def test_examples_with_too_few_for_the_largest_number_are_left_out_of_all(capsys):
    evidence = small_evidence()
    keep = evidence.keep.copy()
    keep[:, :20] = np.arange(8)[:, None] < 2
    few = dataclasses.replace(evidence, keep=keep)
    rows = number_of_shadows(few, [4, 6])
    assert "--num_shadows=6: 20 of 120 examples have too few models in or out" in (
        capsys.readouterr().err
    )
    assert {r.num_members + r.num_nonmembers for r in rows} == {8 * 100}
    rest = number_of_shadows(few.select(np.arange(120) >= 20), [4, 6])
    assert repr(rows) == repr(rest)


@pytest.mark.parametrize("count", [-2, 0, 2, 5, 8])
def test_numbers_that_the_masks_do_not_allow_are_refused(count):
    with pytest.raises(UserError, match=f"^--num_shadows={count}: give even numbers from 4 to 6"):
        check_counts(small_evidence(), [4, count])


def test_too_few_models_have_no_curve():
    with pytest.raises(UserError, match=r"^--num_shadows: .*, of 4 models here; train more"):
        check_counts(small_evidence(models=4), [4])


@pytest.mark.parametrize("count", [4, 8])
def test_targets_from_outside_have_a_curve_and_all_shadows_are_the_attack_itself(count):
    evidence = small_evidence(examples=300)
    apart = with_outside_targets(small_evidence(examples=300, seed=1), 2, evidence.keep[:2])
    outside = dataclasses.replace(evidence, targets=apart.targets)
    for row in number_of_shadows(outside, [count]):
        assert (row.num_shadows, row.num_targets) == (count, 2)
        whole = evaluate(ATTACKS[row.attack].run(outside), outside.members).metrics["auc"].value
        # The lists are those of the attack in another order, so rounding alone may differ.
        assert (abs(row.metrics["auc"].value - whole) < 1e-6) == (count == 8)


def test_the_counterpart_of_a_target_is_none_of_its_shadows():
    evidence = small_evidence()
    own = small_evidence(seed=1).signals.of(models=np.array([5, 2]))
    evidence = dataclasses.replace(evidence, targets=Counterparts(own, np.array([5, 2])))
    tagged = np.broadcast_to(np.arange(8.0)[:, None, None], (8, 120, 1))
    for row, counterpart in enumerate((5, 2)):
        few = fewer_shadows.restrict(evidence, row, 6)
        np.testing.assert_array_equal(few.of_targets("phi")[0], own["phi"][row])
        np.testing.assert_array_equal(few.members[0], evidence.keep[counterpart])
        which = fewer_shadows.restrict(
            dataclasses.replace(evidence, signals=Signals({"phi": tagged}, evidence.labels)), row, 6
        ).signals["phi"]
        assert set(range(8)) - set(np.unique(which)) == {counterpart}
    check_counts(evidence, [4, 6])
    with pytest.raises(UserError, match="give even numbers from 4 to 6"):
        check_counts(evidence, [8])


def test_too_few_models_for_an_outside_target_are_told_without_it():
    few = small_evidence(models=2)
    outside = with_outside_targets(few, 1, np.ones((1, 120), bool))
    with pytest.raises(UserError, match=r"^--num_shadows: .* out of every example, of 2 models"):
        check_counts(outside, [4])
    check_counts(outside, [])  # nothing was asked for


def test_each_row_has_its_roc():
    for row in number_of_shadows(small_evidence(), [4]):
        assert (row.roc.fpr[0], row.roc.tpr[0], row.roc.fpr[-1], row.roc.tpr[-1]) == (0, 0, 1, 1)
        assert np.trapezoid(row.roc.tpr, row.roc.fpr) == pytest.approx(
            row.metrics["auc"].value, abs=0.01
        )
