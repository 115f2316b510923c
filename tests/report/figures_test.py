"""Names in the static figures are text, whatever is in them."""

import warnings

import numpy as np
import pytest

from lira_jax.report import chart_figures, figures
from lira_jax.report.charts.chart import label, layout

NAMES = [r"npz:/a/$\frac$/b", "$x$", "a$", "<b>", "100 %_{i}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_formula(name):
    edges = np.linspace(0, 3, 4)
    figure = figures.exposure_by_source(edges, {name: np.ones(3), "$other$": np.ones(3)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    (axes,) = figure.axes
    shown = axes.get_legend().get_texts()[0].get_text()
    assert shown.replace(r"\$", "$") == name
    assert "$" not in shown.replace(r"\$", "")


def test_charts_of_lines_and_of_bars_become_panels_with_the_same_numbers():
    lines = {
        "data": [
            {
                "x": [1, 5],
                "y": [0.5, None],
                "name": label("a<$b$>"),
                "line": {"color": "#000000", "dash": "dash"},
                "marker": {"symbol": "circle"},
            }
        ],
        "layout": layout("epoch", "accuracy", {}, {"rangemode": "tozero"}),
    }
    bars = {
        "data": [
            {"type": "bar", "x": ["$0$", "1"], "y": [0.2, 0.8], "name": n, "marker": {"color": c}}
            for n, c in (("members", "#ff0000"), ("non-members", "#0000ff"))
        ],
        "layout": layout("class", "mean confidence", {}, {"range": [0, 1]}),
    }
    drawn = chart_figures.draw({"epochs-loss": lines, "vectors-correct": bars, "roc": {}})
    assert drawn.keys() == {"confidence_vectors", "epochs"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in drawn.values():
            figure.draw_without_rendering()
    (axes,) = drawn["epochs"].axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.5, np.nan])
    assert axes.get_legend().get_texts()[0].get_text() == r"a<\$b\$>"
    assert (axes.get_title(), axes.get_xlabel()) == ("loss", "epoch")
    (axes,) = drawn["confidence_vectors"].axes
    heights = [[bar.get_height() for bar in kind] for kind in axes.containers]
    assert heights == 2 * [[0.2, 0.8]]
    left = axes.containers[0][0], axes.containers[1][0]
    assert left[0].get_x() + left[0].get_width() == pytest.approx(left[1].get_x())
    assert axes.get_ylim() == (0, 1)
