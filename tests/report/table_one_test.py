import dataclasses
import math

import pytest
from report import synthetic_run

from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import Results
from lira_jax.evaluation.estimate import Metric
from lira_jax.report.table_one import LINES, USES, table_one


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return Results.read(synthetic_run.write(tmp_path_factory.mktemp("runs") / "run").path)


def test_every_line_is_an_attack_and_lira_alone_makes_use_of_all():
    assert all(line.attack in ATTACKS for line in LINES)
    assert [line.attack for line in LINES if line.uses == USES] == ["lira_online"]
    # Whoever knows how hard an example is knows how hard its class is, by its shadow models.
    for line in LINES:
        if "example hardness" in line.uses:
            assert {"shadow models", "class hardness"} <= set(line.uses)
        if ATTACKS[line.attack].fewest:
            assert "shadow models" in line.uses


def test_the_attacks_that_were_made_are_in_the_papers_order_with_their_metrics(found):
    metrics = {
        **found.attacks["loss"].metrics,
        "tpr_at_1e-5": Metric(math.nan),
        "tpr_at_1e-3": Metric(0.0123),
        "balanced_accuracy": Metric(0.594),
    }
    loss = dataclasses.replace(found.attacks["loss"], metrics=metrics)
    (table,) = table_one(dataclasses.replace(found, attacks={**found.attacks, "loss": loss}))
    assert table.rows[0] == ["Yeom et al. 2018 (loss)", *["no"] * 4, "-", "1.23", "59.40"]
    assert [row[0].split("(")[1] for row in table.rows] == ["loss)", "attack_r)", "lira_online)"]
    assert table.rows[-1][1:5] == ["yes"] * 4
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.note.endswith(
        "Not made here: shokri, class_modified_entropy, sablayrolles_loss, long_fraction, "
        "watson_loss."
    )


def test_there_is_no_table_of_one_attack(found):
    one = dataclasses.replace(found, attacks={"loss": found.attacks["loss"]})
    assert table_one(one) == []
