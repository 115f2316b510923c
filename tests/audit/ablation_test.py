import pytest
from audit.small_evidence import small_evidence

from lira_jax.attacks.table import ABLATION, ATTACKS
from lira_jax.audit.ablation import ablation
from lira_jax.evaluation.roc import auc, roc


def test_the_rows_are_those_of_the_table_and_the_last_is_the_attack_itself():
    evidence = small_evidence()
    rows = ablation(evidence)
    assert [row.attack for row in rows] == [name for name, _ in ABLATION]
    scores = ATTACKS["lira_offline"].run(evidence)
    expected = auc(roc(scores.ravel(), evidence.members.ravel()))
    assert rows[-1].attack == "+ multiple queries (offline LiRA)"
    assert rows[-1].metrics["auc"].value == pytest.approx(expected)
