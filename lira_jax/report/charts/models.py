"""Accuracy of the models, and exposure of the examples."""

from collections.abc import Mapping, Sequence

import numpy as np

from lira_jax.report.charts.chart import DASHES, SYMBOLS, Chart, label, layout, short
from lira_jax.report.colours import COLOURS, IN

MOST_BOXES = 30  # classes a chart can show


def accuracy(groups: dict[str, list[float]]) -> Chart:
    """A dot a model in a row a group of examples.

    Args:
      groups: "members" and the like -> accuracy of each model.
    """
    data = []
    for i, (name, values) in enumerate(groups.items()):
        # spread evenly, and the same in every drawing
        offsets = (np.arange(len(values)) * 0.618) % 1 - 0.5
        data.append(
            {
                "x": short(values),
                "y": short(i + 0.5 * offsets),
                "mode": "markers",
                "name": name,
                "marker": {"color": COLOURS[i], "size": 7, "opacity": 0.65, "symbol": SYMBOLS[i]},
                "hovertemplate": "%{x:.2%}",
            }
        )
    ticks = {
        "tickvals": list(range(len(groups))),
        "ticktext": list(groups),
        "autorange": "reversed",
    }
    return {
        "data": data,
        "layout": layout(
            "accuracy",
            "",
            {"tickformat": ".1~%"},
            {**ticks, "zeroline": False},
            height=110 + 70 * len(groups),
            showlegend=False,
        ),
        "alt": "Accuracy of each model, on average "
        + ", ".join(f"{100 * np.mean(v):.1f} % on {name}" for name, v in groups.items()),
    }


def class_exposure(exposure: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> Chart:
    """Box of the exposure of each class: quartiles, the 5th and 95th percentile as whiskers.

    Args:
      exposure: [examples], finite.
      labels: int [examples].
      names: of all classes.
    """
    present = [k for k in range(len(names)) if np.any(labels == k)]
    quantiles = {
        k: np.quantile(exposure[labels == k], (0.05, 0.25, 0.5, 0.75, 0.95)) for k in present
    }
    order = sorted(present, key=lambda k: -quantiles[k][2])
    if len(order) > MOST_BOXES:
        order = order[: MOST_BOXES // 2] + order[-MOST_BOXES // 2 :]
    low, first, middle, third, high = np.array([quantiles[k] for k in order]).T
    box = {
        "type": "box",
        "orientation": "h",
        "y": [label(names[k]) for k in order],
        "name": "",
        "lowerfence": short(low),
        "q1": short(first),
        "median": short(middle),
        "q3": short(third),
        "upperfence": short(high),
        "marker": {"color": IN},
        "fillcolor": "rgba(0,114,178,.25)",
        "line": {"width": 1.5},
    }
    return {
        "data": [box],
        "layout": layout(
            "exposure",
            "",
            {"rangemode": "tozero"},
            {"autorange": "reversed", "type": "category"},
            height=90 + 22 * max(len(order), 4),
            showlegend=False,
        ),
        "alt": f"Exposure of each class; most exposed is {names[order[0]]} with a median of "
        f"{middle[0]:.2f}.",
    }


def source_exposure(edges: np.ndarray, densities: Mapping[str, np.ndarray]) -> Chart:
    """Histogram of the exposure of each source as steps, to see outliers apart from the pool.

    Args:
      edges: of the bins, [bins + 1].
      densities: source -> density in each bin, [bins].
    """
    data = [
        {
            "x": short(edges),
            "y": short([*density, density[-1]]),
            "mode": "lines",
            "name": label(name),
            "line": {
                "color": COLOURS[i % len(COLOURS)],
                "dash": DASHES[i // len(COLOURS) % len(DASHES)],
                "width": 2,
                "shape": "hv",
            },
            "fill": "tozeroy",
            "fillcolor": _faint(COLOURS[i % len(COLOURS)]),
            "hovertemplate": "exposure from %{x:.2f}<br>density %{y:.3f}",
        }
        for i, (name, density) in enumerate(densities.items())
    ]
    return {
        "data": data,
        "layout": layout(
            "exposure",
            "density",
            {"rangemode": "tozero"},
            {"rangemode": "tozero"},
            height=360,
            showlegend=True,
        ),
        "alt": "Histograms of the exposure of examples of each source: "
        + ", ".join(densities)
        + "; the table below has their quartiles.",
    }


def _faint(colour: str) -> str:
    """A colour #RRGGBB, nearly transparent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},.15)"
