import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence

from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.table import ATTACKS, on_signals
from lira_jax.audit.attacks import run_attacks
from lira_jax.errors import UserError


def refuse(evidence):
    raise UserError("too few of something")


LABELS = small_evidence().labels
TABLE = {**ATTACKS, "broken": dataclasses.replace(ATTACKS["loss"], run=refuse)}


def test_scores_are_saved_and_assessed():
    evidence, saved = small_evidence(), {}
    found = run_attacks(evidence, TABLE, ["loss", "phi"], saved.__setitem__, skip_failures=False)
    assert found.keys() == saved.keys() == {"loss", "phi"}
    np.testing.assert_array_equal(saved["phi"], evidence.signals["phi"][:, :, 0])
    scores, members = saved["loss"], evidence.members
    beats = scores[members][:, None] > scores[~members]
    ties = scores[members][:, None] == scores[~members]
    assert found["loss"].metrics["auc"].value == pytest.approx((beats + ties / 2).mean())
    right = (evidence.signals["logits"].argmax(-1) == evidence.labels) & members
    assert found["loss"].correct.num_members == right.sum()


def test_an_attack_that_cannot_be_run_is_passed_over_aloud_or_refused(capsys):
    evidence, saved = small_evidence(), {}
    names = ["broken", "loss"]
    found = run_attacks(evidence, TABLE, names, saved.__setitem__, skip_failures=True)
    assert found.keys() == saved.keys() == {"loss"}
    assert "left out broken: too few of something" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"^--attacks=broken: too few of something"):
        run_attacks(evidence, TABLE, names, saved.__setitem__, skip_failures=False)


def test_attacks_that_lack_the_same_are_one_note(capsys):
    evidence = small_evidence()
    phi = dataclasses.replace(evidence, signals=Signals({"phi": evidence.signals["phi"]}, LABELS))
    names = ["loss", "entropy", "confidence"]
    found = run_attacks(phi, TABLE, names, lambda *_: None, skip_failures=True)
    assert list(found) == ["loss"]
    notes = [x for x in capsys.readouterr().err.splitlines() if x.startswith("left out")]
    assert notes == [
        "left out entropy, confidence: it needs the signal logits, which is not saved: run "
        "lira-score --signals=phi,logits"
    ]


def test_where_no_attack_can_be_made_the_error_names_some_that_can():
    evidence = small_evidence()
    own = dataclasses.replace(evidence, signals=Signals({"mine": evidence.signals["phi"]}, LABELS))
    with pytest.raises(UserError, match=r"--attacks: none .*signal phi, .*") as caught:
        run_attacks(own, TABLE, ["loss", "phi", "entropy"], lambda *_: None, skip_failures=True)
    assert "\n" not in str(caught.value)
    advised = str(caught.value).rpartition("--attacks=")[2].split(",")
    table = {**TABLE, **on_signals(advised, TABLE)}
    assert list(run_attacks(own, table, advised, lambda *_: None, skip_failures=False)) == advised
