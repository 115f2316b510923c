import dataclasses
import itertools

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.audit.number_of_queries import check_query_counts, nested, number_of_queries
from lira_jax.audit.variants import LIRA
from lira_jax.data.augment import query_grid
from lira_jax.errors import UserError
from lira_jax.evaluation.summary import evaluate
from lira_jax.experiment import QUERY_SHIFTS

OWN = list(QUERY_SHIFTS)


def evidence_of(queries, seed=0):
    """Models that know their members a little better in each query."""
    rng = np.random.default_rng(seed)
    plain = small_evidence(seed=seed)
    phi = rng.normal(size=(*plain.keep.shape, queries)) + plain.keep[:, :, None]
    return Evidence.of_arrays(
        plain.labels, plain.keep, Inside(np.arange(8)), phi=phi.astype(np.float32)
    )


@pytest.mark.parametrize("saved", OWN)
def test_a_smaller_grid_is_found_in_a_larger_one_in_its_own_order(saved):
    found = nested(saved)
    assert [n for n in OWN if n <= saved] == [n for n in found if n in OWN]
    for count, columns in found.items():
        assert columns[0] == 0  # the plain image
        if count in OWN:
            np.testing.assert_array_equal(query_grid(saved)[columns], query_grid(count))


def test_the_sets_are_nested():
    found = list(nested(162).values())
    assert [len(columns) for columns in found] == [1, 2, 18, 50, 98, 162]
    for small, large in itertools.pairwise(found):
        assert set(small) < set(large)


def test_shifts_without_mirror_images_and_queries_that_are_no_grid_have_what_is_sure():
    assert [len(columns) for columns in nested(25).values()] == [1, 9, 25]
    assert list(nested(10)) == [1, 10]
    assert list(nested(1)) == [1]


def test_each_count_is_the_attack_on_those_columns_of_phi_bit_for_bit():
    evidence = evidence_of(18)
    rows = number_of_queries(evidence, [1, 2, 18])
    assert [(r.num_queries, r.attack) for r in rows] == [(n, a) for n in (1, 2, 18) for a in LIRA]
    phi = evidence.signals["phi"]
    for row in rows:
        chosen = {1: [0], 2: [0, 9], 18: range(18)}[row.num_queries]
        few = Evidence.of_arrays(
            evidence.labels, evidence.keep, evidence.targets, phi=phi[:, :, list(chosen)].copy()
        )
        expected = evaluate(ATTACKS[row.attack].run(few), evidence.members, roc_points=250)
        assert (repr(row.metrics), row.roc) == (repr(expected.row("").metrics), expected.roc)


def test_all_queries_are_the_attack_itself_whoever_the_targets_are():
    evidence = evidence_of(18)
    judged = evidence.signals.of(models=np.arange(2))
    for targets in (
        evidence.targets,
        Outside(judged, evidence.keep[:2]),
        Counterparts(judged, np.arange(2)),
    ):
        against = dataclasses.replace(evidence, targets=targets)
        for row in number_of_queries(against, [18]):
            own = evaluate(ATTACKS[row.attack].run(against), against.members, roc_points=250)
            assert (repr(row.metrics), row.roc) == (repr(own.row("").metrics), own.roc)


def test_the_queries_of_outside_targets_are_those_of_the_models():
    evidence = evidence_of(18)
    inside = evidence.queries(nested(18)[2])
    apart = with_outside_targets(evidence, 3, evidence.keep[:3]).queries(nested(18)[2])
    np.testing.assert_array_equal(apart.of_targets("phi"), inside.signals["phi"][:3])


def test_other_tools_definitions_are_kept():
    evidence, table = evidence_of(2), {**ATTACKS, **COMPATIBLE["tf_privacy"]}
    for row in number_of_queries(evidence, [2], table):
        scores = table[row.attack].run(evidence)
        assert row.roc == evaluate(scores, evidence.members, roc_points=250).roc


def test_more_queries_of_independent_noise_find_more():
    rows = number_of_queries(evidence_of(18), [1, 2, 18])
    found = [r.metrics["auc"].value for r in rows if r.attack == "lira_online_fixed"]
    assert found == sorted(found)
    assert found[2] > found[0] + 0.05


def test_without_members_among_the_shadows_the_offline_attacks_remain(capsys):
    evidence = evidence_of(2)
    apart = with_outside_targets(evidence, 2, evidence.keep[:2])
    apart = dataclasses.replace(apart, keep=np.zeros_like(evidence.keep))
    rows = number_of_queries(apart, [1, 2])
    assert {row.attack for row in rows} == {"lira_offline", "lira_offline_fixed"}
    err = capsys.readouterr().err
    assert err.count("left out lira_online of --num_queries: no shadow model trained on an ex") == 1


@pytest.mark.parametrize("count", [0, -1, 3, 9, 50])
def test_counts_that_the_run_does_not_have_are_refused(count):
    with pytest.raises(UserError, match=rf"^--num_queries={count}: .* give 1, 2, 18, or"):
        check_query_counts(evidence_of(18), [1, count])
