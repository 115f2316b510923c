"""The page that sets several runs side by side, to choose a recipe or a defence."""

import math

import numpy as np
from scipy import stats

from lira_jax.evaluation.roc import TPR_AT
from lira_jax.experiment import FIELDS
from lira_jax.report import charts, page, sections, wording
from lira_jax.report.material import Material

Estimate = tuple[float, float | None, float | None]  # value and its 95 % interval


def difference(a: Estimate, b: Estimate) -> Estimate:
    """b - a with an interval from those of the two, taken to be independent.

    MOVER: Zou and Donner 2008, "Construction of confidence limits about effect measures", equation
    4. It keeps the asymmetry of intervals near 0, which adding standard errors does not.
    """
    value = b[0] - a[0]
    if None in a or None in b:
        return value, None, None
    return (
        value,
        value - math.hypot(b[0] - b[1], a[2] - a[0]),
        value + math.hypot(b[2] - b[0], a[0] - a[1]),
    )


def mean_estimate(values: list[float]) -> Estimate:
    """Mean over models with Student's interval; none with a single model."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None, None
    half = float(
        stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    )
    return mean, mean - half, mean + half


def distinct_names(paths: list[str]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    parts = [path.strip("/").split("/") for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({i})" for i, path in enumerate(paths, 1)]


def render(runs: list[Material], names: list[str]) -> str:
    """The comparison page; the first run is the one that the others are compared with.

    Args:
      runs: at least two, as read_results gives them.
      names: distinct, of the runs.
    """
    figure = common_figure(runs)
    best = [max(r.results["attacks"], key=lambda n, r=r: _value(r, n, figure)) for r in runs]
    groups = [sections.accuracies(r) for r in runs]
    held_out = next(
        (g for g in ("test set", "non-members") if all(g in one for one in groups)), None
    )
    estimates = [
        _estimates(r, attack, own) for r, attack, own in zip(runs, best, groups, strict=True)
    ]
    labels = [f"{name}: {attack}" for name, attack in zip(names, best, strict=True)]
    entries = {
        label: r.results["attacks"][a] for label, r, a in zip(labels, runs, best, strict=True)
    }
    style = charts.styles(labels, labels)
    drawn = {"roc": charts.roc(entries, style, labels)}
    if held_out:
        points = [
            {
                "name": name,
                "accuracy": e[held_out][0],
                **dict(zip(("value", "low", "high"), e[figure], strict=True)),
            }
            for name, e in zip(names, estimates, strict=True)
        ]
        drawn["trade-off"] = charts.trade_off(points, f"accuracy on {held_out}", figure)
    columns = [c for c in estimates[0] if any(c in e and e[c][0] is not None for e in estimates)]
    return page.fill(
        "compare.html",
        drawn,
        names=names,
        sentence=_sentence(names, [e[figure] for e in estimates], figure),
        curves=page.curves(style, labels),
        accuracy_name=f"Accuracy on {held_out}",
        figure_name=wording.COLUMN[figure],
        table=_table(columns, [(n, a, e) for n, a, e in zip(names, best, estimates, strict=True)]),
        differences=_table(
            columns,
            [
                (
                    n,
                    f"{a} against {best[0]}",
                    {c: _difference(estimates[0].get(c), e.get(c)) for c in columns},
                )
                for n, a, e in zip(names[1:], best[1:], estimates[1:], strict=True)
            ],
            signed=True,
        ),
        settings=_settings(runs),
    )


def common_figure(runs: list[Material]) -> str:
    """The headline's figure, as far as every run resolves it."""
    for figure in wording.HEADLINE:
        if all(
            any(e[figure]["value"] is not None for e in r.results["attacks"].values()) for r in runs
        ):
            return figure
    return "auc"


def _value(run: Material, attack: str, figure: str) -> float:
    value = run.results["attacks"][attack][figure]["value"]
    return -math.inf if value is None else value


def _estimates(run: Material, attack: str, groups: dict[str, list[float]]) -> dict[str, Estimate]:
    entry = run.results["attacks"][attack]
    found = {
        f: tuple(entry[f][end] for end in ("value", "low", "high"))
        for f in (*reversed(TPR_AT), "auc")
    }
    found |= {group: mean_estimate(values) for group, values in groups.items()}
    if {"members", "non-members"} <= groups.keys():
        found["gap"] = difference(found["non-members"], found["members"])
    return found


def _difference(a: Estimate | None, b: Estimate | None) -> Estimate | None:
    return None if a is None or b is None or a[0] is None or b[0] is None else difference(a, b)


def _table(columns: list[str], rows: list[tuple[str, str, dict]], signed: bool = False) -> dict:
    names = {
        "members": "accuracy on members",
        "non-members": "accuracy on non-members",
        "test set": "accuracy on test set",
        "gap": "accuracy gap",
    }
    return {
        "columns": [wording.COLUMN.get(c) or names[c] for c in columns],
        "rows": [
            {
                "name": name,
                "about": about,
                "cells": [_cell(c, found.get(c), signed) for c in columns],
            }
            for name, about, found in rows
        ],
    }


def _cell(column: str, estimate: Estimate | None, signed: bool) -> dict:
    if estimate is None:
        return wording.cell(column, None)
    if not signed or estimate[0] is None:
        return wording.cell(column, *estimate)
    scale, form = (1, "{:+.3f}") if column == "auc" else (100, "{:+.2f}")
    text, *ends = [None if v is None else form.format(scale * v) for v in estimate]
    interval = "" if None in ends else f"{ends[0]} to {ends[1]}"
    return {"text": text, "interval": interval, "sort": repr(float(estimate[0]))}


def _sentence(names: list[str], found: list[Estimate], figure: str) -> str:
    """The least and the most leaking run, and whether they differ beyond their intervals."""
    order = sorted(range(len(found)), key=lambda i: found[i][0])
    least, most = order[0], order[-1]
    text = (lambda v: f"{v:.3f}") if figure == "auc" else (lambda v: wording.percents([v])[0])
    low = difference(found[least], found[most])[1]
    alike = low is None or low <= 0
    return (
        f"{names[least]} leaks least and {names[most]} most: {wording.COLUMN[figure]} of "
        f"{text(found[least][0])} and {text(found[most][0])}"
        + (", a difference within the uncertainty of the measurement." if alike else ".")
    )


def _settings(runs: list[Material]) -> list[tuple[str, ...]]:
    fields = dict.fromkeys(name for r in runs for name in r.experiment)
    rows = []
    for name in fields:
        default = (
            FIELDS[name].default if name in FIELDS else "unknown"
        )  # of a run that knew no such field
        rows.append((name, *(sections.setting(r.experiment.get(name, default)) for r in runs)))
    return [row for row in rows if len(set(row[1:])) > 1]
