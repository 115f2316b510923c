import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence

from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.attacks import run_attacks
from lira_jax.errors import UserError


def refuse(evidence):
    raise UserError("too few of something")


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
