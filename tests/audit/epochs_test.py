"""An attack over epochs is the attack on each epoch's evidence."""

import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.attacks.table import ATTACKS
from lira_jax.audit import codec
from lira_jax.audit.attacks import run_attacks
from lira_jax.audit.epochs import over_epochs, traces
from lira_jax.audit.result_tables import epochs_csv
from lira_jax.audit.results import Results
from lira_jax.errors import UserError
from lira_jax.runs.evidence import Loaded

EPOCHS = (3, 5, 8, 9)


def read(epoch):
    evidence = small_evidence(gap=epoch / 2)
    return Loaded(evidence, list(range(8)), list(range(8)))


@pytest.fixture(scope="module")
def rows():
    logged = {(m, 5): {"test_loss": 0.1 * m, "train_accuracy": None} for m in range(8)}
    return over_epochs(read, EPOCHS, "lira_online_fixed", ATTACKS, logged)


def test_a_row_is_what_the_attack_finds_of_that_epochs_models(rows):
    assert [row.epoch for row in rows] == list(EPOCHS)
    evidence = read(3).evidence
    found = run_attacks(
        evidence, ATTACKS, ["lira_online_fixed"], lambda *_: None, skip_failures=False
    )["lira_online_fixed"]
    row = rows[0]
    for own, other in (
        (row.metrics, found.row("").metrics),
        (row.correct, found.correct),
        (row.misclassified, found.misclassified),
    ):
        assert codec.encode(own) == codec.encode(other)
    assert row.groups["all"].far == found.groups["all"].far
    wrong = evidence.signals["logits"].argmax(-1) != evidence.labels
    assert row.misclassified_members == pytest.approx((wrong & evidence.keep).sum() / 8)
    assert row.misclassified_members > 0
    assert rows[2].metrics["auc"].value > row.metrics["auc"].value


def test_what_training_logged_is_the_mean_over_targets_or_unknown(rows):
    assert rows[1].test_loss == pytest.approx(0.35)
    assert np.isnan([rows[1].train_accuracy, rows[0].test_loss]).all()


def test_epochs_come_back_from_json_and_have_a_table(rows):
    found, moved = traces(read, EPOCHS)
    assert moved.shape == (8, 120)
    results = Results((0,), (0,), attacks={"loss": _assessed()}, epochs=rows, loss_traces=found)
    again = Results.from_json(results.to_json())
    assert again.to_json() == results.to_json()
    head, *lines = epochs_csv(results).splitlines()
    assert [line.split(",")[0] for line in lines] == ["3", "5", "8", "9"]
    cells = dict(zip(head.split(","), lines[1].split(","), strict=True))
    assert float(cells["test_loss"]) == pytest.approx(0.35)
    assert float(cells["far_correct"]) == pytest.approx(rows[1].groups["correct"].far)
    assert cells["train_accuracy"] == ""
    assert epochs_csv(dataclasses.replace(results, epochs=())) == ""


def _assessed():
    evidence = read(3).evidence
    return run_attacks(evidence, ATTACKS, ["loss"], lambda *_: None, skip_failures=False)["loss"]


def test_few_epochs_have_no_quartiles_and_outside_targets_no_exposure():
    assert traces(read, EPOCHS[:3]) == (None, None)
    outside = with_outside_targets(read(5).evidence, 2)
    found, moved = traces(lambda epoch: Loaded(outside, list(range(8)), ["a", "b"]), EPOCHS)
    assert found is None
    assert moved.shape == (2, 120)


def test_unknown_membership_is_told():
    outside = with_outside_targets(read(5).evidence, 2)
    with pytest.raises(UserError, match="membership is unknown"):
        over_epochs(lambda e: Loaded(outside, [0], [0, 1]), [3], "loss", ATTACKS, {})
