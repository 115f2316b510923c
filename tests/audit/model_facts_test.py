import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets
from scipy.special import softmax

from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.model_facts import model_facts
from lira_jax.evaluation.calibration import expected_calibration_error


def test_accuracy_and_calibration_are_those_of_the_targets():
    evidence = small_evidence(targets=[1, 6])
    found = model_facts(evidence)
    ece, logits = [], evidence.signals["logits"]
    for row, target in enumerate((1, 6)):
        right = logits[target].argmax(-1) == evidence.labels
        inside = evidence.keep[target]
        assert found["accuracy"].members[row] == pytest.approx(right[inside].mean())
        assert found["accuracy"].nonmembers[row] == pytest.approx(right[~inside].mean())
        own = softmax(logits[target].astype(np.float64), axis=-1).max(-1)
        ece.append(expected_calibration_error(own[~inside], right[~inside]))
    assert found["calibration"].ece == pytest.approx(np.mean(ece))
    # Models are surer of their members, so those who are called members are surest.
    assert found["calibration"].true_positives > found["calibration"].true_negatives
    assert found["calibration"].score_shift > 0


def test_confidences_are_those_of_the_softmax():
    evidence = small_evidence(targets=[1, 6])
    found = model_facts(evidence)["confidence"]
    p = softmax(evidence.signals["logits"][[1, 6]].astype(np.float64), axis=-1)
    own = p[:, np.arange(120), evidence.labels]
    wrong = p.argmax(-1) != evidence.labels
    members = evidence.members
    assert found["all"].members == pytest.approx(own[members].mean())
    assert found["misclassified"].nonmembers == pytest.approx(own[~members & wrong].mean())
    expected = p.max(-1)[~members & wrong].mean()
    assert found["misclassified"].nonmembers_predicted == pytest.approx(expected)


def test_members_are_at_higher_risk():
    evidence = small_evidence(examples=600)
    risk = model_facts(evidence, risk_scores=ATTACKS["privacy_risk"].run(evidence))["risk"]
    assert len(risk.by_class.risk) == 3
    assert all(r > 0.5 for r in risk.by_class.risk)
    assert risk.calibration.rmse < 0.1
    assert sum(risk.calibration.count) == 8 * 600


def test_what_cannot_be_known_is_left_out():
    evidence = small_evidence()
    phi = Signals({"phi": evidence.signals["phi"]}, evidence.labels)
    assert model_facts(dataclasses.replace(evidence, signals=phi)) == {}
    untrained = dataclasses.replace(evidence, keep=np.zeros_like(evidence.keep))
    apart = with_outside_targets(untrained, 2, evidence.keep[:2])
    known = {"accuracy", "calibration", "confidence", "confidence_shapes"}
    assert model_facts(apart).keys() == known
    unknown = with_outside_targets(untrained, 2)
    assert model_facts(unknown) == {}
