"""Tables of the attacker who knows most members, for the terminal."""

from collections.abc import Mapping

from lira_jax.audit.known_membership import FEWEST, NAIVE, WAYS, Known
from lira_jax.evaluation.groups import GROUPS, Confidence, GroupDecisions
from lira_jax.report.details import Table, confidence, percent


def tables(
    found: Mapping[str, Known], confidences: Mapping[str, Confidence], share: float
) -> list[Table]:
    """What is found in each way, in the order of the paper's tables, and mean confidences.

    Args:
      share: of the members, and of the non-members, that are known.
    """
    rows = [
        [
            f"{name}, table {WAYS[name].table}" if name in WAYS else f"{NAIVE}, table 3",
            *(cell for group in GROUPS for cell in _cells(known.groups[group])),
            f"{known.skipped:g}",
            f"{known.failed:g}",
        ]
        for name, known in found.items()
    ]
    whole, apart = FEWEST["all"], FEWEST["apart"]
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
            "deviation over them, mean over targets (Rezaei and Liu 2021). A class needs "
            f"{whole} members and non-members; for tables 6 and 7, {apart} of each that are "
            "classified rightly, or wrongly. Failed: examples without a distance.",
        ),
        confidence(confidences),
    ]


def _cells(figures: GroupDecisions) -> list[str]:
    balanced, far = (
        percent(value) + ("" if spread != spread else f" +- {percent(spread)}")
        for value, spread in (
            (figures.class_balanced_accuracy, figures.class_balanced_accuracy_sd),
            (figures.class_far, figures.class_far_sd),
        )
    )
    return [balanced, far]
