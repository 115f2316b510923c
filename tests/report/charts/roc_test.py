import dataclasses
import json

import numpy as np
import pytest

from lira_jax.evaluation.summary import Curve, evaluate
from lira_jax.report.charts.roc import (
    LINEAR_POINTS,
    ROC_POINTS,
    even_points,
    familiar,
    linear,
    log_steps,
    roc,
    styles,
)


def entry(num=4000, gain=1.5, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((2, num)) < 0.5
    scores = rng.normal(size=members.shape) + gain * members
    return evaluate(scores, members), scores.ravel(), members.ravel()


def test_every_point_of_a_log_curve_is_on_the_exact_roc():
    curve, scores, members = entry()
    x, y = log_steps(curve, 1e-4)
    assert len(x) <= ROC_POINTS + 1
    assert (x[-1], y[-1]) == (1, 1)
    nonmembers = np.sort(scores[~members])[::-1]
    for fpr, tpr in zip(x[1:], y[1:], strict=True):
        false_alarms = round(fpr * len(nonmembers))
        below = nonmembers[false_alarms] if false_alarms < len(nonmembers) else -np.inf
        assert tpr == pytest.approx(np.mean(scores[members] > below), rel=1e-4)


def test_a_log_curve_begins_at_the_floor_with_what_is_found_there():
    curve, scores, members = entry()
    x, y = log_steps(curve, 1e-4)
    assert x[0] == 1e-4  # below one false alarm
    assert y[0] == pytest.approx(np.mean(scores[members] > scores[~members].max()), rel=1e-4)
    assert min(y) > 0


def test_a_curve_without_a_hit_at_the_floor_stays_on_the_log_axis():
    curve, *_ = entry()
    curve = dataclasses.replace(curve, roc=Curve((0.0, 0.5, 1.0), (0.0, 0.0, 1.0)))
    x, y = log_steps(curve, 1e-3)
    assert all(v > 0 for v in [*x, *y])
    assert y[0] < 1e-3


def test_the_best_attack_and_the_well_known_are_shown_first_in_distinct_colours():
    names = ["phi", "loss", "lira_online", "attack_r", "offset", *(f"other_{i}" for i in range(30))]
    first = familiar(names, "offset")
    assert first[0] == "offset"
    assert {"lira_online", "loss", "attack_r"} <= set(first)
    style = styles(names, first)
    assert len({line["color"] for n, line in style.items() if n in first}) == len(first)
    assert all(style[n]["dash"] == "solid" for n in first)
    assert len({tuple(line.values()) for line in style.values()}) == len(names)


@pytest.mark.parametrize("draw", [roc, linear])
def test_charts_are_strict_json(draw):
    curve, *_ = entry(num=50)
    chart = draw({"a": curve}, styles(["a"], ["a"]), ["a"])
    assert json.loads(json.dumps(chart, allow_nan=False)) == chart


def test_a_linear_curve_is_even_and_has_the_area_of_the_whole():
    curve, *_ = entry()
    x, y = even_points(curve)
    assert len(x) <= LINEAR_POINTS
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert set(zip(x, y, strict=True)) <= {
        (float(f"{f:.5g}"), float(f"{t:.5g}"))
        for f, t in zip(curve.roc.fpr, curve.roc.tpr, strict=True)
    }
    assert max(np.diff(np.add(x, y))) < 2 / LINEAR_POINTS + 0.02
    assert np.trapezoid(y, x) == pytest.approx(curve.metrics["auc"].value, abs=2e-3)
