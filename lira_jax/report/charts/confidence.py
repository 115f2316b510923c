"""Confidences of one class, members against non-members (Rezaei and Liu 2021, figures 1 and 2)."""

import itertools
from collections.abc import Sequence

from lira_jax.evaluation.confidence_shapes import ConfidenceShapes, Shape
from lira_jax.report.charts.chart import Chart, label, layout, short
from lira_jax.report.colours import IN, OUT

_LOOK = {"height": 300, "barmode": "group", "showlegend": True}


def mean_vectors(found: ConfidenceShapes, group: str, names: Sequence[str]) -> Chart:
    """Mean confidence in each class of one class's examples.

    Args:
      group: of the pairs, one of groups.GROUPS.
      names: of the classes.
    """
    return _beside(
        [label(name) for name in names],
        found.vectors[group],
        layout("class", "mean confidence", {"type": "category"}, {"range": [0, 1]}, **_LOOK),
        f"Mean confidence in each class of {group} examples of class {names[found.vector_class]}",
    )


def histogram(found: ConfidenceShapes, group: str) -> Chart:
    """Shares of one class's pairs by their confidence in the label; `group` as above."""
    middles = [(low + high) / 2 for low, high in itertools.pairwise(found.edges)]
    share = {"tickformat": ".0%", "rangemode": "tozero"}
    return _beside(
        middles,
        found.histograms[group],
        layout("confidence in the label", "share of the pairs", {"range": [0, 1]}, share, **_LOOK),
        f"Confidence in the label of {group} examples of one class",
    )


def _beside(x: Sequence, shape: Shape, look: dict, what: str) -> Chart:
    """Bars of members and non-members, two at each x."""
    return {
        "data": [
            _bars(x, shape.members, "members", IN),
            _bars(x, shape.nonmembers, "non-members", OUT),
        ],
        "layout": look,
        "alt": f"{what}, members beside non-members.",
    }


def _bars(x: Sequence, y: Sequence[float], name: str, colour: str) -> dict:
    return {
        "type": "bar",
        "x": list(x),
        "y": short(y),
        "name": name,
        "marker": {"color": colour},
        "hovertemplate": "%{y:.3f}",
    }
