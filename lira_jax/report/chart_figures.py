"""Charts of the page as static figures: confidences of a class, and the epochs of training.

Rezaei and Liu 2021, figures 1, 2 and 3 to 8 (https://arxiv.org/abs/2005.13702).
"""

import html
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from lira_jax.report.charts.chart import Chart

_KINDS = {"vectors": "confidence_vectors", "confidence": "confidence", "epochs": "epochs"}
"""What the charts of a figure begin with -> the figure."""

_LINES: dict[str, Any] = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 2)),
}
_MARKERS = {"circle": "o", "diamond": "D", "square": "s", "triangle-up": "^", "x": "x"}
_WIDTH = 0.4  # of one of two bars, the places being 1 apart


def draw(charts: Mapping[str, Chart]) -> dict[str, plt.Figure]:
    """Name -> figure, of those charts of a page that have the paper's figures.

    Args:
      charts: by the names that they have on the page.
    """
    drawn = {}
    for kind, name in _KINDS.items():
        own = {n.partition("-")[2]: c for n, c in charts.items() if n.startswith(f"{kind}-")}
        if own:
            drawn[name] = panels(own)
    return drawn


def panels(charts: Mapping[str, Chart], across: int = 3) -> plt.Figure:
    """A panel for each chart, whose traces are lines, or bars beside one another."""
    across = min(across, len(charts))
    down = -(-len(charts) // across)
    figure, grid = plt.subplots(
        down, across, figsize=(4.4 * across, 3.2 * down), squeeze=False, layout="constrained"
    )
    for axes, (name, chart) in zip(grid.ravel(), charts.items(), strict=False):
        _panel(axes, chart)
        axes.set_title(name, fontsize=9)
    for axes in grid.ravel()[len(charts) :]:
        axes.axis("off")
    return figure


def _panel(axes: plt.Axes, chart: Chart) -> None:
    traces, look = chart["data"], chart["layout"]
    if traces[0].get("type") == "bar":
        _bars(axes, traces)
    else:
        for trace in traces:
            axes.plot(
                trace["x"],
                [np.nan if y is None else y for y in trace["y"]],
                color=trace["line"]["color"],
                linestyle=_LINES[trace["line"]["dash"]],
                marker=_MARKERS[trace["marker"]["symbol"]],
                markersize=3,
                label=_text(trace["name"]),
            )
    for axis, name in (("xaxis", "xlabel"), ("yaxis", "ylabel")):
        axes.set(**{name: _text(look[axis]["title"]["text"])})
    if "range" in look["yaxis"]:
        axes.set_ylim(look["yaxis"]["range"])
    elif look["yaxis"].get("rangemode") == "tozero":
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _bars(axes: plt.Axes, traces: list[dict]) -> None:
    """Bars of all traces beside one another, at each place of numbers or of names."""
    x = traces[0]["x"]
    named = isinstance(x[0], str)
    places = np.arange(len(x)) if named else np.array(x, float)
    wide = _WIDTH * (1.0 if named else float(places[1] - places[0]))
    for i, trace in enumerate(traces):
        axes.bar(
            places + wide * (i - (len(traces) - 1) / 2),
            [0 if y is None else y for y in trace["y"]],
            wide,
            color=trace["marker"]["color"],
            label=_text(trace["name"]),
        )
    if named:
        axes.set_xticks(places, [_text(name) for name in x], fontsize=7, rotation=45)


def _text(name: str) -> str:
    """A name of a chart as matplotlib takes it, which reads what is between two $ as a formula."""
    return html.unescape(str(name)).replace("$", r"\$")
