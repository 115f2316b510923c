import json
import math

from lira_jax.evaluation.risk import RiskCalibration, RiskDistribution
from lira_jax.report.charts.risk import risk_calibration, risk_distribution


def test_empty_bins_are_left_out():
    found = RiskCalibration((0, 3, 2), (math.nan, 0.7, 0.9), (math.nan, 0.6, 1.0), 0.1)
    chart = risk_calibration(found)
    assert chart["data"][1]["x"] == [0.7, 0.9]
    assert chart["data"][1]["y"] == [0.6, 1.0]
    assert chart["data"][1]["customdata"] == [3, 2]
    assert chart["alt"].endswith("error 0.100.")
    assert json.loads(json.dumps(chart, allow_nan=False)) == chart


def test_the_distribution_is_drawn_as_it_is():
    chart = risk_distribution(RiskDistribution((0.0, 0.5, 1.0), (0.0, 0.25, 1.0)))
    assert (chart["data"][0]["x"], chart["data"][0]["y"]) == ([0, 0.5, 1], [0, 0.25, 1])
    assert json.loads(json.dumps(chart, allow_nan=False)) == chart
