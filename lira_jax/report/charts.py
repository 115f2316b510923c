"""Plotly figures as plain dictionaries: what page.js draws. Each has data, layout and a text
alternative."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax.audit.results import ShadowRow
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.risk import RiskCalibration, RiskDistribution
from lira_jax.evaluation.roc import Roc, thin
from lira_jax.evaluation.summary import Summary
from lira_jax.report.colours import COLOURS, GREY, IN, OUT
from lira_jax.report.wording import COLUMN

ROC_POINTS = 240  # a curve, so that 40 attacks take half a megabyte
MOST_BOXES = 30  # classes a chart can show
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
# Drawn at first, if they were run; the others wait for their checkbox.
FAMILIAR = (
    "lira_online",
    "lira_offline",
    "lira_online_fixed",
    "rmia_online",
    "attack_r",
    "class_modified_entropy",
    "loss",
)
MOST_FAMILIAR = 6

Chart = dict[str, Any]


def familiar(attacks: Sequence[str], best: str) -> list[str]:
    """The attacks that a reader wants to see first: the best one, then the well-known."""
    known = [best, *(name for name in FAMILIAR if name in attacks and name != best)]
    return (known if len(known) > 1 else [best, *(n for n in attacks if n != best)])[:MOST_FAMILIAR]


def styles(attacks: Sequence[str], first: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and dash of each attack; those shown first get the colours undashed."""
    order = [*first, *(name for name in attacks if name not in first)]
    return {
        name: {"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i // len(COLOURS) % len(DASHES)]}
        for i, name in enumerate(order)
    }


def roc(
    curves: Mapping[str, Summary], style: dict[str, dict[str, str]], shown: Sequence[str]
) -> Chart:
    """Log-log ROC (LiRA, section VI-A) as steps.

    Args:
      curves: name -> what its attack finds.
      style: as `styles` gives it.
      shown: names that are visible at first.
    """
    floor = 10.0 ** np.floor(np.log10(1 / min(found.num_nonmembers for found in curves.values())))
    data = [
        {
            "x": [floor, 1],
            "y": [floor, 1],
            "mode": "lines",
            "name": "guessing",
            "hoverinfo": "skip",
            "line": {"color": "#9ca3af", "dash": "dot", "width": 1.5},
        }
    ]
    for name, found in curves.items():
        fpr, tpr = log_steps(found, floor)
        data.append(
            {
                "x": fpr,
                "y": tpr,
                "mode": "lines",
                "name": _label(name),
                "meta": name,
                "visible": name in shown,
                "line": {**style[name], "width": 2.2, "shape": "hv"},
                "hovertemplate": "FPR %{x:.2~e}<br>TPR %{y:.3~%}",
            }
        )
    axis = {
        "type": "log",
        "range": [float(np.log10(floor)), 0],
        "dtick": 1,
        "exponentformat": "power",
    }
    return {
        "data": data,
        "layout": _layout(
            "false positive rate",
            "true positive rate",
            axis,
            axis,
            height=470,
            showlegend=False,
        ),
        "alt": "Log-log ROC curves of the attacks; the table below holds their values.",
    }


def log_steps(found: Summary, floor: float) -> tuple[list[float], list[float]]:
    """A ROC that a log axis can hold: it begins at `floor` with the TPR reached
    there."""
    fpr, tpr = np.array(found.roc.fpr), np.array(found.roc.tpr)
    whole = Roc(fpr, tpr, np.zeros_like(fpr), found.num_members, found.num_nonmembers)
    few = thin(whole, ROC_POINTS)
    above = few.fpr > floor
    first = tpr[np.searchsorted(fpr, floor, side="right") - 1]
    x, y = np.append(floor, few.fpr[above]), np.append(first, few.tpr[above])
    return _short(x), _short(np.where(y > 0, y, floor / 10))  # log 0 would break the line


def accuracy(groups: dict[str, list[float]]) -> Chart:
    """A dot a model in a row a group of examples.

    Args:
      groups: "members" and the like -> accuracy of each model.
    """
    data = []
    for i, (name, values) in enumerate(groups.items()):
        offsets = (
            np.arange(len(values)) * 0.618
        ) % 1 - 0.5  # spread evenly, and the same in every drawing
        data.append(
            {
                "x": _short(values),
                "y": _short(i + 0.5 * offsets),
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
        "layout": _layout(
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
    """Box of the exposure of each class's examples: quartiles, and the 5th and 95th percentile as
    whiskers.

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
        "y": [_label(names[k]) for k in order],
        "name": "",
        "lowerfence": _short(low),
        "q1": _short(first),
        "median": _short(middle),
        "q3": _short(third),
        "upperfence": _short(high),
        "marker": {"color": IN},
        "fillcolor": "rgba(0,114,178,.25)",
        "line": {"width": 1.5},
    }
    return {
        "data": [box],
        "layout": _layout(
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


def risk_distribution(cumulative: RiskDistribution) -> Chart:
    """Cumulative distribution of the members' privacy risk scores (Song and Mittal 2021, figure
    1)."""
    return {
        "data": [
            {
                "x": list(cumulative.risk),
                "y": _short(cumulative.fraction),
                "mode": "lines",
                "name": "members",
                "line": {"color": IN, "width": 2.2},
                "hovertemplate": "%{y:.1~%} of the members: at most %{x}",
            }
        ],
        "layout": _layout(
            "privacy risk score",
            "members with at most this risk",
            {"range": [0, 1]},
            {"range": [0, 1.02], "tickformat": ".0%"},
            height=320,
            showlegend=False,
        ),
        "alt": "Cumulative distribution of the members' privacy risk scores.",
    }


def risk_calibration(calibration: RiskCalibration) -> Chart:
    """Predicted against true risk (Song and Mittal 2021, figure 3)."""
    pairs = [
        (p, a, n)
        for p, a, n in zip(
            calibration.predicted, calibration.actual, calibration.count, strict=True
        )
        if not (math.isnan(p) or math.isnan(a))
    ]
    diagonal = {
        "x": [0, 1],
        "y": [0, 1],
        "mode": "lines",
        "hoverinfo": "skip",
        "name": "calibrated",
        "line": {"color": "#9ca3af", "dash": "dot"},
    }
    points = {
        "x": _short([p for p, _, _ in pairs]),
        "y": _short([a for _, a, _ in pairs]),
        "mode": "lines+markers",
        "customdata": [n for _, _, n in pairs],
        "name": "pairs",
        "line": {"color": OUT},
        "marker": {"size": 8},
        "hovertemplate": "predicted %{x:.3f}, true %{y:.3f}<br>%{customdata} pairs",
    }
    return {
        "data": [diagonal, points],
        "layout": _layout(
            "privacy risk score",
            "fraction that are members",
            {"range": [0, 1]},
            {"range": [0, 1.02]},
            height=320,
            showlegend=False,
        ),
        "alt": "Calibration of the privacy risk score, root mean square error "
        f"{0 if math.isnan(calibration.rmse) else calibration.rmse:.3f}.",
    }


def shadow_curve(rows: Sequence[ShadowRow], metric: str) -> Chart:
    """A metric against the number of shadow models (LiRA figure 9)."""
    data = []
    for i, name in enumerate(dict.fromkeys(row.attack for row in rows)):
        own = [row for row in rows if row.attack == name and row.metrics[metric].is_known]
        if not own:
            continue
        estimates = [row.metrics[metric] for row in own]
        data.append(
            {
                "x": [row.num_shadows for row in own],
                "y": _short([e.value for e in estimates]),
                "mode": "lines+markers",
                "name": name,
                "hovertemplate": "%{x} shadow models<br>%{y:.3~%}",
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
    counts = sorted({row.num_shadows for row in rows})
    return {
        "data": data,
        "layout": _layout(
            "shadow models",
            COLUMN[metric],
            {"type": "log", "tickvals": counts},
            {"tickformat": ".2~%", "rangemode": "tozero"},
            height=380,
            showlegend=True,
        ),
        "alt": "How the attacks grow with the number of shadow models.",
    }


@dataclasses.dataclass(frozen=True)
class Point:
    """A run in the chart of accuracy against leakage.

    Attributes:
      name: of the run.
      accuracy: of its models.
      found: the metric of its best attack.
    """

    name: str
    accuracy: float
    found: Estimate


def trade_off(points: Sequence[Point], accuracy_name: str, metric: str) -> Chart:
    """Accuracy against a metric of the attacks, a point a run, with intervals."""
    middle = np.mean([min(p.accuracy for p in points), max(p.accuracy for p in points)])
    data = [
        {
            "x": _short([p.accuracy]),
            "y": _short([p.found.value]),
            "mode": "markers+text",
            "text": [f"  {_label(p.name)}  "],
            "textposition": "middle right" if p.accuracy <= middle else "middle left",
            "name": _label(p.name),
            "cliponaxis": False,
            "marker": {
                "color": COLOURS[i % len(COLOURS)],
                "size": 12,
                "symbol": SYMBOLS[i % len(SYMBOLS)],
            },
            "error_y": _errors([p.found]) | {"color": GREY, "thickness": 1},
            "hovertemplate": "accuracy %{x:.2%}<br>%{y:.3~%}",
        }
        for i, p in enumerate(points)
    ]
    return {
        "data": data,
        "layout": _layout(
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

    def lengths(end: str) -> list[float]:
        gaps = [abs(getattr(e, end) - e.value) for e in estimates]
        return _short([0 if math.isnan(gap) else gap for gap in gaps])

    return {
        "type": "data",
        "symmetric": False,
        "array": lengths("high"),
        "arrayminus": lengths("low"),
    }


def _layout(x_title: str, y_title: str, x_axis: dict, y_axis: dict, **more) -> dict[str, Any]:
    grid = {
        "gridcolor": "#e5e7eb",
        "automargin": True,
        "linecolor": "#6b7280",
        "showline": True,
        "zeroline": False,
    }
    return {
        "xaxis": {**grid, "title": {"text": x_title, "standoff": 8}, **x_axis},
        "yaxis": {**grid, "title": {"text": y_title, "standoff": 8}, **y_axis},
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1f2937"},
        "legend": {"orientation": "h", "y": -0.22},
        "hovermode": "closest",
        "dragmode": False,
        "hoverlabel": {"namelength": -1},
        **more,
    }


def _label(name: str) -> str:
    """A name as plotly takes it: it reads <b> and the like as markup."""
    return str(name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(values) -> list[float | None]:
    """Five digits, enough for any drawing; None where there is no number."""
    return [None if v is None or not np.isfinite(v) else float(f"{v:.5g}") for v in values]
