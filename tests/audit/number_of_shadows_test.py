import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.audit.number_of_shadows import check_counts, number_of_shadows
from lira_jax.audit.variants import LIRA
from lira_jax.errors import UserError


def test_each_attack_is_made_with_each_number():
    rows = number_of_shadows(small_evidence(), [4, 6])
    assert [(r.num_shadows, r.attack) for r in rows] == [
        (n, name) for n in (4, 6) for name in LIRA
    ]
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


def test_targets_from_outside_have_no_curve():
    evidence = small_evidence()
    outside = with_outside_targets(evidence, 1, np.ones((1, 120), bool))
    with pytest.raises(UserError, match=r"^--num_shadows: it needs targets that are models"):
        check_counts(outside, [4])
    check_counts(outside, [])  # nothing was asked for
