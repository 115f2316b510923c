"""Confidences of one class, members against non-members (Rezaei and Liu 2021, figures 1 and 2)."""

import itertools
from collections.abc import Sequence

from lira_jax.evaluation.confidence_shapes import ConfidenceShapes
from lira_jax.report.charts.chart import Chart, label, layout, short
from lira_jax.report.colours import IN, OUT


def mean_vectors(found: ConfidenceShapes, group: str, names: Sequence[str]) -> Chart:
    """Mean confidence in each class of one class's examples.

    Args:
      group: of the pairs, one of groups.GROUPS.
      names: of the classes.
    """
    shape = found.vectors[group]
    x = [label(name) for name in names]
    return {
        "data": [
            _bars(x, shape.members, "members", IN),
            _bars(x, shape.nonmembers, "non-members", OUT),
        ],
        "layout": layout(
            "class",
            "mean confidence",
            {"type": "category"},
            {"range": [0, 1]},
            height=300,
            barmode="group",
            showlegend=True,
        ),
        "alt": f"Mean confidence in each class of {group} examples of class "
        f"{names[found.vector_class]}, members beside non-members.",
    }


def histogram(found: ConfidenceShapes, group: str) -> Chart:
    """Shares of one class's pairs by their confidence in the label; `group` as above."""
    shape, edges = found.histograms[group], found.edges
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    return {
        "data": [
            _bars(middles, shape.members, "members", IN),
            _bars(middles, shape.nonmembers, "non-members", OUT),
        ],
        "layout": layout(
            "confidence in the label",
            "share of the pairs",
            {"range": [0, 1]},
            {"tickformat": ".0%", "rangemode": "tozero"},
            height=300,
            barmode="group",
            showlegend=True,
        ),
        "alt": f"Confidence in the label of {group} examples of one class, members beside "
        "non-members.",
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
