import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.attacks.lira import lira
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.ablation import ROWS, ablation
from lira_jax.evaluation.roc import auc, roc


def test_the_rows_are_those_of_the_table_in_its_order():
    evidence = small_evidence()
    rows = ablation(evidence)
    assert [row.attack for row in rows] == [name for name, _ in ROWS]
    assert len(rows) == 13 + 2
    starts = [i for i, row in enumerate(rows) if row.attack == "LOSS attack"]
    assert starts == [0, 3, 8]  # global, offline, online
    for row, attack in ((7, "lira_offline"), (12, "lira_online"), (6, None)):
        scores = (
            ATTACKS[attack].run(evidence)
            if attack
            else lira(evidence.signals["phi"][:, :, 0], evidence.keep, form="one_sided")
        )
        expected = auc(roc(scores.ravel(), evidence.members.ravel()))
        assert rows[row].metrics["auc"].value == pytest.approx(expected)
    assert rows[7].attack == "+ multiple queries (offline LiRA)"
    loss = ATTACKS["loss"].run(evidence)
    for row, form in ((13, "one_sided"), (14, "online")):
        scores = lira(loss, evidence.keep, form=form)
        expected = auc(roc(scores.ravel(), evidence.members.ravel()))
        assert rows[row].attack.startswith("Gaussian without logit scaling")
        assert rows[row].metrics["auc"].value == pytest.approx(expected)


def test_rows_that_cannot_be_made_are_left_out_with_a_note(capsys):
    evidence = small_evidence()
    members = evidence.keep[:2]
    apart = with_outside_targets(evidence, 2, members)
    apart = dataclasses.replace(apart, keep=np.zeros_like(evidence.keep))  # disjoint masks
    rows = ablation(apart)
    assert [row.attack for row in rows] == [name for name, _ in (*ROWS[:9], ROWS[13])]
    assert capsys.readouterr().err.count("left out the ablation's row") == 5
