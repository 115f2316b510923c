"""What the attacker who knows most members finds, of a target and over targets."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.csv_table import csv_table
from lira_jax.errors import UserError
from lira_jax.evaluation import groups
from lira_jax.evaluation.assessment import RATIOS
from lira_jax.evaluation.decisions import Decisions, decision_metrics
from lira_jax.evaluation.groups import GROUPS, Confidence, GroupDecisions

NAIVE = "naive"
"""Calls whom the target classifies rightly a member: the paper's baseline (table 3)."""
AS_THEY_ARE = "as they are"
"""What the mix of the judged part is called."""


def members_of_classifiers(evidence: Evidence, protocol: str, why: str) -> np.ndarray:
    """The targets' members, bool [targets, examples], if such an attacker can look at them.

    Args:
      evidence: of the targets.
      protocol: his, as --protocol has it, for messages.
      why: he needs logits, and that there are none.

    Raises:
      UserError: their membership is unknown, they are models of text, or there are no logits.
    """
    flag, members = f"--protocol={protocol}", evidence.members
    if members is None:
        raise UserError(f"{flag}: the targets' membership is unknown")
    if evidence.signals.of_text:
        raise UserError(
            f"{flag}: it is on how examples are classified, and models of text do not classify "
            "them; attack them with --protocol=shadows"
        )
    if "logits" not in evidence.signals:
        raise UserError(f"{flag}: {why}; run lira-score --signals=phi,logits")
    return members


@dataclasses.dataclass(frozen=True)
class Known:
    """What is found one way, means over the targets.

    Attributes:
      groups: name of GROUPS -> figures; classes with members and non-members in the judged part.
      mixes: name of a mix of members and non-members -> decisions on the judged part, all classes
        together, were they so many: as they are, and those of RATIOS.
      skipped: classes, a target, that are too small.
      failed: examples, a target, of which the signal is NaN; they are left out.
    """

    groups: dict[str, GroupDecisions]
    mixes: dict[str, Decisions]
    skipped: float
    failed: float = 0.0


@dataclasses.dataclass(frozen=True)
class Found:
    """What the attacker finds, and how the targets are, means over the targets.

    Attributes:
      ways: the naive attack first, then name of the way -> what is found.
      confidences: name of GROUPS -> of the targets.
      accuracy: of the targets on members and on non-members.
      distances: name of GROUPS -> mean distance to the boundary of members and of non-members,
        those that have one; empty if it is not looked at.
    """

    ways: dict[str, Known]
    confidences: dict[str, Confidence]
    accuracy: tuple[float, float]
    distances: dict[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class OfTarget:
    """What is found one way of one target; fields as those of Known."""

    groups: dict[str, GroupDecisions]
    mixes: dict[str, Decisions]
    skipped: int
    failed: int

    @classmethod
    def of(
        cls,
        decided: np.ndarray,
        counted: np.ndarray,
        members: np.ndarray,
        labels: np.ndarray,
        correct: np.ndarray,
        skipped: int = 0,
        failed: int = 0,
    ) -> "OfTarget":
        """Of decisions; all classes that have anything in the judged part."""
        of_groups = groups.group_decisions(
            decided[None], counted[None], members[None], labels, correct[None], fewest=1
        )
        ratios = {AS_THEY_ARE: None, **RATIOS}
        judged = decided[counted], members[counted]
        mixes = {name: decision_metrics(*judged, ratio) for name, ratio in ratios.items()}
        return cls(of_groups, mixes, skipped, failed)


def mean_of(of_targets: Sequence[OfTarget]) -> Known:
    """The means over targets, of those where a figure is known."""

    def over(rows: Sequence[Any]) -> list[float]:
        return means_of(np.array([dataclasses.astuple(row) for row in rows], float))

    def of_group(group: str) -> GroupDecisions:
        values = over([target.groups[group] for target in of_targets])
        number = 0 if np.isnan(values[2]) else round(values[2])
        return GroupDecisions(values[0], values[1], number, *values[3:])

    return Known(
        {group: of_group(group) for group in GROUPS},
        {
            mix: Decisions(*over([target.mixes[mix] for target in of_targets]))
            for mix in of_targets[0].mixes
        },
        float(np.mean([target.skipped for target in of_targets])),
        float(np.mean([target.failed for target in of_targets])),
    )


def means_of(rows: np.ndarray) -> list[float]:
    """The mean of each column [rows, columns], of what is known in it; NaN where nothing is."""
    return [mean(column[~np.isnan(column)]) for column in rows.T]


def mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def to_csv(found: Mapping[str, Known]) -> str:
    """What known.csv holds: a row a way and group, of all examples with decisions as they are;
    then a row a way and mix. An empty cell stands for what is not known."""
    of_groups, of_mixes = (
        [field.name for field in dataclasses.fields(kind)] for kind in (GroupDecisions, Decisions)
    )
    others = [name for name in of_mixes if name not in of_groups]
    columns = ["way", "group", "mix", *of_groups, *others, "classes_skipped", "examples_failed"]
    rows: list[dict[str, Any]] = []

    def write(name: str, known: Known, **values) -> None:
        size = {"classes_skipped": known.skipped, "examples_failed": known.failed}
        rows.append({"way": name, **values, **size})

    for name, known in found.items():
        for group, figures in known.groups.items():
            whole = group == "all"
            decided = dataclasses.asdict(known.mixes[AS_THEY_ARE]) if whole else {}
            given = {"group": group, "mix": AS_THEY_ARE, **decided}
            write(name, known, **given | dataclasses.asdict(figures))
        for mix in RATIOS:
            write(name, known, group="all", mix=mix, **dataclasses.asdict(known.mixes[mix]))
    return csv_table(columns, rows)
