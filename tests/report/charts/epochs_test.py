import json
import math

from lira_jax.audit.results import EpochRow
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.groups import GroupDecisions
from lira_jax.evaluation.summary import Row
from lira_jax.report.charts.epochs import charts


def row(epoch, *, known=True):
    metrics = {"tpr_at_1e-3": Estimate(epoch / 100)}
    group = GroupDecisions(0.5 + epoch / 100, 0.4, 0, *[math.nan] * 4)
    return EpochRow(
        *("lira_online", 4, 40, 40, metrics, epoch),
        correct=Row("correct", 4, 30, 30, {"tpr_at_1e-3": Estimate(0.25)}) if known else None,
        misclassified=None,
        groups={"all": group} if known else {},
        misclassified_members=7.0 - epoch,
        train_loss=0.1 if known else math.nan,
    )


def test_each_chart_has_the_curves_of_which_something_is_known():
    found = charts([row(2), row(5, known=False)])
    curves = {name: {t["name"]: t["y"] for t in chart["data"]} for name, chart in found.items()}
    assert curves == {
        "epochs-loss": {"members": [0.1, None]},
        "epochs-attack": {"all": [0.52, None]},
        "epochs-far": {"all": [0.4, None]},
        "epochs-tpr": {"all": [0.02, 0.05], "correct": [0.25, None]},
        "epochs-wrong": {"members": [5.0, 2.0]},
    }
    assert all(t["x"] == [2, 5] for chart in found.values() for t in chart["data"])
    json.dumps(found, allow_nan=False)
