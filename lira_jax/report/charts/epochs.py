"""An attack and the targets over the epochs of training (Rezaei and Liu 2021, figures 3 to 8)."""

import math
from collections.abc import Mapping, Sequence

from lira_jax.audit.results import EpochRow
from lira_jax.evaluation.groups import GROUPS
from lira_jax.report.charts.chart import DASHES, SYMBOLS, Chart, layout, short
from lira_jax.report.colours import COLOURS

_KINDS = {"train": "members", "out": "non-members of the pool", "test": "test set"}


def charts(rows: Sequence[EpochRow]) -> dict[str, Chart]:
    """Name -> chart, of what is known of some epochs."""
    epochs = [row.epoch for row in rows]

    def logged(what: str) -> dict[str, list[float]]:
        return {
            name: [getattr(row, f"{kind}_{what}") for row in rows] for kind, name in _KINDS.items()
        }

    def decided(what: str) -> dict[str, list[float]]:
        return {
            group: [getattr(row.groups.get(group), what, math.nan) for row in rows]
            for group in GROUPS
        }

    ranked = {
        group: [_tpr(row if group == "all" else getattr(row, group)) for row in rows]
        for group in GROUPS
    }
    wrong = {"members": [row.misclassified_members for row in rows]}
    drawn = {
        "epochs-accuracy": ("accuracy", logged("accuracy"), ".0%"),
        "epochs-loss": ("mean loss", logged("loss"), ""),
        "epochs-attack": ("balanced accuracy", decided("balanced_accuracy"), ".1%"),
        "epochs-far": ("false alarm rate", decided("far"), ".0%"),
        "epochs-tpr": ("TPR at 0.1 % FPR", ranked, ".2~%"),
        "epochs-wrong": ("misclassified members", wrong, ""),
    }
    found = {
        name: _lines(epochs, curves, title, form) for name, (title, curves, form) in drawn.items()
    }
    return {name: chart for name, chart in found.items() if chart["data"]}


def _tpr(row) -> float:
    return row.metrics["tpr_at_1e-3"].value if row else math.nan


def _lines(
    epochs: Sequence[int], curves: Mapping[str, Sequence[float]], title: str, form: str
) -> Chart:
    """A curve a name, of which there is a value; `form` is the axis's number format."""
    data = [
        {
            "x": list(epochs),
            "y": short(values),
            "mode": "lines+markers",
            "name": name,
            "line": {"color": COLOURS[i], "dash": DASHES[i], "width": 2},
            "marker": {"symbol": SYMBOLS[i], "size": 6},
            "hovertemplate": f"epoch %{{x}}<br>%{{y:{form}}}" if form else "epoch %{x}<br>%{y:.4g}",
        }
        for i, (name, values) in enumerate(curves.items())
        if not all(math.isnan(v) for v in values)
    ]
    axis = {"tickformat": form} if form else {"rangemode": "tozero"}
    return {
        "data": data,
        "layout": layout("epoch", title, {}, axis, height=320, showlegend=True),
        "alt": f"{title} over {len(epochs)} epochs, from {epochs[0]} to {epochs[-1]}.",
    }
