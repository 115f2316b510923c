"""A metric of the attacks against numbers of shadow models and queries, and against accuracy."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lira_jax.audit.results import QueryRow, ShadowRow
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.summary import Row
from lira_jax.report.charts.chart import DASHES, SYMBOLS, Chart, label, layout, short
from lira_jax.report.colours import COLOURS, GREY
from lira_jax.report.wording import COLUMN


def shadow_curve(rows: Sequence[ShadowRow], metric: str) -> Chart:
    """A metric against the number of shadow models (LiRA figure 9)."""
    return _growth(rows, [row.num_shadows for row in rows], "shadow models", metric)


def query_curve(rows: Sequence[QueryRow], metric: str) -> Chart:
    """A metric against the number of queries (LiRA table III)."""
    return _growth(rows, [row.num_queries for row in rows], "queries", metric)


def _growth(rows: Sequence[Row], numbers: Sequence[int], unit: str, metric: str) -> Chart:
    """A metric against a number of something, a curve an attack.

    Args:
      rows: of all attacks and numbers.
      numbers: that of each row.
      unit: what is counted, in the plural.
      metric: a key of COLUMN.
    """
    data = []
    for i, name in enumerate(dict.fromkeys(row.attack for row in rows)):
        own = [
            (number, row.metrics[metric])
            for number, row in zip(numbers, rows, strict=True)
            if row.attack == name and row.metrics[metric].is_known
        ]
        if not own:
            continue
        estimates = [estimate for _, estimate in own]
        data.append(
            {
                "x": [number for number, _ in own],
                "y": short([e.value for e in estimates]),
                "mode": "lines+markers",
                "name": label(name),
                "hovertemplate": f"%{{x}} {unit}<br>%{{y:.3~%}}",
                "error_y": _errors(estimates)
                | {"color": COLOURS[i % len(COLOURS)], "thickness": 1},
                "line": {
                    "color": COLOURS[i % len(COLOURS)],
                    "dash": DASHES[i % len(DASHES)],
                    "width": 2,
                },
                "marker": {"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8},
            }
        )
    return {
        "data": data,
        "layout": layout(
            unit,
            COLUMN[metric],
            {"type": "log", "tickvals": sorted(set(numbers))},
            {"tickformat": ".2~%", "rangemode": "tozero"},
            height=380,
            showlegend=True,
        ),
        "alt": f"How the attacks grow with the number of {unit}.",
    }


@dataclasses.dataclass(frozen=True)
class Point:
    """A run in the chart of accuracy against leakage.

    Attributes:
      name: of the run.
      accuracy: of its models.
      found: the metric of the attack.
      spread: accuracy with its interval over models; None without.
      naive: the metric of an attacker who does not know the defence; None without one.
    """

    name: str
    accuracy: float
    found: Estimate
    spread: Estimate | None = None
    naive: Estimate | None = None


def trade_off(points: Sequence[Point], accuracy_name: str, metric: str) -> Chart:
    """Accuracy against a metric of the attacks, a point a run, with intervals.

    A naive attacker's figure is an open circle above or below it.
    """
    middle = np.mean([min(p.accuracy for p in points), max(p.accuracy for p in points)])
    data = [
        {
            "x": short([p.accuracy]),
            "y": short([p.found.value]),
            "mode": "markers+text",
            "text": [f"  {label(p.name)}  "],
            "textposition": "middle right" if p.accuracy <= middle else "middle left",
            "name": label(p.name),
            "cliponaxis": False,
            "marker": {
                "color": COLOURS[i % len(COLOURS)],
                "size": 12,
                "symbol": SYMBOLS[i % len(SYMBOLS)],
            },
            "error_y": _errors([p.found]) | {"color": GREY, "thickness": 1},
            "error_x": _errors([p.spread or Estimate(p.accuracy)])
            | {"color": GREY, "thickness": 1},
            "hovertemplate": "accuracy %{x:.2%}<br>%{y:.3~%}",
        }
        for i, p in enumerate(points)
    ]
    data += [
        {
            "x": short([p.accuracy]),
            "y": short([p.naive.value]),
            "mode": "markers",
            "name": f"{label(p.name)}, naive",
            "cliponaxis": False,
            "marker": {"color": COLOURS[i % len(COLOURS)], "size": 11, "symbol": "circle-open"},
            "error_y": _errors([p.naive]) | {"color": GREY, "thickness": 1},
            "hovertemplate": "naive attacker<br>accuracy %{x:.2%}<br>%{y:.3~%}",
        }
        for i, p in enumerate(points)
        if p.naive is not None and p.naive.is_known
    ]
    return {
        "data": data,
        "layout": layout(
            accuracy_name,
            COLUMN[metric],
            {"tickformat": ".1~%"},
            {"tickformat": ".2~%"},
            height=400,
            showlegend=False,
        ),
        "alt": "Accuracy against "
        + COLUMN[metric]
        + ": "
        + "; ".join(
            f"{p.name} {100 * p.accuracy:.1f} %, {100 * p.found.value:.2f} %" for p in points
        ),
    }


def _errors(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Asymmetric error bars; a missing end has length 0."""

    def lengths(end: str) -> list[float | None]:
        gaps = [abs(getattr(e, end) - e.value) for e in estimates]
        return short([0 if math.isnan(gap) else gap for gap in gaps])

    return {
        "type": "data",
        "symmetric": False,
        "array": lengths("high"),
        "arrayminus": lengths("low"),
    }
