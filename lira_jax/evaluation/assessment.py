"""All that is said of one attack: metrics of all pairs and of groups, decisions, epsilon."""

import dataclasses

import numpy as np

from lira_jax.evaluation import shadow_threshold
from lira_jax.evaluation.decisions import Decisions, decision_metrics
from lira_jax.evaluation.epsilon import epsilon_over_targets
from lira_jax.evaluation.roc import metrics, roc
from lira_jax.evaluation.summary import Row, Summary, evaluate

RATIOS = {"5:1": 5.0, "1:1": 1.0, "1:5": 0.2}
"""Members : non-members, Rezaei and Liu (2021), table 2."""
DELTA = 1e-5
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Epsilon:
    """A lower bound on epsilon of (epsilon, delta)-differential privacy.

    Attributes:
      value: the bound, at least 0.
      delta: of the guarantee.
      confidence: probability that the bound is below the true epsilon.
    """

    value: float
    delta: float = DELTA
    confidence: float = CONFIDENCE


@dataclasses.dataclass(frozen=True)
class AttackResults(Summary):
    """What `assess` finds: a summary over all pairs, and more.

    Attributes:
      correct: metrics over the pairs whose plain query the target classifies correctly (Rezaei and
        Liu 2021, table 4); None where these are unknown or hold no members or no non-members.
      misclassified: the same over the other pairs.
      per_class: class -> metric -> its value over the class's examples, without interval.
      decisions: member : non-member ratio, one of RATIOS, -> metrics of hard decisions, at
        `thresholds`; None without these.
      epsilon: lower bound on epsilon of differential privacy.
      thresholds: [targets], member where score >= threshold: the attack's own, or chosen on the
        other targets; None with a single target and no threshold of the attack's own.
    """

    correct: Row | None
    misclassified: Row | None
    per_class: dict[int, dict[str, float]]
    decisions: dict[str, Decisions] | None
    epsilon: Epsilon
    thresholds: tuple[float, ...] | None = None


def assess(
    scores: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray | None,
    threshold: float | None = None,
) -> AttackResults:
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
    return AttackResults(
        **vars(evaluate(scores, members)),
        correct=None if correct is None else _group("correct", scores, members, correct),
        misclassified=None
        if correct is None
        else _group("misclassified", scores, members, ~correct),
        per_class={
            int(k): metrics(roc(scores[:, labels == k].ravel(), members[:, labels == k].ravel()))
            for k in np.unique(labels)
            if _both(members[:, labels == k])
        },
        decisions=decisions,
        epsilon=Epsilon(epsilon_over_targets(scores, members, delta=DELTA, confidence=CONFIDENCE)),
        thresholds=None if limits is None else tuple(limits.tolist()),
    )


def _group(name: str, scores: np.ndarray, members: np.ndarray, where: np.ndarray) -> Row | None:
    return evaluate(scores, members, where).row(name) if _both(members[where]) else None


def _both(members: np.ndarray) -> bool:
    return bool(members.any() and not members.all())
