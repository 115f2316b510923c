"""The tables and lists of the page, as text that its template only places."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.audit.results import ProbeResults, QueryRow, Results, StatisticRow
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.calibrated import Calibrated
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.exposure import SourceExposure
from lira_jax.evaluation.risk import PrecisionRecall
from lira_jax.evaluation.roc import TPR_AT
from lira_jax.evaluation.summary import Row
from lira_jax.report.material import Material
from lira_jax.report.wording import CALIBRATED, COLUMN, cell, percents


def attack_table(results: Results) -> dict[str, Any]:
    """The table of all attacks; a TPR that no attack resolves has no column.

    Args:
      results: of the audit.

    Returns:
      columns: headings; rows: name, about and cells; unresolved: headings left out; bound: what the
      bounds on epsilon are for.
    """
    attacks = results.attacks
    resolved = [m for m in TPR_AT if any(a.metrics[m].is_known for a in attacks.values())]
    tprs, others = [*reversed(resolved)], ["balanced_accuracy", "auc"]
    rows, bound = [], ""
    for name, found in attacks.items():
        bound = f"δ = {found.epsilon.delta:g}, at {100 * found.epsilon.confidence:g} % confidence"
        decided = found.decisions["1:1"] if found.decisions else None
        cells = [cell(m, found.metrics[m]) for m in tprs]
        if results.calibrated:
            cells.append(_calibrated(results.calibration_of(name)))
        cells += [cell(m, found.metrics[m]) for m in others]
        cells += [
            cell("balanced_accuracy", Estimate(decided.balanced_accuracy) if decided else None),
            cell("far", Estimate(decided.far) if decided else None),
            _number(found.epsilon.value, "{:.2f}"),
        ]
        number = found.num_unscored
        about = f"without {number:,} example{'s' if number > 1 else ''}" if number else ""
        rows.append({"name": name, "about": about, "cells": cells})
    return {
        "columns": [
            *(COLUMN[m] for m in tprs),
            *([CALIBRATED] if results.calibrated else []),
            "balanced accuracy (oracle)",
            "AUC",
            "balanced accuracy (shadow)",
            "false alarm rate (shadow)",
            "ε at least",
        ],
        "rows": rows,
        "bound": bound,
        "unresolved": [COLUMN[m] for m in TPR_AT if m not in resolved],
    }


def accuracies(material: Material) -> dict[str, list[float]]:
    """Group of examples -> accuracy of each target, from results.json, else from metrics.jsonl."""
    found = material.results.accuracy
    groups: dict[str, Sequence[float]] = {
        "members": found.members if found else _logged(material, "train_accuracy"),
        "non-members": found.nonmembers if found else _logged(material, "out_accuracy"),
        "test set": _logged(material, "test_accuracy"),
    }
    known = {n: [v for v in values if not math.isnan(v)] for n, values in groups.items()}
    return {name: values for name, values in known.items() if values}


def perplexity_table(material: Material) -> list[tuple[str, ...]]:
    """(group, mean, lowest, highest) of the targets' perplexities; empty of other data than text.

    The perplexity of a model is exp of the mean, over sequences, of their mean loss.
    """
    if not material.is_text:
        return []
    kinds = {"members": "train_loss", "non-members": "out_loss", "test set": "test_loss"}
    groups = {name: [math.exp(v) for v in _logged(material, f)] for name, f in kinds.items()}
    return [
        (name, *(f"{of(own):.4g}" for of in (np.mean, np.min, np.max)))
        for name, own in groups.items()
        if own and not any(map(math.isnan, own))
    ]


def accuracy_table(groups: dict[str, list[float]]) -> list[tuple[str, ...]]:
    """(group, mean, lowest, highest) of the models' accuracies."""
    return [
        (n, *(f"{100 * f(v):.2f} %" for f in (np.mean, np.min, np.max))) for n, v in groups.items()
    ]


def generalisation(groups: dict[str, list[float]]) -> dict[str, str] | None:
    """The gap between members and non-members, and what guessing by correctness makes of it."""
    if not {"members", "non-members"} <= groups.keys():
        return None
    gap = float(np.mean(groups["members"]) - np.mean(groups["non-members"]))
    return {"gap": f"{100 * gap:.2f}", "naive": f"{100 * (1 + gap) / 2:.2f} %"}


def split_table(attacks: Mapping[str, AttackResults]) -> dict[str, Any] | None:
    """Metrics on correctly and wrongly classified pairs (Rezaei and Liu 2021, table 4), or None."""
    groups = {
        "correct": {n: a.correct for n, a in attacks.items()},
        "misclassified": {n: a.misclassified for n, a in attacks.items()},
    }
    found = [row for rows in groups.values() for row in rows.values() if row]
    if not found:
        return None
    tpr = [m for m in TPR_AT if any(row.metrics[m].is_known for row in found)]
    metrics = ["auc", *tpr[:2]]
    shown = [n for n in attacks if any(rows[n] for rows in groups.values())]
    return {
        "columns": [f"{COLUMN[m]}, {g}" for m in metrics for g in groups],
        "rows": [
            {
                "name": name,
                "about": "",
                "cells": [
                    cell(m, row.metrics[m] if (row := rows[name]) else None)
                    for m in metrics
                    for rows in groups.values()
                ],
            }
            for name in shown
        ],
        "sizes": [
            (group, f"{row.num_members:,}", f"{row.num_nonmembers:,}")
            for group, rows in groups.items()
            if (row := rows[shown[0]])
        ],
    }


def class_table(material: Material, attack: str) -> dict[str, Any]:
    """A row a class: exposure, an attack's AUC, risk and gap, as far as they are known; no row of
    text."""
    if material.is_text:
        return {"columns": [], "rows": []}
    per_class = material.results.attacks[attack].per_class
    by_class = material.results.risk and material.results.risk.by_class
    labels = material.labels
    known = set(per_class) | (set() if labels is None else set(np.unique(labels).tolist()))
    rows = []
    for k in sorted(known):
        own = None if material.exposed is None else material.exposed.exposure[labels == k]
        own = own if own is None else own[~np.isnan(own)]
        gap = by_class and _at(by_class.generalization_gap, k)
        rows.append(
            {
                "name": material.class_name(k),
                "about": "",
                "cells": [
                    _number(None if labels is None else int(np.sum(labels == k)), "{:d}"),
                    _number(
                        None if own is None or not own.size else float(np.median(own)), "{:.3f}"
                    ),
                    _number(per_class.get(k, {}).get("auc"), "{:.3f}"),
                    _number(by_class and _at(by_class.risk, k), "{:.3f}"),
                    _number(gap and 100 * gap, "{:.1f}"),
                ],
            }
        )
    columns = [
        "examples",
        "median exposure",
        f"AUC of {attack}",
        "mean privacy risk",
        "accuracy gap (percentage points)",
    ]
    return {"columns": columns, "rows": rows}


def ablation_table(rows: Sequence[Row]) -> dict[str, Any] | None:
    """What each component of LiRA adds (LiRA table II); None without rows."""
    return _variants([(row.attack, row) for row in rows])


def query_table(rows: Sequence[QueryRow]) -> dict[str, Any] | None:
    """LiRA with fewer queries (LiRA table III); None without rows."""
    return _variants([(f"{row.attack}, {row.num_queries}", row) for row in rows])


def statistic_table(rows: Sequence[StatisticRow]) -> dict[str, Any] | None:
    """LiRA on other statistics (LiRA figure 8), with what each is; None without rows."""
    summaries = {name: line.summary for name, line in DERIVED.items()}
    return _variants(
        [(f"{row.attack}, {row.statistic}", row) for row in rows],
        [summaries.get(row.statistic, "the scaled logit") for row in rows],
    )


def _variants(rows: Sequence[tuple[str, Row]], abouts: Sequence[str] = ()) -> dict[str, Any] | None:
    """A table of metrics of variants of an attack, with a line on each where one is given."""
    if not rows:
        return None
    metrics = [m for m in ("auc", *TPR_AT) if any(row.metrics[m].is_known for _, row in rows)]
    return {
        "columns": [COLUMN[m] for m in metrics],
        "rows": [
            {"name": name, "about": about, "cells": [cell(m, row.metrics[m]) for m in metrics]}
            for (name, row), about in zip(rows, abouts or [""] * len(rows), strict=True)
        ],
    }


def source_table(sources: Mapping[str, SourceExposure]) -> list[tuple[str, ...]]:
    """(source, examples, quartiles of exposure) of the pool and of the outliers put into it."""
    rows = []
    for name, found in sources.items():
        quartiles = (found.lower_quartile, found.median, found.upper_quartile)
        rows.append(
            (name, f"{found.num_examples:,}", *(_number(q, "{:.3f}")["text"] for q in quartiles))
        )
    return rows


def probe_table(probes: Mapping[str, ProbeResults]) -> dict[str, Any] | None:
    """False-positive rate of each attack on each set of probes; None without probes."""
    attacks = dict.fromkeys(name for p in probes.values() for name in p.false_positive_rate)
    if not attacks:
        return None
    rows = []
    for name in attacks:
        cells = [cell("far", p.false_positive_rate.get(name)) for p in probes.values()]
        rows.append({"name": name, "about": "", "cells": cells})
    return {"columns": list(probes), "rows": rows}


def risk_table(found: PrecisionRecall) -> list[tuple[str, str, str]]:
    """(threshold, precision, recall) of the privacy risk score (Song and Mittal 2021, table 6)."""
    rows = zip(found.threshold, found.precision, found.recall, strict=True)
    return [
        (f"{t:g}", "–" if math.isnan(p) else f"{100 * p:.1f} %", percents([r])[0] or "–")
        for t, p, r in rows
    ]


def facts(material: Material) -> list[tuple[str, str]]:
    """What was trained, with what and on what, in the order a reader asks."""
    e, stored = material.experiment, material.stored
    trained = material.metrics + (material.target_metrics if material.results.target_run else [])
    seconds = sum(r["chunk_seconds"] / r["chunk_models"] for r in trained if r.get("chunk_models"))
    used = len(material.results.models)
    targets = (
        material.results.target_recipe
        and f"{len(material.results.targets)} of another recipe: {recipe(material)}"
    )
    found = [
        ("data", " ".join(str(e[n]) for n in ("dataset", "data_path") if e.get(n))),
        (
            "examples with a membership bit",
            "" if material.labels is None else f"{len(material.labels):,}",
        ),
        (
            "shadow models" if targets else "models",
            f"{used} used" + (f" of {e['num_models']}" if e else ""),
        ),
        ("targets", targets),
        ("queries used", str(material.results.used_queries or "")),
        ("device", stored.get("device", "")),
        ("machine", stored.get("machine", "")),
        ("training time", f"{seconds:,.0f} s for these models" if seconds else ""),
        ("versions", ", ".join(f"{n} {v}" for n, v in stored.get("versions", {}).items())),
        ("git commit", stored.get("git_commit") or ""),
        ("experiment begun", stored.get("written", "")),
    ]
    return [(name, value) for name, value in found if value]


def recipe(material: Material) -> str:
    """In what the targets' recipe differs from the shadow models'."""
    differences = material.results.target_recipe
    return ", ".join(f"{name}={setting(value)}" for name, value in differences.items())


def settings(material: Material) -> list[tuple[str, str]]:
    """Every field of the experiment."""
    return [(name, setting(value)) for name, value in material.experiment.items()]


def setting(value) -> str:
    """A field of the experiment as its flag takes it; the targets' recipe as a list of fields."""
    if isinstance(value, dict):
        return " ".join(f"{name}={setting(v)}" for name, v in value.items())
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _logged(material: Material, name: str) -> list[float]:
    values = [record.get(name) for record in material.target_metrics]
    return [math.nan if value is None else value for value in values]


def _calibrated(found: Calibrated | None) -> dict[str, str]:
    """TPR with a threshold for each example at 1 %, its interval and the FPR in fact."""
    if found is None:
        return cell("tpr", None)
    rates = found.at["1e-2"]
    shown = cell("tpr", rates.tpr)
    return {**shown, "interval": f"{shown['interval']},\nFPR {cell('fpr', rates.fpr)['text']}"}


def _number(value, form: str) -> dict[str, str]:
    known = value is not None and np.isfinite(value)
    return {
        "text": form.format(value) if known else "–",
        "interval": "",
        "sort": repr(value) if known else "",
    }


def _at(values: Sequence[float], k: int) -> float | None:
    return values[k] if k < len(values) else None
