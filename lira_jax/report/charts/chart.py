"""A plotly figure as a plain dictionary: what page.js draws."""

from typing import Any

import numpy as np

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

Chart = dict[str, Any]
"""Has data, layout and alt, a text alternative."""


def layout(x_title: str, y_title: str, x_axis: dict, y_axis: dict, **more) -> dict[str, Any]:
    """What all charts look like; more settings of plotly's layout replace these."""
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


def label(name: str) -> str:
    """A name as plotly takes it: it reads <b> and the like as markup."""
    return str(name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(values) -> list[float | None]:
    """Five digits, enough for any drawing; None where there is no number."""
    return [None if v is None or not np.isfinite(v) else float(f"{v:.5g}") for v in values]
