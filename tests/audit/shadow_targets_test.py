import dataclasses

import numpy as np
import pytest
from audit.small_evidence import CLASSES, small_evidence, with_outside_targets

from lira_jax.attacks.class_thresholds import class_thresholds
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.attacks import run_attacks
from lira_jax.audit.shadow_targets import MOST, shadow_targets
from lira_jax.evaluation.decisions import best_threshold


def run(evidence, names):
    shadows = shadow_targets(evidence)
    return run_attacks(
        evidence, ATTACKS, names, lambda *_: None, skip_failures=False, shadows=shadows
    )


def test_a_single_target_is_not_among_them():
    evidence = small_evidence(targets=[3])
    found = shadow_targets(evidence)
    others = np.delete(np.arange(8), 3)
    np.testing.assert_array_equal(found.keep, evidence.keep[others])
    np.testing.assert_array_equal(found.members, evidence.keep[others])
    np.testing.assert_array_equal(found.signals["phi"], evidence.signals["phi"][others])


def test_a_counterpart_is_not_among_them_and_all_models_are_for_a_target_from_outside():
    evidence = small_evidence()
    outputs = evidence.signals.of(models=np.array([5]))
    twin = dataclasses.replace(evidence, targets=Counterparts(outputs, np.array([5])))
    assert len(shadow_targets(twin).keep) == 7
    outside = shadow_targets(with_outside_targets(evidence, 1))
    np.testing.assert_array_equal(outside.members, evidence.keep)


def test_they_are_a_few_spread_over_the_models():
    evidence = small_evidence(models=40, targets=[0])
    found = shadow_targets(evidence)
    assert len(found.members) == MOST
    assert len(found.keep) == 39
    assert found.targets.models[[0, -1]].tolist() == [0, 38]


def test_shadows_without_members_give_no_threshold():
    evidence = small_evidence(targets=[3])
    assert shadow_targets(dataclasses.replace(evidence, keep=evidence.keep & False)) is None


@pytest.mark.parametrize("name", ["loss", "lira_offline_fixed"])
def test_a_single_target_is_decided_at_the_threshold_of_shadows(name):
    evidence = small_evidence(examples=2000, targets=[3])
    found = run(evidence, [name])[name]
    shadows = shadow_targets(evidence)
    scores = ATTACKS[name].run(shadows)
    assert found.thresholds == (best_threshold(scores, shadows.members),)
    called = ATTACKS[name].run(evidence) >= found.thresholds[0]
    assert found.decisions["1:1"].far == np.mean(called[~evidence.members])
    assert found.decisions["1:1"].balanced_accuracy > 0.55
    assert 0 < found.transferred["1e-3"].fpr.value < 0.01


def test_the_targets_own_membership_has_no_say_in_its_threshold():
    evidence = small_evidence(targets=[3])
    changed = evidence.keep.copy()
    changed[3] = ~changed[3]
    other = dataclasses.replace(evidence, keep=changed)
    first, second = (run(e, ["lira_online"])["lira_online"] for e in (evidence, other))
    assert first.thresholds == second.thresholds
    assert first.metrics["auc"] != second.metrics["auc"]


def test_an_attack_that_shadows_do_not_suffice_for_has_no_decisions(capsys):
    # With the target 3 in and 3 out models are left of each example less one; a shadow's lists lose
    # one more of each.
    evidence = small_evidence(models=6, targets=[0])
    run(evidence, ["lira_online"])
    assert "no threshold from shadow models for lira_online: " in capsys.readouterr().err


def test_one_shadow_model_on_other_data_gives_thresholds_and_teaches_attacks():
    """Hintersdorf et al. 2022: a target and a shadow whose data are disjoint."""
    whole = small_evidence(models=2, examples=1200, gap=4.0)
    half = np.arange(1200) < 600
    learning = dataclasses.replace(whole, targets=Inside(np.array([1]))).select(~half)
    target = Outside(whole.signals.of(models=np.array([0])), whole.keep[:1])
    evidence = dataclasses.replace(whole, targets=target, attack_training=learning)
    evidence = evidence.models(np.array([1])).select(half)
    evidence = dataclasses.replace(evidence, keep=evidence.keep & False)
    names = ["salem_top3", "class_entropy", "maximum_score"]
    found = run(evidence, names)
    own = ATTACKS["maximum_score"].run(evidence.attack_training)
    expected = best_threshold(own, evidence.attack_training.members)
    assert found["maximum_score"].thresholds == (expected,)
    assert found["salem_top3"].thresholds == (0,)  # a probability of one half
    shadow, members = learning.signals["logits"][1], learning.keep[1]
    limits = class_thresholds(
        statistics.entropy(shadow, learning.labels), members, learning.labels, CLASSES
    )
    own = statistics.entropy(whole.signals["logits"][0, half], whole.labels[half])
    scores = ATTACKS["class_entropy"].run(evidence)[0]
    np.testing.assert_array_equal(scores >= 0, own >= limits[whole.labels[half]])
    for name in names:
        assert found[name].metrics["auc"].value > 0.6, name
