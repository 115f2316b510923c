"""Defences side by side: a row a defence, attacked by who knows it and by who does not."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from lira_jax.audit.csv_table import csv_table
from lira_jax.audit.results import Results
from lira_jax.evaluation.estimate import Estimate, mean_estimate
from lira_jax.report import material as materials
from lira_jax.report import sections, wording
from lira_jax.report.details import Table
from lira_jax.report.material import Material
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import NAIVE, RESULTS

ACCURACY = ("test set", "non-members")
"""The examples that accuracy is on: the first that all runs have."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A defence.

    Attributes:
      run: as it is attacked by one who knows the defence.
      naive: what is found by one whose shadow models have none; None where that was not asked for.
      privacy: what privacy.json says of it; None without DP-SGD.
      seconds: of training and of what is released, a model; NaN if it is not known.
    """

    run: Material
    naive: Results | None = None
    privacy: dict[str, Any] | None = None
    seconds: float = math.nan


def read(run: RunDirectory) -> Entry:
    """What is known of a run, or of what it releases (released/NAME).

    Raises:
      UserError: results are missing or damaged.
    """
    found = materials.read_results(run)
    # What is released is of models that were trained in the run around it.
    home = RunDirectory(run.path.parent.parent) if found.results.release else run
    trained = found.target_metrics
    if found.results.release:
        trained = [r for r in home.read_metrics() if r.get("model") in found.results.targets]
        trained = list({r["model"]: r for r in trained}.values())
    of_each = [r["chunk_seconds"] / r["chunk_models"] for r in trained if r.get("chunk_models")]
    seconds = sum(of_each) / len(of_each) if of_each else math.nan
    if found.results.release:
        view, models = layout.released(found.results.release), found.results.targets
        files = [view.seconds(model) for model in models if isinstance(model, int)]
        # Runs of before November 2026 do not know them.
        known = bool(files) and all(map(home.has, files))
        seconds += float(np.mean([home.read(f) for f in files])) if known else math.nan
    naive = run.path / NAIVE
    return Entry(
        found,
        Results.read(naive) if (naive / RESULTS).exists() else None,
        home.read_privacy(),
        seconds,
    )


@dataclasses.dataclass(frozen=True)
class Figures:
    """A row of the benchmark; NaN stands for what is not known.

    Attributes:
      name: of the defence.
      accuracy: of the targets, mean with its interval, from 0 to 1.
      ece: expected calibration error on non-members.
      proved: epsilon that DP-SGD proves; infinite without any proof.
      measured: lower bound on epsilon of the attack that knows the defence.
      adaptive: metric of the attack that knows the defence.
      naive: of the one that does not.
      auc: of the one that does.
      far: its share of non-members called members, at thresholds of shadow models.
      seconds: of training and of what is released, a model.
    """

    name: str
    accuracy: Estimate
    ece: float
    proved: float
    measured: float
    adaptive: Estimate
    naive: Estimate
    auc: Estimate
    far: float
    seconds: float


def figures(
    entries: Sequence[Entry], names: Sequence[str], attack: str, metric: str
) -> tuple[list[Figures], str]:
    """The rows, and the examples that accuracy is on.

    Args:
      names: of the entries.
      attack: that judges all of them, fixed beforehand.
      metric: of the attack, a key of wording.COLUMN.
    """
    groups = [sections.accuracies(entry.run) for entry in entries]
    on = next((g for g in ACCURACY if all(g in own for own in groups)), "")
    rows = []
    for name, entry, own in zip(names, entries, groups, strict=True):
        found = entry.run.results.attacks[attack]
        naive = entry.naive and entry.naive.attacks.get(attack)
        calibration = entry.run.results.calibration
        decided = found.decisions and found.decisions["1:1"]
        privacy = entry.privacy or {}
        rows.append(
            Figures(
                name,
                mean_estimate(own[on]) if on else Estimate(math.nan),
                calibration.ece if calibration else math.nan,
                math.inf if privacy.get("epsilon") is None else float(privacy["epsilon"]),
                found.epsilon.value,
                found.metrics[metric],
                naive.metrics[metric] if naive else Estimate(math.nan),
                found.metrics["auc"],
                decided.far if decided else math.nan,
                entry.seconds,
            )
        )
    return rows, on


def _columns(on: str, metric: str) -> list[str]:
    tpr = wording.COLUMN[metric]
    return [
        f"accuracy on {on}" if on else "accuracy",
        "ECE",
        "ε proved",
        "ε at least",
        f"{tpr}, adaptive",
        f"{tpr}, naive",
        "AUC, adaptive",
        "false alarm rate",
        "seconds a model",
    ]


def cells(row: Figures, metric: str) -> list[dict]:
    """A row as the page's tables have it."""
    return [
        wording.cell("accuracy", row.accuracy),
        _number(row.ece, "{:.3f}"),
        _number(row.proved, "{:.3g}"),
        _number(row.measured, "{:.2f}"),
        wording.cell(metric, row.adaptive),
        wording.cell(metric, row.naive),
        wording.cell("auc", row.auc),
        wording.cell("far", Estimate(row.far)),
        _number(row.seconds, "{:.3g}"),
    ]


def _number(value: float, form: str) -> dict:
    if math.isnan(value):
        return {"text": "–", "interval": "", "sort": ""}
    text = "none" if math.isinf(value) else form.format(value)
    return {"text": text, "interval": "", "sort": repr(value)}


def of_page(rows: Sequence[Figures], on: str, metric: str) -> dict:
    """The table of the page."""
    return {
        "columns": _columns(on, metric),
        "rows": [{"name": r.name, "about": "", "cells": cells(r, metric)} for r in rows],
    }


def of_terminal(rows: Sequence[Figures], on: str, metric: str, attack: str) -> Table:
    """The table of the terminal."""

    def text(cell: dict) -> str:
        ends = f" [{cell['interval'].replace(' to ', ', ')}]" if cell["interval"] else ""
        return (cell["text"] + ends).replace(wording.PERCENT, " %").replace("–", "-")

    heads = [c.replace("ε", "epsilon").replace(wording.PERCENT, " %") for c in _columns(on, metric)]
    return Table(
        f"Defences against {attack}",
        ["defence", *heads],
        [[row.name, *map(text, cells(row, metric))] for row in rows],
        "One attack for all, fixed beforehand. Adaptive: its shadow models have the defence; "
        "naive: they have none. ECE is on non-members, the false alarm rate at thresholds of "
        "shadow models, seconds are of training and of what is released. Intervals are of 95 %.",
    )


def to_csv(rows: Sequence[Figures], on: str, metric: str, attack: str) -> str:
    """What compare.csv holds: a row a defence; an empty cell stands for what is not known."""
    fields = [field.name for field in dataclasses.fields(Figures)]
    intervals = ("accuracy", "adaptive", "naive", "auc")
    ends = {f"{name}_{end}": (name, end) for name in intervals for end in ("low", "high")}

    def line(row: Figures) -> dict[str, Any]:
        own = {name: getattr(row, name) for name in fields}
        return {
            **{"attack": attack, "metric": metric, "accuracy_on": on},
            **{name: v.value if isinstance(v, Estimate) else v for name, v in own.items()},
            **{key: getattr(own[name], end) for key, (name, end) in ends.items()},
        }

    columns = ["attack", "metric", "accuracy_on", *fields, *ends]
    return csv_table(columns, map(line, rows))


def is_naive(path: str) -> bool:
    """Whether a path is of results of an attacker who does not know a defence."""
    return pathlib.Path(path).name == NAIVE
