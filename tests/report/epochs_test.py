import dataclasses
import math

from lira_jax.audit.results import EpochRow, Results
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.groups import GroupDecisions
from lira_jax.report.epochs import tables


def row(epoch, groups):
    names = ("auc", "balanced_accuracy", "tpr_at_1e-2", "tpr_at_1e-3")
    metrics = dict(zip(names, map(Estimate, (0.625, 0.6, 0.04, math.nan)), strict=True))
    return EpochRow(
        *("wbc", 4, 40, 40, metrics, epoch),
        correct=None,
        misclassified=None,
        groups=groups,
        misclassified_members=math.nan,
    )


def test_where_nothing_is_right_or_wrong_all_pairs_alone_are_shown():
    of_text = dataclasses.replace(Results((0, 1), (0, 1)), epochs=(row(3, {}), row(6, {})))
    table = tables(of_text)[0]
    assert table.title == "wbc over epochs"
    assert table.columns == ["epoch", "AUC", "bal. acc.", "TPR at 1 %", "TPR at 0.1 %"]
    assert [list(r) for r in table.rows] == [
        ["3", "0.625", "60.00", "4.00", "-"],
        ["6", "0.625", "60.00", "4.00", "-"],
    ]
    decided = {"all": GroupDecisions(0.55, 0.4, 0, *[math.nan] * 4)}
    classes = dataclasses.replace(of_text, epochs=(row(3, decided),))
    assert "acc., all" in tables(classes)[0].columns
