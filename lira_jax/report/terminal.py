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
    """results.csv: a row an attack; an empty cell is a TPR that so few non-members cannot
    resolve."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary.as_row(name) for name, summary in results.items())
    return text.getvalue()


def as_json(results: dict[str, Assessment], **about) -> dict:
    """results.json: what the results are about, and each attack's figures with intervals and ROC
    points."""
    return {**about, "attacks": {name: summary.as_dict() for name, summary in results.items()}}


def as_text(results: dict[str, Assessment] | Iterable[tuple[str, Summary]]) -> str:
    """A table of the figures with their 95 % intervals; percent but for the AUC."""
    results = list(results.items() if isinstance(results, dict) else results)
    names = ["attack", *_SHOWN.values()]
    return _grid(
        [
            names,
            *(
                [name, *(_cell(summary.as_row(name), figure) for figure in _SHOWN)]
                for name, summary in results
            ),
        ]
    )


def false_positives(probes: dict[str, dict]) -> str:
    """The table of `false_alarms`: a row a set of probes, a column an attack; rates in percent."""
    attacks = list(
        dict.fromkeys(name for row in probes.values() for name in row["false_positive_rate"])
    )
    rows = [["probes", "max. score", *attacks]]
    for name, row in probes.items():
        rates = [row["false_positive_rate"].get(attack) for attack in attacks]
        shown = ["-" if rate is None else f"{100 * rate['value']:.1f}" for rate in rates]
        rows.append([name, f"{row['maximum_score']:.3f}", *shown])
    return _grid(rows)


def exposure_by_source(sources: dict[str, dict[str, float]]) -> str:
    """The table of `exposure.by_source`: a row a source."""
    keys = ("lower_quartile", "median", "upper_quartile")
    rows = [["source", "examples", "lower quartile", "median", "upper quartile"]]
    for name, row in sources.items():
        rows.append([name, str(row["num_examples"]), *(f"{row[key]:.3f}" for key in keys)])
    return _grid(rows)


def _grid(rows: list[list[str]]) -> str:
    """Columns of equal width, a rule under the first row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cell(row: dict, figure: str) -> str:
    value, low, high = (row[figure + end] for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    if figure == "auc":
        return f"{value:.4f} [{low:.4f}, {high:.4f}]"
    return f"{100 * value:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
