import re
import xml.etree.ElementTree

import numpy as np
import pytest

from lira_jax.report import histogram
from lira_jax.report.colours import IN, OUT

DRAWN = [
    (
        "apart",
        np.random.default_rng(0).normal(5, 1, 40),
        np.random.default_rng(1).normal(-5, 2, 30),
    ),
    ("equal", np.full(4, 2.0), np.full(4, 2.0)),
    ("constant in", np.full(4, 1.0), np.array([0.0, 3.0])),
    ("one out", np.array([1.0, 2.0]), np.array([1e6])),
]


@pytest.mark.parametrize(("inside", "outside"), [d[1:] for d in DRAWN], ids=[d[0] for d in DRAWN])
def test_both_histograms_have_the_same_area_and_stay_inside(inside, outside):
    root = xml.etree.ElementTree.fromstring(histogram.in_out(inside, outside))
    bars = root.findall("rect")
    area = {c: sum(float(b.get("height")) for b in bars if b.get("fill") == c) for c in (IN, OUT)}
    assert area[IN] == pytest.approx(area[OUT], rel=0.02)
    for bar in bars:
        assert float(bar.get("x")) >= 0
        assert 0 <= float(bar.get("y")) <= histogram.BASE
    for line in root.findall("polyline"):
        heights = [float(point.split(",")[1]) for point in line.get("points").split()]
        assert min(heights) >= 0
        assert max(heights) <= histogram.BASE


def test_the_curves_peak_at_the_means():
    inside, outside = DRAWN[0][1:]
    root = xml.etree.ElementTree.fromstring(histogram.in_out(inside, outside))
    low, high = min(inside.min(), outside.min()), max(inside.max(), outside.max())
    margin = 0.08 * (high - low)
    for line, values in zip(root.findall("polyline"), (inside, outside), strict=True):
        points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
        peak = min(points, key=lambda p: p[1])[0]
        expected = (values.mean() - low + margin) / (high - low + 2 * margin) * histogram.WIDTH
        assert peak == pytest.approx(expected, abs=histogram.WIDTH / 59)


def test_ticks_are_round_and_lie_under_their_values():
    svg = histogram.in_out(np.array([0.0, 1.0]), np.array([-3.0, -2.0]))
    ticks = re.findall(r'<text x="([\d.]+)"[^>]*>(-?[\d.e]+)</text>', svg)
    assert [t for _, t in ticks] == ["-2", "0"]
    for x, value in ticks:
        assert float(x) == pytest.approx((float(value) + 3.32) / 4.64 * histogram.WIDTH, abs=0.1)
