import math

from lira_jax.audit.results import ShadowRow, StatisticRow
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.summary import METRICS, Curve
from lira_jax.report.charts import variants

CURVE = Curve((0.0, 1.0), (0.0, 1.0))
METRICS_OF_NONE = dict.fromkeys(METRICS, Estimate(math.nan))


def row(attack, num_shadows, curve=CURVE):
    return ShadowRow(attack, 2, 10, 10, METRICS_OF_NONE, num_shadows, roc=curve)


def test_curves_are_named_and_come_attack_by_attack_without_those_that_have_none():
    rows = [row("b", 4), row("a", 4), row("b", 8), row("a", 8, None)]
    found = variants.by_shadows(rows)
    assert list(found) == ["b, 4 shadow models", "b, 8 shadow models", "a, 4 shadow models"]
    assert variants.first(found) == ["b, 4 shadow models", "b, 8 shadow models"]
    assert variants.by_shadows([row("a", 4, None)]) == {}
    assert variants.first({}) == []


def test_a_variant_has_one_colour_and_an_attack_one_dash():
    found = variants.by_shadows([row(a, n) for n in (4, 8, 16) for a in ("x", "y")])
    style = variants.styles(found)
    for number in (4, 8, 16):
        ours, theirs = (style[f"{a}, {number} shadow models"] for a in ("x", "y"))
        assert ours["color"] == theirs["color"]
        assert ours["dash"] != theirs["dash"]
    assert len({tuple(line.items()) for line in style.values()}) == 6


def test_statistics_are_named_by_their_signals():
    one = StatisticRow("a", 2, 10, 10, METRICS_OF_NONE, "hinge", roc=CURVE)
    assert list(variants.by_statistic([one])) == ["a, hinge"]
