import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.attacks.lira import lira
from lira_jax.attacks.selection import on_signals
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.statistic_choices import FORMS, STATISTICS, statistic_choices
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc


def area(scores, evidence):
    return auc(roc(scores.ravel(), evidence.members.ravel()))


def test_each_row_is_lira_on_the_statistic_as_one_would_write_it():
    evidence = small_evidence()
    rows = {(r.statistic, r.attack): r for r in statistic_choices(evidence)}
    assert list(rows) == [(statistic, name) for statistic in STATISTICS for name in FORMS]
    z = evidence.signals["logits"].astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    examples = np.arange(z.shape[1])
    p_y, z_y = p[:, examples, evidence.labels], z[:, examples, evidence.labels]
    others = z.copy()
    others[:, examples, evidence.labels] = -np.inf
    naive = {
        "confidence": p_y,
        "log_confidence": np.log(p_y),
        "naive_logit": np.log(p_y) - np.log(1 - p_y),
        "phi": z_y - np.log(np.exp(others).sum(-1)),
        "hinge": z_y - others.max(-1),
    }
    for (statistic, name), row in rows.items():
        form = {"lira_online": "online", "lira_offline": "one_sided"}[name]
        expected = area(lira(naive[statistic], evidence.keep, form=form), evidence)
        assert row.metrics["auc"].value == pytest.approx(expected, abs=2e-4), (statistic, name)
        assert row.roc.tpr[-1] == 1


def test_a_row_is_the_attack_on_the_plain_signal_bit_for_bit():
    evidence = small_evidence()
    phi = np.concatenate([evidence.signals["phi"], -evidence.signals["phi"]], axis=2)
    logits = evidence.signals["logits"]
    more = Evidence.of_arrays(
        evidence.labels, evidence.keep, evidence.targets, phi=phi, logits=logits
    )
    assert repr(statistic_choices(more)) == repr(statistic_choices(evidence))
    for row in statistic_choices(evidence):
        name = f"{row.attack}@{row.statistic}"
        scores = on_signals([name], ATTACKS)[name].run(evidence)
        assert row.metrics["auc"].value == area(scores, evidence)


def test_what_cannot_be_made_is_left_out_with_a_note(capsys):
    evidence = small_evidence()
    members = evidence.keep[:2]
    phi = evidence.signals["phi"]
    without = Evidence.of_arrays(evidence.labels, evidence.keep, evidence.targets, phi=phi)
    found = {row.statistic for row in statistic_choices(without)}
    assert found == {"confidence", "log_confidence", "phi"}
    assert capsys.readouterr().err.count("of --statistics: it needs the signal logits") == 4
    apart = with_outside_targets(evidence, 2, members)
    apart = dataclasses.replace(apart, keep=np.zeros_like(evidence.keep))  # disjoint masks
    assert {row.attack for row in statistic_choices(apart)} == {"lira_offline"}
    nothing = Evidence.of_arrays(evidence.labels, evidence.keep, evidence.targets, own=phi)
    with pytest.raises(UserError, match=r"^it needs the signal phi"):
        statistic_choices(nothing)
