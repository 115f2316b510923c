"""Results of attacks as CSV, JSON and a table to read."""

import csv
import io
from collections.abc import Iterable

from lira_jax.evaluation.assessment import COLUMNS, Assessment
from lira_jax.evaluation.summary import Summary

_SHOWN = {
    "auc": "AUC",
    "balanced_accuracy": "bal. acc.",
    "tpr_at_1e-2": "TPR@1%",
    "tpr_at_1e-3": "TPR@0.1%",
    "tpr_at_1e-4": "TPR@0.01%",
}


def as_csv(results: dict[str, Assessment]) -> str:
    """results.csv: a row an attack; an empty cell is a TPR that so few non-members cannot resolve."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary.as_row(name) for name, summary in results.items())
    return text.getvalue()


def as_json(results: dict[str, Assessment], **about) -> dict:
    """results.json: what the results are about, and each attack's figures with intervals and ROC points."""
    return {**about, "attacks": {name: summary.as_dict() for name, summary in results.items()}}


def as_text(results: dict[str, Assessment] | Iterable[tuple[str, Summary]]) -> str:
    """A table of the figures with their 95 % intervals; percent but for the AUC."""
    results = list(results.items() if isinstance(results, dict) else results)
    names = ["attack", *_SHOWN.values()]
    rows = [[name, *(_cell(summary.as_row(name), figure) for figure in _SHOWN)] for name, summary in results]
    widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [names, *rows]
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cell(row: dict, figure: str) -> str:
    value, low, high = (row[figure + end] for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    if figure == "auc":
        return f"{value:.4f} [{low:.4f}, {high:.4f}]"
    return f"{100 * value:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
