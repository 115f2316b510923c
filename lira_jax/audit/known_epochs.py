"""The attacker who knows most members, against the models as they were after some epochs.

Rezaei and Liu 2021, section 7.1 and figures 3 to 8 (https://arxiv.org/abs/2005.13702).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lira_jax import progress
from lira_jax.attacks.known_classifiers import Fit
from lira_jax.attacks.shared import statistics
from lira_jax.audit import known_membership
from lira_jax.audit.csv_table import csv_table
from lira_jax.audit.epochs import LOGGED, logged_means
from lira_jax.audit.known_ways import SOFTMAX, WAYS, Way
from lira_jax.evaluation.groups import GROUPS, GroupDecisions
from lira_jax.runs.evidence import Loaded

_FIGURES = ("class_balanced_accuracy", "class_far", "num_classes")


@dataclasses.dataclass(frozen=True)
class KnownEpoch:
    """What the attack on confidences finds after one epoch, means over the targets.

    Attributes:
      epoch: after which.
      groups: name of GROUPS -> figures.
      misclassified_members: of one target.
      logged: name of LOGGED -> accuracy or loss of the targets; NaN where metrics.jsonl has none.
    """

    epoch: int
    groups: dict[str, GroupDecisions]
    misclassified_members: float
    logged: dict[str, float]


def run(
    read: Callable[[int], Loaded],
    epochs: Sequence[int],
    fit: Fit,
    share: float,
    logged: Mapping[tuple[int, int], Mapping[str, Any]],
    way: Way = WAYS[SOFTMAX],
) -> list[KnownEpoch]:
    """The attack on confidences after each of some epochs.

    Args:
      read: epoch -> what is attacked then.
      epochs: that are scored.
      fit: what learns from confidences.
      share: of the members, and of the non-members, that are known.
      logged: (model, epoch) -> a line of metrics.jsonl of the targets.
      way: that of confidences, which says how large a class is.

    Raises:
      UserError: as `known_membership.run`.
    """
    rows = []
    for epoch in progress.each("epochs", list(epochs), "epochs"):
        loaded = read(epoch)
        found = known_membership.run(loaded.evidence, {SOFTMAX: way}, fit, share)
        members = loaded.evidence.members
        assert members is not None, "known_membership.run has seen them"
        wrong = loaded.evidence.statistic_of_targets(statistics.correctness) != 1
        rows.append(
            KnownEpoch(
                epoch,
                found.ways[SOFTMAX].groups,
                float((members & wrong).sum(1).mean()),
                logged_means(loaded.targets, epoch, logged),
            )
        )
    return rows


def to_csv(rows: Sequence[KnownEpoch]) -> str:
    """What known_epochs.csv holds: a row an epoch; an empty cell stands for what is not known."""
    figures = {f"{name}_{group}": (name, group) for group in GROUPS for name in _FIGURES}
    columns = ["epoch", *LOGGED, *figures, "misclassified_members"]
    return csv_table(
        columns,
        (
            {"epoch": row.epoch, **row.logged, "misclassified_members": row.misclassified_members}
            | {key: getattr(row.groups[group], name) for key, (name, group) in figures.items()}
            for row in rows
        ),
    )
