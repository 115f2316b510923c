"""False-positive rates on probes are what counting gives; of probes like non-members, theirs."""

import dataclasses

import numpy as np
import pytest
from null_scores import balanced
from scipy.special import softmax

from lira_jax.attacks.network_classifier import Network
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit import probes as audit_probes
from lira_jax.evaluation.assessment import assess

CLASSES = 4


def outputs(rng, keep, gap, sharpness=1.0):
    """Labels, phi and logits of models that are `gap` surer of the examples they trained on."""
    num_models, num_examples = keep.shape
    labels = rng.integers(CLASSES, size=num_examples).astype(np.int32)
    logits = rng.normal(size=(num_examples, CLASSES)) + rng.normal(
        size=(num_models, num_examples, CLASSES)
    )
    logits[:, np.arange(num_examples), labels] += 1 + gap * keep
    logits *= sharpness
    others = np.where(np.arange(CLASSES) == labels[:, None], -np.inf, logits)
    phi = np.take_along_axis(logits, labels[None, :, None], -1)[..., 0] - np.logaddexp.reduce(
        others, -1
    )
    return labels, phi[:, :, None].astype(np.float32), logits.astype(np.float32)


def pool(num_models=8, num_examples=1500, targets=None):
    rng = np.random.default_rng(0)
    keep = balanced(rng, num_models, num_examples)
    labels, phi, logits = outputs(rng, keep, gap=2.0)
    attacked = Inside(np.arange(num_models) if targets is None else targets)
    return Evidence.of_arrays(labels, keep, attacked, phi=phi, logits=logits)


def probes_for(evidence, count=1500, sharpness=1.0):
    keep = np.zeros((len(evidence.keep), count), bool)
    labels, phi, logits = outputs(np.random.default_rng(1), keep, 0.0, sharpness)
    return Evidence.of_arrays(labels, keep, evidence.targets, phi=phi, logits=logits)


def attacked(evidence):
    return {
        name: assess(
            ATTACKS[name].run(evidence),
            evidence.members,
            evidence.labels,
            None,
            ATTACKS[name].threshold,
        )
        for name in audit_probes.ATTACKS
        if not ATTACKS[name].slow
    }


def test_probes_like_nonmembers_have_the_rate_of_nonmembers():
    """Also for offline LiRA of 3 out models an example; 7 for a probe would lower the rate."""
    evidence = pool()
    results = attacked(evidence)
    found = audit_probes.on_probes(
        probes_for(evidence), evidence, ATTACKS, results
    ).false_positive_rate
    expected = audit_probes.on_nonmembers(evidence, results).false_positive_rate
    assert set(found) == set(expected) == set(results)
    for name, rate in found.items():
        assert abs(rate.value - expected[name].value) < 4 * np.sqrt(0.25 / 1500 * 2), name


def test_rates_are_counts_at_the_thresholds_of_the_pool():
    evidence = pool(num_models=6, num_examples=300)
    results, probes = attacked(evidence), probes_for(evidence, count=100, sharpness=3.0)
    found = audit_probes.on_probes(probes, evidence, ATTACKS, results)
    top, total = [], 0.0
    for target in range(6):
        limit = results["maximum_score"].thresholds[target]
        p = np.exp(probes.signals["logits"][target].astype(np.float64))
        p /= p.sum(-1, keepdims=True)
        top.append(sum(bool(np.log(row.max()) >= limit) for row in p) / 100)
        total += p.max(-1).mean() / 6
    rate = found.false_positive_rate["maximum_score"]
    assert rate.per_target == pytest.approx(top)
    assert rate.value == pytest.approx(np.mean(top))
    assert rate.low < rate.value < rate.high
    assert found.maximum_score == pytest.approx(total)
    assert found.num_probes == 100


def test_maximum_scores_are_those_of_the_decisions():
    """Hintersdorf et al. 2022, table 3 and figure 4."""
    evidence = pool(num_models=6, num_examples=300)
    results, probes = attacked(evidence), probes_for(evidence, count=100, sharpness=3.0)
    found = audit_probes.on_probes(probes, evidence, ATTACKS, results)
    logits, limits = probes.signals["logits"], results["entropy"].thresholds
    top = softmax(logits.astype(np.float64), -1).max(-1)
    called = ATTACKS["entropy"].run(probes) >= np.array(limits)[:, None]
    rate = found.false_positive_rate["entropy"]
    means = [
        [own[which].mean() for own, which in zip(top, w, strict=True)] for w in (called, ~called)
    ]
    assert rate.score_of_positives == pytest.approx(np.mean(means[0]))
    assert rate.score_of_negatives == pytest.approx(np.mean(means[1]))
    inside = softmax(evidence.signals["logits"].astype(np.float64), -1).max(-1)
    shifts = [
        _area_between(own[member], others)
        for own, member, others in zip(inside, evidence.members, top, strict=True)
    ]
    assert found.score_shift == pytest.approx(np.mean(shifts))


def _area_between(first, second):
    """The earth mover's distance by its definition: the area between two distribution functions."""
    points = np.sort(np.concatenate([first, second]))
    below = [(values[:, None] <= points[:-1]).mean(0) for values in (first, second)]
    return np.abs(below[0] - below[1]) @ np.diff(points)


def test_a_network_on_the_top_three_learns_from_the_pool_once_and_not_from_the_probes(monkeypatch):
    evidence, fitted, fit = pool(num_models=4, num_examples=400), [], Network.fit
    monkeypatch.setattr(
        Network, "fit", lambda self, x, y: (fitted.append(len(y)), fit(self, x, y))[1]
    )
    scores = ATTACKS["salem_top3"].run(evidence)
    for source in (evidence, dataclasses.replace(evidence)):  # which knows nothing yet
        probes = dataclasses.replace(evidence.select(np.arange(50)), attack_training=source)
        unknown = dataclasses.replace(probes, keep=probes.keep & False)
        found = ATTACKS["salem_top3"].run(unknown)
        np.testing.assert_allclose(found, scores[:, :50], rtol=1e-9)
        assert len(fitted) == (4 if source is evidence else 8)


@pytest.mark.slow
def test_sure_models_raise_false_alarms():
    evidence = pool()
    results = attacked(evidence)
    rates = [
        audit_probes.on_probes(
            probes_for(evidence, sharpness=s), evidence, ATTACKS, results
        ).false_positive_rate
        for s in (0.2, 1.0, 20.0)
    ]
    for name in ("maximum_score", "entropy"):
        calm, as_trained, sure = (rate[name].value for rate in rates)
        assert calm < 0.01 < as_trained < sure
        assert sure > 0.95


def test_one_target_has_thresholds_only_where_the_attack_brings_them():
    evidence = pool(targets=np.array([2]))
    results = attacked(evidence)
    found = audit_probes.on_probes(
        probes_for(evidence), evidence, ATTACKS, results
    ).false_positive_rate
    assert set(found) == {"correctness"}
    probes = probes_for(evidence)
    right = (probes.signals["logits"][2].argmax(-1) == probes.labels).mean()
    assert found["correctness"].value == pytest.approx(right)
    assert found["correctness"].low < right < found["correctness"].high
    assert set(audit_probes.on_nonmembers(evidence, results).false_positive_rate) == {"correctness"}


def test_only_attacks_that_were_made_are_counted():
    evidence = pool(num_models=6, num_examples=200)
    results = {"loss": attacked(evidence)["loss"]}
    found = audit_probes.on_probes(probes_for(evidence), evidence, ATTACKS, results)
    assert set(found.false_positive_rate) == {"loss"}
    probes = probes_for(evidence)
    signals = {"phi": np.full((6, 1500, 1), -50, np.float32), "logits": probes.signals["logits"]}
    probes = dataclasses.replace(probes, signals=Signals(signals, probes.labels))
    assert (
        audit_probes.on_probes(probes, evidence, ATTACKS, results).false_positive_rate["loss"].value
        == 0
    )
