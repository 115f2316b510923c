"""The page that sets several runs side by side, to choose a recipe or a defence."""

import math
from collections.abc import Sequence

from lira_jax.errors import UserError
from lira_jax.evaluation.estimate import Estimate, mean_estimate
from lira_jax.evaluation.roc import TPR_AT
from lira_jax.experiment import FIELDS
from lira_jax.report import benchmark, page, sections, wording
from lira_jax.report.benchmark import Entry
from lira_jax.report.charts.leakage import Point, trade_off
from lira_jax.report.charts.roc import roc, styles
from lira_jax.report.material import Material


def difference(a: Estimate, b: Estimate) -> Estimate:
    """b - a with an interval from those of the two, taken to be independent.

    MOVER: Zou and Donner 2008, "Construction of confidence limits about effect measures", equation
    4. It keeps the asymmetry of intervals near 0, which adding standard errors does not.
    """
    value = b.value - a.value
    return Estimate(
        value,
        value - math.hypot(b.value - b.low, a.high - a.value),
        value + math.hypot(b.high - b.value, a.value - a.low),
    )


def distinct_names(paths: list[str]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    parts = [path.strip("/").split("/") for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({i})" for i, path in enumerate(paths, 1)]


def render(
    runs: list[Material],
    names: list[str],
    attack: str = "",
    entries: Sequence[Entry] = (),
) -> str:
    """The comparison page; the first run is the one that the others are compared with.

    All runs are judged by one attack. Each run's own best one would be chosen on the data that it
    is then reported for, and runs with more attacks would seem to leak more.

    Args:
      runs: at least two, as read_results gives them.
      names: distinct, of the runs.
      attack: the attack; empty for the first of wording.FIXED that was run in all of them.
      entries: the same runs with what else a benchmark of defences shows; empty for the runs alone.

    Raises:
      UserError: the attack was not run in all runs, or they have none in common.
    """
    attack = common_attack(runs, names, attack)
    entries = entries or [Entry(run) for run in runs]
    metric = common_metric(runs, attack)
    groups = [sections.accuracies(r) for r in runs]
    rows, held_out = benchmark.figures(entries, names, attack, metric)
    estimates = [_estimates(r, attack, own) for r, own in zip(runs, groups, strict=True)]
    found = {name: r.results.attacks[attack] for name, r in zip(names, runs, strict=True)}
    style = styles(names, names)
    drawn = {"roc": roc(found, style, names)}
    if held_out:
        points = [Point(r.name, r.accuracy.value, r.adaptive, r.accuracy, r.naive) for r in rows]
        drawn["trade-off"] = trade_off(points, f"accuracy on {held_out}", metric)
    columns = [c for c in estimates[0] if any(c in e and e[c].is_known for e in estimates)]
    return page.fill(
        "compare.html",
        drawn,
        names=names,
        sentence=_sentence(names, [e[metric] for e in estimates], metric),
        attack=attack,
        benchmark=benchmark.of_page(rows, held_out, metric),
        curves=page.curves(style, names),
        accuracy_name=f"Accuracy on {held_out}",
        metric_name=wording.COLUMN[metric],
        table=_table(columns, list(zip(names, estimates, strict=True))),
        differences=_table(
            columns,
            [
                (name, {c: _difference(estimates[0].get(c), e.get(c)) for c in columns})
                for name, e in zip(names[1:], estimates[1:], strict=True)
            ],
            signed=True,
        ),
        trust=trust(runs, names, attack),
        settings=_settings(runs),
    )


def common_attack(runs: list[Material], names: list[str], asked: str = "") -> str:
    """The attack that all runs are judged by.

    Args:
      runs: to compare.
      names: of the runs.
      asked: the attack; empty for the first of wording.FIXED that was run in all of them, else the
        first of any.

    Raises:
      UserError: the attack was not run in all runs, or they have none in common.
    """
    everywhere = [n for n in runs[0].results.attacks if all(n in r.results.attacks for r in runs)]
    if not everywhere:
        raise UserError(
            f"--compare: no attack was run in all of {', '.join(names)}: run lira-attack with the "
            "same --attacks"
        )
    if asked:
        for name, run in zip(names, runs, strict=True):
            if asked not in run.results.attacks:
                raise UserError(
                    f"--compare_attack={asked}: it was not run in {name}; these were run in all: "
                    f"{', '.join(everywhere)}"
                )
        return asked
    return next((name for name in wording.FIXED if name in everywhere), everywhere[0])


def common_metric(runs: list[Material], attack: str) -> str:
    """The headline's metric, as far as every run resolves it."""
    for metric in wording.HEADLINE:
        if all(r.results.attacks[attack].metrics[metric].is_known for r in runs):
            return metric
    return "auc"


def _estimates(run: Material, attack: str, groups: dict[str, list[float]]) -> dict[str, Estimate]:
    metrics = run.results.attacks[attack].metrics
    found: dict[str, Estimate] = {m: metrics[m] for m in (*reversed(TPR_AT), "auc")}
    own = run.results.calibration_of(attack)
    if own:
        found["calibrated"] = own.at["1e-2"].tpr
    found |= {group: mean_estimate(values) for group, values in groups.items()}
    if {"members", "non-members"} <= groups.keys():
        found["gap"] = difference(found["non-members"], found["members"])
    return found


def trust(runs: list[Material], names: list[str], attack: str) -> dict:
    """Calibration, shift of the scores and false alarms on probes (Hintersdorf et al. 2022).

    Probes are counted for the attack that all runs are judged by, or where that needs shadows that
    trained on them, for the maximum score.

    Args:
      runs: to compare.
      names: of the runs.
      attack: that all runs are judged by.

    Returns:
      A table as the others of the page; without what no run knows.
    """
    probes = [r.results.probes for r in runs]
    counted = next(
        (
            name
            for name in (attack, "maximum_score", "loss")
            if any(name in p.false_positive_rate for own in probes for p in own.values())
        ),
        None,
    )
    rows = []
    for name, run, own in zip(names, runs, probes, strict=True):
        found = run.results.calibration
        cells = {
            "ECE": Estimate(found.ece if found else math.nan),
            "OE": Estimate(found.oe if found else math.nan),
            "EMD, non-members": Estimate(found.score_shift if found else math.nan),
        }
        for probe, of_probe in own.items():
            if of_probe.num_probes is not None:
                cells[f"EMD, {probe}"] = Estimate(of_probe.score_shift)
            if counted and counted in of_probe.false_positive_rate:
                cells[f"FPR of {counted}, {probe}"] = of_probe.false_positive_rate[counted]
        rows.append((name, cells))
    columns = list(dict.fromkeys(c for _, cells in rows for c, e in cells.items() if e.is_known))
    return {
        "columns": columns,
        "rows": [
            {
                "name": name,
                "about": "",
                "cells": [wording.cell("auc" if "EMD" in c else c, cells.get(c)) for c in columns],
            }
            for name, cells in rows
        ],
    }


def _difference(a: Estimate | None, b: Estimate | None) -> Estimate | None:
    return None if a is None or b is None else difference(a, b)


def _table(columns: list[str], rows: list[tuple[str, dict]], signed: bool = False) -> dict:
    names = {
        "members": "accuracy on members",
        "non-members": "accuracy on non-members",
        "test set": "accuracy on test set",
        "gap": "accuracy gap",
        "calibrated": wording.CALIBRATED,
    }
    return {
        "columns": [wording.COLUMN.get(c) or names[c] for c in columns],
        "rows": [
            {
                "name": name,
                "about": "",
                "cells": [_cell(c, found.get(c), signed) for c in columns],
            }
            for name, found in rows
        ],
    }


def _cell(column: str, estimate: Estimate | None, signed: bool) -> dict:
    if estimate is None or not estimate.is_known or not signed:
        return wording.cell(column, estimate)
    scale, form = (1, "{:+.3f}") if column == "auc" else (100, "{:+.2f}")
    text, low, high = (
        form.format(scale * v) for v in (estimate.value, estimate.low, estimate.high)
    )
    interval = f"{low} to {high}" if estimate.has_interval else ""
    return {"text": text, "interval": interval, "sort": repr(float(estimate.value))}


def _sentence(names: list[str], found: list[Estimate], metric: str) -> str:
    """The least and the most leaking run, and whether they differ beyond their intervals."""
    order = sorted(range(len(found)), key=lambda i: found[i].value)
    least, most = order[0], order[-1]
    text = (lambda v: f"{v:.3f}") if metric == "auc" else (lambda v: wording.percents([v])[0])
    apart = difference(found[least], found[most]).low > 0
    return (
        f"{names[least]} leaks least and {names[most]} most: {wording.COLUMN[metric]} of "
        f"{text(found[least].value)} and {text(found[most].value)}"
        + ("." if apart else ", a difference within the uncertainty of the measurement.")
    )


def _settings(runs: list[Material]) -> list[tuple[str, ...]]:
    fields = dict.fromkeys(name for r in runs for name in r.experiment)
    rows = []
    for name in fields:
        # A run that knew no such field had its default.
        default = FIELDS[name].default if name in FIELDS else "unknown"
        rows.append((name, *(sections.setting(r.experiment.get(name, default)) for r in runs)))
    return [row for row in rows if len(set(row[1:])) > 1]
