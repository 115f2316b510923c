"""Everything that is said of one attack: pooled metrics, hard decisions, groups of examples,
epsilon."""

import dataclasses
import math

import numpy as np

from lira_jax.evaluation import shadow_threshold
from lira_jax.evaluation.decisions import decision_metrics
from lira_jax.evaluation.epsilon import epsilon_over_targets
from lira_jax.evaluation.roc import metrics, roc
from lira_jax.evaluation.summary import COLUMNS as SUMMARY_COLUMNS
from lira_jax.evaluation.summary import Summary, evaluate

RATIOS = {
    "5:1": 5.0,
    "1:1": 1.0,
    "1:5": 0.2,
}  # members : non-members, Rezaei and Liu (2021), table 2
COLUMNS = (*SUMMARY_COLUMNS, "balanced_accuracy_shadow_threshold", "far_shadow_threshold")
DELTA = 1e-5
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What `assess` finds.

    Attributes:
      summary: pooled metrics over all pairs, with intervals.
      correct, misclassified: the same over the pairs whose plain query the target classifies
        correctly or not (Rezaei and Liu 2021, table 4); None where these hold no members or no
        non-members.
      per_class: class -> its pooled metrics, without intervals.
      decisions: member : non-member ratio -> metrics of hard decisions, at thresholds that are the
        attack's own or chosen on the other targets; None with a single target and no threshold of
        the attack's own.
      thresholds: float64 [targets], of these decisions: member where score >= threshold; or None.
      epsilon: lower bound on epsilon of differential privacy at DELTA and CONFIDENCE.
    """

    summary: Summary
    correct: Summary | None
    misclassified: Summary | None
    per_class: dict[int, dict[str, float]]
    decisions: dict[str, dict[str, float]] | None
    thresholds: np.ndarray | None
    epsilon: float

    def as_row(self, attack: str) -> dict:
        """The row of results.csv."""
        decided = self.decisions["1:1"] if self.decisions else {}
        return {
            **self.summary.as_row(attack),
            "balanced_accuracy_shadow_threshold": decided.get("balanced_accuracy"),
            "far_shadow_threshold": decided.get("far"),
        }

    def as_dict(self) -> dict:
        """The entry of results.json."""
        groups = {"correct": self.correct, "misclassified": self.misclassified}
        return {
            **self.summary.as_dict(),
            **{name: group and group.as_row(name) for name, group in groups.items()},
            "per_class": {str(k): _json(v) for k, v in self.per_class.items()},
            "decisions": self.decisions
            and {ratio: _json(v) for ratio, v in self.decisions.items()},
            "epsilon": {"value": self.epsilon, "delta": DELTA, "confidence": CONFIDENCE},
        }


def assess(
    scores: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray | None,
    threshold: float | None = None,
) -> Assessment:
    """Assesses an attack.

    Args:
      scores: [targets, examples], higher = more likely a member.
      members: bool [targets, examples].
      labels: int [examples].
      correct: bool [targets, examples], whether the target's prediction is right; None if unknown.
      threshold: the attack's own, for attacks that decide: member where score >= threshold.
    """
    limits = (
        shadow_threshold.thresholds(scores, members)
        if threshold is None
        else np.full(len(scores), threshold)
    )
    decisions = None
    if limits is not None:
        decided = scores >= limits[:, None]
        decisions = {
            name: decision_metrics(decided, members, ratio) for name, ratio in RATIOS.items()
        }
    return Assessment(
        summary=evaluate(scores, members),
        correct=None if correct is None else _group(scores, members, correct),
        misclassified=None if correct is None else _group(scores, members, ~correct),
        per_class={
            int(k): metrics(roc(scores[:, labels == k].ravel(), members[:, labels == k].ravel()))
            for k in np.unique(labels)
            if _both(members[:, labels == k])
        },
        decisions=decisions,
        thresholds=limits,
        epsilon=epsilon_over_targets(scores, members, delta=DELTA, confidence=CONFIDENCE),
    )


def _group(scores: np.ndarray, members: np.ndarray, where: np.ndarray) -> Summary | None:
    return evaluate(scores, members, where) if _both(members[where]) else None


def _both(members: np.ndarray) -> bool:
    return bool(members.any() and not members.all())


def _json(numbers: dict[str, float]) -> dict[str, float | None]:
    return {k: None if math.isnan(v) else float(v) for k, v in numbers.items()}
