"""The tables and lists of the page, as text that its template only places."""

from typing import Any

import numpy as np

from lira_jax.evaluation.roc import TPR_AT
from lira_jax.report.material import Material
from lira_jax.report.wording import COLUMN, cell, percents


def attack_table(attacks: dict[str, dict]) -> dict[str, Any]:
    """The table of all attacks; a TPR that no attack resolves has no column.

    Args:
      attacks: "attacks" of results.json.

    Returns:
      columns: headings; rows: name, about and cells; unresolved: headings left out.
    """
    resolved = [
        f for f in TPR_AT if any(entry[f]["value"] is not None for entry in attacks.values())
    ]
    figures = [*reversed(resolved), "balanced_accuracy", "auc"]
    rows = []
    for name, entry in attacks.items():
        decided = (entry.get("decisions") or {}).get("1:1", {})
        cells = [cell(f, *(entry[f][end] for end in ("value", "low", "high"))) for f in figures]
        cells += [cell(f, decided.get(f)) for f in ("balanced_accuracy", "far")]
        epsilon = (entry.get("epsilon") or {}).get("value")
        cells.append({**cell("auc", epsilon), "text": "–" if epsilon is None else f"{epsilon:.2f}"})
        rows.append({"name": name, "about": "", "cells": cells})
    return {
        "columns": [
            *(
                COLUMN[f].replace("balanced accuracy", "balanced accuracy (oracle)")
                for f in figures
            ),
            "balanced accuracy (shadow)",
            "false alarm rate (shadow)",
            "ε at least",
        ],
        "rows": rows,
        "unresolved": [COLUMN[f] for f in TPR_AT if f not in resolved],
    }


def accuracies(material: Material) -> dict[str, list[float]]:
    """Group of examples -> accuracy of each target, from results.json, else from metrics.jsonl."""
    found = material.results.get("accuracy") or {}
    groups = {
        "members": found.get("members") or _metric(material, "train_accuracy"),
        "non-members": found.get("nonmembers") or _metric(material, "out_accuracy"),
        "test set": _metric(material, "test_accuracy"),
    }
    groups = {name: [v for v in values if v is not None] for name, values in groups.items()}
    return {name: values for name, values in groups.items() if values}


def accuracy_table(groups: dict[str, list[float]]) -> list[tuple[str, str, str, str]]:
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


def split_table(attacks: dict[str, dict]) -> dict[str, Any] | None:
    """Figures on correctly and wrongly classified pairs (Rezaei and Liu 2021, table 4); None if
    unknown."""
    known = {n: e for n, e in attacks.items() if e.get("correct") or e.get("misclassified")}
    if not known:
        return None
    tpr = [
        f
        for f in TPR_AT
        if any(
            (e.get(g) or {}).get(f) is not None
            for e in known.values()
            for g in ("correct", "misclassified")
        )
    ]
    figures = ["auc", *tpr[:2]]
    groups = ("correct", "misclassified")
    rows = []
    for name, entry in known.items():
        cells = []
        for figure in figures:
            for group in groups:
                row = entry.get(group) or {}
                cells.append(
                    cell(figure, *(row.get(figure + end) for end in ("", "_low", "_high")))
                )
        rows.append({"name": name, "about": "", "cells": cells})
    sizes = next(iter(known.values()))
    return {
        "columns": [f"{COLUMN[f]}, {g}" for f in figures for g in groups],
        "rows": rows,
        "sizes": [
            (g, f"{sizes[g]['num_members']:,}", f"{sizes[g]['num_nonmembers']:,}")
            for g in groups
            if sizes.get(g)
        ],
    }


def class_table(material: Material, best: str) -> dict[str, Any]:
    """A row a class: exposure, the best attack's AUC, risk and gap, as far as they are known."""
    per_class = material.results["attacks"][best].get("per_class") or {}
    by_class = (material.results.get("risk") or {}).get("by_class") or {}
    labels = material.labels
    known = {int(k) for k in per_class} | (
        set() if labels is None else set(np.unique(labels).tolist())
    )
    rows = []
    for k in sorted(known):
        own = None if material.exposure is None else material.exposure[labels == k]
        rows.append(
            {
                "name": material.class_name(k),
                "about": "",
                "cells": [
                    _number(None if labels is None else int(np.sum(labels == k)), "{:d}"),
                    _number(
                        None if own is None or not own.size else float(np.median(own)), "{:.3f}"
                    ),
                    _number(per_class.get(str(k), {}).get("auc"), "{:.3f}"),
                    _number(_at(by_class.get("risk"), k), "{:.3f}"),
                    _number(_at(by_class.get("generalization_gap"), k), "{:.3f}"),
                ],
            }
        )
    columns = ["examples", "median exposure", f"AUC of {best}", "mean privacy risk", "accuracy gap"]
    return {"columns": columns, "rows": rows}


def ablation_table(rows: list[dict]) -> dict[str, Any]:
    """What each component of LiRA adds (LiRA table II)."""
    figures = [f for f in ("auc", *TPR_AT) if any(row[f] is not None for row in rows)]
    return {
        "columns": [COLUMN[f] for f in figures],
        "rows": [
            {
                "name": row["attack"],
                "about": "",
                "cells": [
                    cell(f, *(row[f + end] for end in ("", "_low", "_high"))) for f in figures
                ],
            }
            for row in rows
        ],
    }


def source_table(sources: dict[str, dict]) -> list[tuple[str, ...]]:
    """(source, examples, quartiles of exposure) of the pool and of the outliers put into it."""
    quartiles = ("lower_quartile", "median", "upper_quartile")
    text = lambda v: "–" if v is None else f"{v:.3f}"  # noqa: E731
    return [
        (name, f"{row['num_examples']:,}", *(text(row[q]) for q in quartiles))
        for name, row in sources.items()
    ]


def probe_table(probes: dict[str, dict]) -> dict[str, Any] | None:
    """False-positive rate of each attack on each set of probes; None without probes."""
    attacks = dict.fromkeys(name for row in probes.values() for name in row["false_positive_rate"])
    if not attacks:
        return None
    rows = []
    for name in attacks:
        rates = [row["false_positive_rate"].get(name) or {} for row in probes.values()]
        cells = [
            cell("far", *(rate.get(end) for end in ("value", "low", "high"))) for rate in rates
        ]
        rows.append({"name": name, "about": "", "cells": cells})
    return {"columns": list(probes), "rows": rows}


def risk_table(precision_recall: dict[str, list]) -> list[tuple[str, str, str]]:
    """(threshold, precision, recall) of the privacy risk score (Song and Mittal 2021, table 6)."""
    columns = (precision_recall[name] for name in ("threshold", "precision", "recall"))
    return [
        (f"{t:g}", "–" if p is None else f"{100 * p:.1f} %", "–" if r is None else percents([r])[0])
        for t, p, r in zip(*columns, strict=True)
    ]


def facts(material: Material) -> list[tuple[str, str]]:
    """What was trained, with what and on what, in the order a reader asks."""
    e, stored = material.experiment, material.stored
    trained = material.metrics + (
        material.target_metrics if "target_run" in material.results else []
    )
    seconds = sum(r["chunk_seconds"] / r["chunk_models"] for r in trained if r.get("chunk_models"))
    used = len(material.results.get("models", []))
    targets = (
        material.target_recipe
        and f"{len(material.results['targets'])} of another recipe: {recipe(material)}"
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
    return ", ".join(f"{name}={setting(value)}" for name, value in material.target_recipe.items())


def settings(material: Material) -> list[tuple[str, str]]:
    """Every field of the experiment."""
    return [(name, setting(value)) for name, value in material.experiment.items()]


def setting(value) -> str:
    """A field of the experiment as its flag takes it; the targets' recipe as a list of fields."""
    if isinstance(value, dict):
        return " ".join(f"{name}={setting(v)}" for name, v in value.items())
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _metric(material: Material, name: str) -> list[float]:
    return [record.get(name) for record in material.target_metrics]


def _number(value, form: str) -> dict[str, str]:
    known = value is not None and np.isfinite(value)
    return {
        "text": form.format(value) if known else "–",
        "interval": "",
        "sort": repr(value) if known else "",
    }


def _at(values: list | None, k: int):
    return values[k] if values is not None and k < len(values) else None
