import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.attacks.p_values import p_values
from lira_jax.attacks.selection import on_signals
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.statistics import maximum_score, of_models
from lira_jax.attacks.shared.targets import Outside
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.calibrated import accused, calibrated, statistics


def attacks(*names):
    table = {**ATTACKS, **on_signals(names, ATTACKS)}
    return [table[name] for name in names]


def test_each_statistic_is_tested_once_whatever_attacks_judge_by_it():
    names = ("lira_online", "rmia_offline", "loss", "watson_phi", "entropy", "zero_r", "shokri")
    found = [s.name for s in statistics(attacks(*names, "lira_offline@hinge", "watson@hinge"))]
    assert found == ["phi_mean", "phi", "entropy", "hinge_mean", "hinge"]


def test_the_rates_are_those_of_the_statistics_p_values():
    evidence = small_evidence(models=12)
    found = calibrated(evidence, attacks("lira_online", "maximum_score"), fdr=0.3)
    assert list(found) == ["phi_mean", "maximum_score"]
    p = p_values(evidence.signals["phi"], evidence.keep)
    assert found["phi_mean"].at["1e-2"].tpr.value == np.mean(p[evidence.keep] <= 0.01)
    assert found["phi_mean"].accusations.fdr == 0.3
    top = of_models(maximum_score, evidence.signals["logits"], evidence.labels)
    p = p_values(top, evidence.keep)
    assert found["maximum_score"].at["1e-2"].tpr.value == np.mean(p[evidence.keep] <= 0.01)


def test_targets_from_outside_are_tested_against_all_models():
    evidence = small_evidence(models=12)
    outside = with_outside_targets(evidence, 2, evidence.keep[:2])
    found = calibrated(outside, attacks("phi"))["phi"]
    phi = evidence.signals["phi"]
    p = p_values(phi, evidence.keep, observed=phi[:2])
    assert found.at["1e-2"].fpr.value == np.mean(p[~evidence.keep[:2]] <= 0.01)


def test_lists_that_are_too_short_are_left_out_aloud(capsys):
    evidence = small_evidence(models=4)  # two out models, of which one goes with each target
    assert calibrated(evidence, attacks("phi")) == {}
    assert "left out calibrated decisions on phi: no example has 2 out" in capsys.readouterr().err


def test_what_cannot_be_read_is_left_out_aloud(capsys):
    evidence = small_evidence()
    evidence.signals["phi"][3, 5] = np.nan
    found = calibrated(evidence, attacks("phi", "entropy"))
    assert list(found) == ["entropy"]
    assert "left out calibrated decisions on phi: phi of model 3" in capsys.readouterr().err


@pytest.mark.parametrize("gap", [0.0, 4.0])
def test_members_are_accused_more_often_only_where_models_know_them(gap):
    found = calibrated(small_evidence(16, 2000, gap), attacks("phi"))["phi"].at["1e-2"]
    assert found.fpr.low < 0.013
    assert (found.tpr.low > found.fpr.high) == (gap > 0)
    # The lists here are not quite normal, and a model more is in each of them than in the test.
    assert found.model_tpr == pytest.approx(found.tpr.value, abs=0.06)


@pytest.mark.parametrize(("pool", "told"), [("the same", False), ("another", True)])
def test_targets_of_another_pool_are_told_to_be_accused_too_often(pool, told, capsys):
    """Scores are means over random halves of a pool: those of one pool vary less than fresh ones,
    half of whose variance is the pool's own."""
    rng = np.random.default_rng(0)
    examples, others = 2000, 40
    ours = rng.normal(size=(examples, others))
    theirs = ours if pool == "the same" else rng.normal(size=(examples, others))

    def scores(models, values):
        weights = rng.random((models, examples, others)).argsort(-1) < others // 2
        return (weights * values).mean(-1).astype(np.float32)[..., None]

    labels, keep = np.zeros(examples, np.int32), np.zeros((16, examples), bool)
    outside = Signals({"phi": scores(4, theirs)}, labels)
    targets = Outside(outside, rng.random((4, examples)) < 0.5)
    evidence = Evidence.of_arrays(labels, keep, targets, phi=scores(16, ours))
    found = calibrated(evidence, attacks("phi"))["phi"].at["1e-2"].fpr
    note = "meant to accuse 1% of the non-members, accuses more by phi (phi:"
    assert (note in capsys.readouterr().err) == told == (found.value > 0.03)


def test_accusations_need_nobodys_membership_of_the_targets():
    evidence = small_evidence(models=16, examples=200)
    outside = with_outside_targets(evidence, 2, None)
    known = with_outside_targets(evidence, 2, evidence.keep[:2])
    found = accused(outside, attacks("lira_online", "loss", "zero_r"), 0.5)
    assert list(found) == ["phi_mean", "phi"]
    expected = calibrated(known, attacks("lira_online", "loss"), 0.5)
    for name, (who, p) in found.items():
        assert who.shape == p.shape == (2, 200)
        assert who.sum() == expected[name].accusations.accused
        assert not who.any() or p[who].max() <= 0.5
