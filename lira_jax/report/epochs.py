"""Tables of an attack over the epochs of training, for the terminal and the page."""

import math

from lira_jax.audit.results import EpochRow, Results
from lira_jax.evaluation.groups import GROUPS
from lira_jax.evaluation.loss_traces import LossTraces
from lira_jax.report.details import Table, percent

_RANKINGS = {
    "lt_iqr": "LT-IQR: inter-quartile range of the loss",
    "first": "loss at the first of them",
    "mean": "mean loss",
    "last": "loss at the last of them",
}


def tables(results: Results) -> list[Table]:
    """What is known of the models as they were after some epochs; empty without any."""
    if not results.epochs:
        return []
    found = [_progress(results.epochs), _training(results.epochs)]
    return found + ([_traces(results.loss_traces)] if results.loss_traces else [])


def stopped(results: Results) -> str:
    """Where the targets were stopped, in words; empty for the end of training."""
    if not results.stop_at:
        return ""
    epochs = results.stop_epochs
    if not epochs:
        return results.stop_at
    first, last = min(epochs), max(epochs)
    which = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    return f"{results.stop_at}, after {which}"


def _progress(rows: tuple[EpochRow, ...]) -> Table:
    if not any(row.groups for row in rows):  # of text, which no model classifies
        return _ranked(rows)

    def of_group(row: EpochRow, group: str) -> list[str]:
        decided, ranked = row.groups.get(group), row if group == "all" else getattr(row, group)
        tpr = ranked.metrics["tpr_at_1e-3"] if ranked else math.nan
        return [
            percent(decided.balanced_accuracy if decided else math.nan),
            percent(decided.far if decided else math.nan),
            percent(tpr),
        ]

    return Table(
        f"{rows[0].attack} over epochs, in percent: balanced accuracy, FAR, TPR at 0.1 % FPR",
        ["epoch", *(f"{what}, {g}" for g in GROUPS for what in ("acc.", "FAR", "TPR"))],
        [[str(row.epoch), *(cell for g in GROUPS for cell in of_group(row, g))] for row in rows],
        "On all pairs, on those that the target classifies rightly and on the others (Rezaei and "
        "Liu 2021, figures 3 to 8); accuracy and FAR at thresholds of other targets.",
    )


def _ranked(rows: tuple[EpochRow, ...]) -> Table:
    """What is known of an attack whose targets are not right or wrong about an example."""
    shown = {
        "balanced_accuracy": "bal. acc.",
        "tpr_at_1e-2": "TPR at 1 %",
        "tpr_at_1e-3": "TPR at 0.1 %",
    }

    def auc(row: EpochRow) -> str:
        value = row.metrics["auc"].value
        return "-" if math.isnan(value) else f"{value:.3f}"

    return Table(
        f"{rows[0].attack} over epochs",
        ["epoch", "AUC", *shown.values()],
        [[str(row.epoch), auc(row), *(percent(row.metrics[m]) for m in shown)] for row in rows],
        "Balanced accuracy and TPR in percent.",
    )


def _training(rows: tuple[EpochRow, ...]) -> Table:
    def loss(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.4f}"

    return Table(
        "The targets over epochs",
        [
            *("epoch", "train accuracy", "non-members'", "test accuracy"),
            *("train loss", "non-members'", "test loss", "members misclassified"),
        ],
        [
            [
                str(row.epoch),
                *(percent(a) for a in (row.train_accuracy, row.out_accuracy, row.test_accuracy)),
                *(loss(v) for v in (row.train_loss, row.out_loss, row.test_loss)),
                "-" if math.isnan(row.misclassified_members) else f"{row.misclassified_members:g}",
            ]
            for row in rows
        ],
        "Means over targets, accuracies in percent; members misclassified are those of one target.",
    )


def _traces(found: LossTraces) -> Table:
    def with_ends(e) -> str:
        ends = f" [{e.low:.3f}, {e.high:.3f}]" if e.has_interval else ""
        return f"{e.value:.3f}{ends}" if e.is_known else "-"

    tops = list(next(iter(found.rankings.values())).precision)
    return Table(
        f"Who is exposed, told from one model's losses over {found.num_epochs} epochs",
        ["ranking", "Spearman", *(f"precision of the top {100 * float(t):g} %" for t in tops)],
        [
            [_RANKINGS[name], *map(with_ends, (r.spearman, *(r.precision[t] for t in tops)))]
            for name, r in found.rankings.items()
        ],
        f"Of the members of {found.num_targets} targets, against exposure in the other models "
        "after the last epoch; precision is the share of the top that is in the top by exposure, "
        "of which guessing has 1 % of the top 1 % (LT-IQR: Pollock et al. 2024).",
    )
