"""What is said of the targets themselves: accuracy, calibration and privacy risk."""

from typing import Any

import numpy as np

from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.results import Accuracy, PrivacyRisk
from lira_jax.evaluation import calibration, groups, risk, shadow_threshold
from lira_jax.evaluation.calibration import Calibration
from lira_jax.evaluation.confidence_shapes import confidence_shapes
from lira_jax.evaluation.decisions import best_threshold
from lira_jax.evaluation.groups import Confidence
from lira_jax.evaluation.ranked import Ranked


def model_facts(
    evidence: Evidence, shadows: Evidence | None = None, risk_scores: np.ndarray | None = None
) -> dict[str, Any]:
    """The fields accuracy, calibration, confidence and risk of Results, as far as known.

    Args:
      evidence: of the audit.
      shadows: evidence against shadow models, to choose a threshold on (shadow_targets.py); None
        takes the other targets.
      risk_scores: float [targets, examples] of the attack privacy_risk, if it was made.

    Returns:
      These fields, and confidence_shapes; without risk where its scores are not given, and empty
      where logits or membership are unknown.
    """
    members = evidence.members
    if "logits" not in evidence.signals or members is None:
        return {}
    correct = evidence.statistic_of_targets(statistics.correctness) == 1
    found: dict[str, Any] = {
        "accuracy": Accuracy(_by_target(correct, members), _by_target(correct, ~members)),
        "calibration": _calibration(evidence, members, correct, shadows),
        "confidence": mean_confidences(evidence, members, correct),
        "confidence_shapes": confidence_shapes(
            evidence.each_target("logits"), evidence.labels, members
        ),
    }
    if risk_scores is not None:
        found["risk"] = PrivacyRisk(
            cumulative=risk.cumulative_distribution(risk_scores, members),
            calibration=risk.calibration(risk_scores, members, prior=0.5),
            precision_recall=risk.precision_recall(risk_scores, members, prior=0.5),
            by_class=risk.risk_by_class(risk_scores, members, correct, evidence.labels),
        )
    return found


def mean_confidences(
    evidence: Evidence, members: np.ndarray, correct: np.ndarray
) -> dict[str, Confidence]:
    """Mean confidence of the targets on all, rightly and wrongly classified examples.

    Args:
      evidence: with logits.
      members, correct: bool [targets, examples].
    """
    return groups.confidence(
        np.exp(evidence.statistic_of_targets(statistics.log_confidence)),
        _maximum_scores(evidence),
        members,
        correct,
    )


def _calibration(
    evidence: Evidence, members: np.ndarray, correct: np.ndarray, shadows: Evidence | None
) -> Calibration | None:
    """Means over targets with members and non-members; None without such targets.

    False positives are the maximum score attack's, at shadows' thresholds; without shadows that
    could give one, at each target's median.
    """
    confidence = _maximum_scores(evidence)
    if shadows is None:
        chosen = shadow_threshold.thresholds(Ranked.of(confidence, members))
        limits = np.median(confidence, axis=1) if chosen is None else chosen
    else:
        assert shadows.members is not None, "shadows are models of the run"
        limit = best_threshold(_maximum_scores(shadows), shadows.members)
        limits = np.full(len(confidence), limit)

    def of_target(t: int) -> dict[str, float]:
        own, inside = confidence[t], members[t]
        unseen = ~inside  # whether a model is calibrated shows on what it has not trained on
        return {
            "ece": calibration.expected_calibration_error(own[unseen], correct[t, unseen]),
            "oe": calibration.overconfidence_error(own[unseen], correct[t, unseen]),
            "score_shift": calibration.score_shift(own, inside),
            **calibration.mean_maximum_score(own, own >= limits[t], inside),
        }

    mixed = [t for t, inside in enumerate(members) if inside.any() and not inside.all()]

    def of_some(some: slice) -> list[dict[str, float]]:
        return [of_target(t) for t in mixed[some]]

    parts = over_blocks(of_some, len(mixed), members.shape[1])
    found = [of_one for part in parts for of_one in part]
    if not found:
        return None
    return Calibration(
        **{name: calibration.mean_known([one[name] for one in found]) for name in found[0]}
    )


def _maximum_scores(evidence: Evidence) -> np.ndarray:
    """The largest confidence of each target in each example, float64 [targets, examples]."""
    return np.exp(evidence.statistic_of_targets(statistics.maximum_score))


def _by_target(correct: np.ndarray, where: np.ndarray) -> tuple[float, ...]:
    pairs = zip(correct, where, strict=True)
    return tuple(float(c[w].mean()) if w.any() else np.nan for c, w in pairs)
