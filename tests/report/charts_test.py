import dataclasses
import json

import numpy as np
import pytest

from lira_jax.evaluation.risk import RiskCalibration
from lira_jax.evaluation.summary import Curve, evaluate
from lira_jax.report import charts


def entry(num=4000, gain=1.5, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((2, num)) < 0.5
    scores = rng.normal(size=members.shape) + gain * members
    return evaluate(scores, members), scores.ravel(), members.ravel()


def test_every_point_of_a_log_curve_is_on_the_exact_roc():
    curve, scores, members = entry()
    x, y = charts.log_steps(curve, 1e-4)
    assert len(x) <= charts.ROC_POINTS + 1
    assert (x[-1], y[-1]) == (1, 1)
    nonmembers = np.sort(scores[~members])[::-1]
    for fpr, tpr in zip(x[1:], y[1:], strict=True):
        false_alarms = round(fpr * len(nonmembers))
        below = nonmembers[false_alarms] if false_alarms < len(nonmembers) else -np.inf
        assert tpr == pytest.approx(np.mean(scores[members] > below), rel=1e-4)


def test_a_log_curve_begins_at_the_floor_with_what_is_found_there():
    curve, scores, members = entry()
    x, y = charts.log_steps(curve, 1e-4)
    assert x[0] == 1e-4  # below one false alarm
    assert y[0] == pytest.approx(np.mean(scores[members] > scores[~members].max()), rel=1e-4)
    assert min(y) > 0


def test_a_curve_without_a_hit_at_the_floor_stays_on_the_log_axis():
    curve, *_ = entry()
    curve = dataclasses.replace(curve, roc=Curve((0.0, 0.5, 1.0), (0.0, 0.0, 1.0)))
    x, y = charts.log_steps(curve, 1e-3)
    assert all(v > 0 for v in [*x, *y])
    assert y[0] < 1e-3


def test_the_best_attack_and_the_well_known_are_shown_first_in_distinct_colours():
    names = ["phi", "loss", "lira_online", "attack_r", "offset", *(f"other_{i}" for i in range(30))]
    first = charts.familiar(names, "offset")
    assert first[0] == "offset"
    assert {"lira_online", "loss", "attack_r"} <= set(first)
    style = charts.styles(names, first)
    assert len({line["color"] for n, line in style.items() if n in first}) == len(first)
    assert all(style[n]["dash"] == "solid" for n in first)
    assert len({tuple(line.values()) for line in style.values()}) == len(names)


def test_boxes_are_the_quantiles_of_the_classes_most_exposed_first():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    labels[labels == 2] = 3  # class 2 has no example
    exposure = rng.random(400) + labels
    box = charts.class_exposure(exposure, labels, ["a", "b", "c", "<d>"])["data"][0]
    assert box["y"] == ["&lt;d&gt;", "b", "a"]
    assert box["median"][1] == pytest.approx(np.median(exposure[labels == 1]), rel=1e-4)
    assert box["q3"][0] == pytest.approx(np.quantile(exposure[labels == 3], 0.75), rel=1e-4)


def test_of_many_classes_the_most_and_the_least_exposed_are_drawn():
    labels = np.repeat(np.arange(100), 3)
    box = charts.class_exposure(labels.astype(float), labels, [str(k) for k in range(100)])["data"][
        0
    ]
    assert box["y"] == [str(k) for k in [*range(99, 84, -1), *range(14, -1, -1)]]


def test_charts_are_strict_json():
    curve, *_ = entry(num=50)
    chart = charts.roc({"a": curve}, charts.styles(["a"], ["a"]), ["a"])
    assert json.loads(json.dumps(chart, allow_nan=False)) == chart
    empty = RiskCalibration((0, 3), (np.nan, 0.7), (np.nan, 0.6), 0.1)
    assert charts.risk_calibration(empty)["data"][1]["x"] == [0.7]
