"""results.csv, variants.csv and epochs.csv, and writing them beside results.json.

docs/run_directory.md describes their columns.
"""

from collections.abc import Sequence
from typing import Any

from lira_jax.audit import codec
from lira_jax.audit.csv_table import csv_table
from lira_jax.audit.results import Results
from lira_jax.evaluation import transfer
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.calibrated import ALPHA, Calibrated
from lira_jax.evaluation.groups import GROUPS
from lira_jax.evaluation.summary import METRICS, Row
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.folder import checked_json
from lira_jax.runs.result_set import ResultSet

CSV_COLUMNS = (
    *("attack", "num_targets", "num_members", "num_nonmembers"),
    *METRICS,
    *(f"{name}_{end}" for name in METRICS for end in ("low", "high")),
    *("balanced_accuracy_shadow_threshold", "far_shadow_threshold"),
    "statistic",
    *(f"calibrated_{rate}_at_{alpha}" for rate in ("tpr", "fpr") for alpha in ALPHA),
    *(f"calibrated_tpr_at_{alpha}_{end}" for alpha in ALPHA for end in ("low", "high")),
    *("never_alarmed", "never_alarmed_if_equal", "alarms_of_top", "alarms_of_top_if_equal"),
    *(f"transferred_{rate}_at_{alpha}" for alpha in transfer.ALPHA for rate in ("tpr", "fpr")),
    *("jaccard", "spearman", "instability", "tnr_at_fnr_1e-3"),
    *("precision_highest_1e-2", "precision_lowest_1e-2", "epsilon", "epsilon_one_run"),
)

VARIANT_COLUMNS = (
    *("part", "variant", "attack", "num_targets", "num_members", "num_nonmembers"),
    *METRICS,
    *(f"{name}_{end}" for name in METRICS for end in ("low", "high")),
)


EPOCH_COLUMNS = (
    *("epoch", "attack", "num_targets", "num_members", "num_nonmembers"),
    *(f"{kind}_{what}" for what in ("accuracy", "loss") for kind in ("train", "out", "test")),
    "misclassified_members",
    *METRICS,
    *(f"{name}_{end}" for name in METRICS for end in ("low", "high")),
    *(f"{what}_{group}" for group in GROUPS for what in ("balanced_accuracy", "far")),
    *(f"tpr_at_1e-3_{group}" for group in GROUPS[1:]),
)


def texts(found: Results) -> dict[str, str]:
    """What results.csv, results.json and the other tables, as far as they have rows, hold."""
    further = {
        layout.VARIANTS_TABLE: variants_csv(found),
        layout.EPOCHS_TABLE: epochs_csv(found),
    }
    return {
        layout.RESULTS_TABLE: results_csv(found),
        **{name: text for name, text in further.items() if text},
        layout.RESULTS: checked_json(found.to_json()),
    }


def write(found: Results, folder: RunDirectory) -> None:
    """Writes results.json and its tables, to which the scores in the folder belong."""
    with ResultSet(folder, found.about()) as written:
        written.adopt()
        written.switch(texts(found))


def results_csv(found: Results) -> str:
    """What results.csv holds: a row an attack."""
    rows = (
        codec.encode(one.row(name))
        | codec.encode(_further_columns(one, found.calibration_of(name)))
        for name, one in found.attacks.items()
    )
    return csv_table(CSV_COLUMNS, rows)


def variants_csv(found: Results) -> str:
    """What variants.csv holds: a row for each row of the ablation and of the parts that vary LiRA;
    empty without any."""
    parts: dict[str, tuple[Sequence[Row], str]] = {
        "ablation": (found.ablation, ""),
        "num_shadows": (found.num_shadows, "num_shadows"),
        "num_queries": (found.num_queries, "num_queries"),
        "statistics": (found.statistics, "statistic"),
    }
    written = [
        codec.encode(row) | {"part": part, "variant": getattr(row, which) if which else ""}
        for part, (rows, which) in parts.items()
        for row in rows
    ]
    return csv_table(VARIANT_COLUMNS, written) if written else ""


def epochs_csv(found: Results) -> str:
    """What epochs.csv holds: a row an epoch; empty without any."""
    rows = []
    for row in found.epochs:
        groups = {
            f"{what}_{name}": getattr(group, what)
            for name, group in row.groups.items()
            for what in ("balanced_accuracy", "far")
        }
        groups |= {
            f"tpr_at_1e-3_{name}": own.metrics["tpr_at_1e-3"].value
            for name in GROUPS[1:]
            if (own := getattr(row, name))
        }
        rows.append(codec.encode(row) | codec.encode(groups))
    return csv_table(EPOCH_COLUMNS, rows) if rows else ""


def _further_columns(found: AttackResults, own: Calibrated | None) -> dict[str, Any]:
    """The columns of results.csv beside those of a row; None where something is not known."""
    decided = found.decisions and found.decisions["1:1"]
    columns: dict[str, Any] = {
        "balanced_accuracy_shadow_threshold": decided and decided.balanced_accuracy,
        "far_shadow_threshold": decided and decided.far,
        "statistic": found.statistic,
        "tnr_at_fnr_1e-3": found.tnr_at_fnr.value,
        "epsilon": found.epsilon.value,
        "epsilon_one_run": found.epsilon.one_run,
        "precision_highest_1e-2": found.extremes.highest.value,
        "precision_lowest_1e-2": found.extremes.lowest.value,
        "instability": found.instability and found.instability.mean,
    }
    for alpha, rates in own.at.items() if own else ():
        columns |= {
            f"calibrated_tpr_at_{alpha}": rates.tpr.value,
            f"calibrated_tpr_at_{alpha}_low": rates.tpr.low,
            f"calibrated_tpr_at_{alpha}_high": rates.tpr.high,
            f"calibrated_fpr_at_{alpha}": rates.fpr.value,
        }
    for alpha, elsewhere in found.transferred.items():
        columns[f"transferred_tpr_at_{alpha}"] = elsewhere.tpr.value
        columns[f"transferred_fpr_at_{alpha}"] = elsewhere.fpr.value
    if found.false_alarms:
        columns |= {
            "never_alarmed": found.false_alarms.never,
            "never_alarmed_if_equal": found.false_alarms.never_if_equal,
            "alarms_of_top": found.false_alarms.top,
            "alarms_of_top_if_equal": found.false_alarms.top_if_equal,
        }
    if found.reproducibility:
        columns["jaccard"] = found.reproducibility.jaccard
        columns["spearman"] = found.reproducibility.spearman
    return columns
