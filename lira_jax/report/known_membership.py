"""Tables of the attacker who knows most members, for the terminal."""

from collections.abc import Mapping, Sequence

from lira_jax.audit.known_epochs import KnownEpoch
from lira_jax.audit.known_found import NAIVE, Found
from lira_jax.audit.known_ways import WAYS, Way
from lira_jax.evaluation.groups import GROUPS, GroupDecisions
from lira_jax.report.details import Table, confidence, percent


def tables(found: Found, share: float, asked: Mapping[str, Way]) -> list[Table]:
    """What is found in each way, in the order of the paper's tables, and mean confidences.

    Args:
      found: what the attacker finds.
      share: of the members, and of the non-members, that are known.
      asked: what the attacker looks at, by name.
    """
    sizes = ", ".join(
        f"{way.fewest} for {name}" + (f" (of which {way.most} are taken)" if way.most else "")
        for name, way in asked.items()
    )
    rows = [
        [
            f"{name}, table {_table(name)}",
            *(cell for group in GROUPS for cell in _cells(known.groups[group])),
            f"{known.skipped:g}",
            f"{known.failed:g}",
        ]
        for name, known in found.ways.items()
    ]
    return [
        Table(
            f"An attacker who knows {100 * share:g} % of the members and of the non-members, in "
            "percent",
            [
                "way",
                *(f"{what}, {group}" for group in GROUPS for what in ("bal. acc.", "FAR")),
                "classes skipped",
                "failed",
            ],
            rows,
            "Judged on the rest, class by class: unweighted mean over classes, +- the standard "
            "deviation over them, mean over targets (Rezaei and Liu 2021). A class needs as many "
            f"members and non-members: {sizes}; for tables 6 and 7 of each that are classified "
            "rightly, or wrongly. Failed: examples without a distance.",
        ),
        confidence(found.confidences),
    ]


def over_epochs(rows: Sequence[KnownEpoch]) -> Table:
    """The attack on confidences over epochs (Rezaei and Liu 2021, figures 3 to 8)."""

    def loss(value: float) -> str:
        return "-" if value != value else f"{value:.4f}"

    return Table(
        "The attack on confidences over epochs, in percent",
        [
            *("epoch", "train accuracy", "test accuracy", "train loss", "test loss"),
            *(f"{what}, {group}" for group in GROUPS for what in ("bal. acc.", "FAR")),
            "members misclassified",
        ],
        [
            [
                str(row.epoch),
                *(percent(row.logged[f"{kind}_accuracy"]) for kind in ("train", "test")),
                *(loss(row.logged[f"{kind}_loss"]) for kind in ("train", "test")),
                *(cell for group in GROUPS for cell in _cells(row.groups[group])),
                f"{row.misclassified_members:g}",
            ]
            for row in rows
        ],
        "Balanced accuracies and false alarm rates are means over classes, +- the standard "
        "deviation over them; means over targets.",
    )


def _table(way: str) -> str:
    """The paper's table that a way is in."""
    if way == NAIVE:
        return "3"
    return WAYS[way if way in WAYS else "layers"].table


def _cells(figures: GroupDecisions) -> list[str]:
    balanced, far = (
        percent(value) + ("" if spread != spread else f" +- {percent(spread)}")
        for value, spread in (
            (figures.class_balanced_accuracy, figures.class_balanced_accuracy_sd),
            (figures.class_far, figures.class_far_sd),
        )
    )
    return [balanced, far]
