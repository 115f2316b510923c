import json
import math

import pytest

from lira_jax.audit.results import QueryRow, ShadowRow
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.summary import METRICS
from lira_jax.report.charts.leakage import Point, query_curve, shadow_curve, trade_off

FIELDS = ("attack", "num_targets", "num_members", "num_nonmembers", "metrics")


def row(attack, num_shadows, *auc):
    metrics = {**dict.fromkeys(METRICS, Estimate(math.nan)), "auc": Estimate(*auc)}
    return ShadowRow(attack, 2, 10, 10, metrics, num_shadows)


def test_each_attack_is_a_curve_with_its_intervals():
    rows = [row("a", 4, 0.6, 0.5, 0.65), row("b", 4, math.nan), row("a", 8, 0.7)]
    chart = shadow_curve(rows, "auc")
    (curve,) = chart["data"]  # b has no value anywhere
    assert (curve["name"], curve["x"], curve["y"]) == ("a", [4, 8], [0.6, 0.7])
    assert curve["error_y"]["array"] == pytest.approx([0.05, 0])
    assert curve["error_y"]["arrayminus"] == pytest.approx([0.1, 0])
    assert chart["layout"]["xaxis"]["tickvals"] == [4, 8]
    assert json.loads(json.dumps(chart, allow_nan=False)) == chart


def test_the_name_of_an_attack_is_text():
    (curve,) = shadow_curve([row("<b>", 4, 0.6), row("<b>", 8, 0.7)], "auc")["data"]
    assert curve["name"] == "&lt;b&gt;"


def test_queries_are_drawn_like_shadow_models():
    rows = [row("a", 4, 0.6, 0.5, 0.65), row("a", 8, 0.7)]
    asked = [QueryRow(*(getattr(r, f) for f in FIELDS), r.num_shadows) for r in rows]
    theirs, ours = (c["data"][0] for c in (shadow_curve(rows, "auc"), query_curve(asked, "auc")))
    assert ours.pop("hovertemplate") == theirs.pop("hovertemplate").replace(
        "shadow models", "queries"
    )
    assert ours == theirs


def test_each_run_is_a_point_with_its_interval_and_its_name_is_text():
    points = [Point("<b>", 0.8, Estimate(0.1, 0.05, 0.2)), Point("c", 0.9, Estimate(0.3))]
    first, second = trade_off(points, "accuracy", "tpr_at_1e-2")["data"]
    assert (first["name"], first["x"], first["y"]) == ("&lt;b&gt;", [0.8], [0.1])
    assert first["error_y"]["array"] == pytest.approx([0.1])
    assert first["error_y"]["arrayminus"] == pytest.approx([0.05])
    assert second["error_y"]["array"] == [0]
    assert (first["textposition"], second["textposition"]) == ("middle right", "middle left")
