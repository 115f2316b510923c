"""ROC curves, log-log and linear."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax.evaluation.roc import Roc, thin
from lira_jax.evaluation.summary import CurveRow, Summary
from lira_jax.report.charts.chart import DASHES, Chart, label, layout, short
from lira_jax.report.colours import COLOURS

ROC_POINTS = 240  # a curve, so that 40 attacks take half a megabyte
LINEAR_POINTS = 120
_GUESSING = {
    "mode": "lines",
    "name": "guessing",
    "hoverinfo": "skip",
    "line": {"color": "#9ca3af", "dash": "dot", "width": 1.5},
}
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
    curves: Mapping[str, Summary | CurveRow],
    style: dict[str, dict[str, str]],
    shown: Sequence[str],
) -> Chart:
    """Log-log ROC (LiRA, section III-B and figure 2b) as steps.

    Args:
      curves: name -> what its attack finds.
      style: as `styles` gives it.
      shown: names that are visible at first.
    """
    floor = 10.0 ** np.floor(np.log10(1 / min(found.num_nonmembers for found in curves.values())))
    axis = {
        "type": "log",
        "range": [float(np.log10(floor)), 0],
        "dtick": 1,
        "exponentformat": "power",
    }
    return _chart(
        {name: log_steps(found, floor) for name, found in curves.items()},
        {name: {**line, "width": 2.2, "shape": "hv"} for name, line in style.items()},
        shown,
        axis,
        guessing=[floor, 1],
        hover="FPR %{x:.2~e}<br>TPR %{y:.3~%}",
        alt="Log-log ROC curves of the attacks; the table below holds their values.",
    )


def linear(
    curves: Mapping[str, Summary | CurveRow],
    style: dict[str, dict[str, str]],
    shown: Sequence[str],
) -> Chart:
    """The same curves on linear axes (LiRA figure 2a), where attacks look alike that differ much at
    low false positive rates; arguments as of `roc`."""
    return _chart(
        {name: even_points(found) for name, found in curves.items()},
        {name: {**line, "width": 2.2} for name, line in style.items()},
        shown,
        {"range": [0, 1], "dtick": 0.2},
        guessing=[0, 1],
        hover="FPR %{x:.1~%}<br>TPR %{y:.1~%}",
        alt="The same ROC curves on linear axes.",
    )


def _chart(
    points: Mapping[str, tuple[list[float | None], list[float | None]]],
    lines: Mapping[str, Mapping[str, Any]],
    shown: Sequence[str],
    axis: dict[str, Any],
    *,
    guessing: list[float],
    hover: str,
    alt: str,
) -> Chart:
    """Curves, name -> FPRs and TPRs, on two axes of one kind, with the line of guessing."""
    data: list[dict[str, Any]] = [{"x": guessing, "y": guessing, **_GUESSING}]
    for name, (fpr, tpr) in points.items():
        data.append(
            {
                "x": fpr,
                "y": tpr,
                "mode": "lines",
                "name": label(name),
                "meta": name,
                "visible": name in shown,
                "line": lines[name],
                "hovertemplate": hover,
            }
        )
    return {
        "data": data,
        "layout": layout(
            "false positive rate",
            "true positive rate",
            axis,
            axis,
            height=470,
            showlegend=False,
        ),
        "alt": alt,
    }


def even_points(
    found: Summary | CurveRow, most: int = LINEAR_POINTS
) -> tuple[list[float | None], list[float | None]]:
    """A few points of a ROC, spread evenly along the curve; each is exact."""
    assert found.roc is not None, "those without are not drawn"
    fpr, tpr = np.array(found.roc.fpr), np.array(found.roc.tpr)
    along = fpr + tpr  # from 0 to 2
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], most)))
    return short(fpr[kept]), short(tpr[kept])


def log_steps(
    found: Summary | CurveRow, floor: float
) -> tuple[list[float | None], list[float | None]]:
    """A ROC that a log axis can hold: it begins at `floor` with the TPR reached there."""
    assert found.roc is not None, "those without are not drawn"
    fpr, tpr = np.array(found.roc.fpr), np.array(found.roc.tpr)
    fp, tp = (
        np.rint(r * n).astype(int)
        for r, n in ((fpr, found.num_nonmembers), (tpr, found.num_members))
    )
    whole = Roc(fp, tp, np.zeros_like(fpr), found.num_members, found.num_nonmembers)
    few = thin(whole, ROC_POINTS)
    above = few.fpr > floor
    first = tpr[np.searchsorted(fpr, floor, side="right") - 1]
    x, y = np.append(floor, few.fpr[above]), np.append(first, few.tpr[above])
    return short(x), short(np.where(y > 0, y, floor / 10))  # log 0 would break the line
