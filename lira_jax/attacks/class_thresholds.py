"""Attacks that compare a metric of the target's output with a threshold for each class.

Song and Mittal 2021, Systematic Evaluation of Privacy Risks of Machine Learning Models
(https://arxiv.org/abs/2003.10595), sections 3.1.2 (equations 6 and 7) and 3.1.3 (equations 8 and
9): the threshold of a class is the one that does best on shadow models, whose training data the
attacker knows.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared.pairs import TrainingSet, sample
from lira_jax.errors import UserError


def class_threshold_attack(
    metric: np.ndarray,
    labels: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    training_set: TrainingSet | None = None,
    limit: int = 100_000,
    seed: int = 0,
) -> np.ndarray:
    """How far the metric of every target on every example lies above the threshold of the example's
    class.

    The attack says "member" where the score is at least 0. Song and Mittal take the thresholds from
    one shadow model; here they come from all of them, without the target and its partners
    (pairs.py).

    Args:
      metric: float [models, examples], see shared/statistics.py; higher = more likely a member.
      labels: int [examples].
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows; all
        models by default.
      observed: float [targets, examples], the metric of targets from outside the models instead.
      training_set: what the thresholds are chosen on; None takes the models' metric, labels and
        keep.
      limit: most (shadow model, example) pairs that a target's thresholds are chosen on.
      seed: of the draw of these pairs.

    Returns:
      float64 [targets, examples]. Its sign is exact: `score >= 0` where `metric >= threshold`, and
        nowhere else.

    Raises:
      UserError: shapes disagree, a metric is NaN or infinite, or the shadow pairs have no members
        or no non-members.
    """
    inputs = inputs_lib.check(metric, keep, targets, observed)
    training_set = training_set or TrainingSet(inputs.phi, labels, inputs.keep)
    num_classes = 1 + int(max(np.max(labels), np.max(training_set.labels)))
    score = np.empty((inputs.num_targets, len(labels)))
    for row, (own, pairs) in enumerate(with_shadow_pairs(inputs, training_set, limit, seed)):
        score[row] = own - class_thresholds(*pairs, num_classes)[labels]
    return score


def class_thresholds(
    metric: np.ndarray, members: np.ndarray, labels: np.ndarray, num_classes: int
) -> np.ndarray:
    """The threshold of each class whose decisions `metric >= threshold` have the best balanced
    accuracy.

    Args:
      metric: float [pairs], of shadow models; higher = more likely a member.
      members: bool [pairs].
      labels: int [pairs].
      num_classes: classes, K.

    Returns:
      float64 [classes]: for each class one of its metrics, the highest of equally good ones; the
      best threshold for all pairs together for a class without members or without non-members.

    Raises:
      UserError: there are no members or no non-members at all.
    """
    everywhere = _best_threshold(metric, members)
    if np.isnan(everywhere):
        raise UserError(
            f"{np.count_nonzero(members)} of {len(members)} shadow pairs are members: thresholds "
            "need members and non-members, use more models (--num_models)"
        )
    by_class = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=num_classes))
    thresholds = np.array(
        [_best_threshold(metric[pairs], members[pairs]) for pairs in np.split(by_class, ends[:-1])]
    )
    return np.where(np.isnan(thresholds), everywhere, thresholds)


def caveat(
    labels: np.ndarray, keep: np.ndarray, left_out: int, judged: np.ndarray | None = None
) -> str:
    """What is to be said of classes that have no threshold of their own; empty if all have one.

    Args:
      labels: int [examples], of what thresholds are chosen on.
      keep: bool [models, examples], of the same.
      left_out: shadow scores of each kind that an example can lose with its target and partner.
      judged: int [judged examples], the labels of those under attack; None if they are the same.
    """
    classes = np.unique(labels if judged is None else judged)
    examples = np.bincount(labels, minlength=classes.max() + 1)
    members = np.bincount(labels, keep.sum(0), minlength=classes.max() + 1)
    most = np.maximum(np.minimum(members, len(keep) * examples - members), 0)
    lacking = int(np.count_nonzero((most <= left_out * examples)[classes]))
    if not lacking:
        return ""
    return (
        f"{lacking} of {len(classes)} classes may have no shadow members or no "
        "shadow non-members: they take the threshold of all classes together"
    )


def with_shadow_pairs(
    inputs: inputs_lib.Inputs, training_set: TrainingSet, limit: int, seed: int
) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """For each target its own metric, float [examples], and its shadow pairs: their metric, whether
    they are members, and their labels, each [pairs].

    Raises:
      UserError: a target has none.
    """
    judged = inputs.phi[inputs.targets] if inputs.observed is None else inputs.observed
    known = inputs_lib.check(training_set.values, training_set.keep)

    def pairs(target: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        models, examples = sample(known.keep, target, limit, seed)
        if not models.size:
            raise UserError(
                "without the target and its partner no shadow model is left to learn from: use "
                "more models (--num_models), or one target and one shadow (--masks=disjoint)"
            )
        return (
            known.phi[models, examples, 0],
            known.keep[models, examples],
            training_set.labels[examples],
        )

    if inputs.targets is None:
        shared = pairs(None)
        for own in judged:
            yield own[:, 0], shared
    else:
        for own, target in zip(judged, inputs.targets, strict=True):
            yield own[:, 0], pairs(int(target))


def _best_threshold(metric: np.ndarray, members: np.ndarray) -> float:
    """As `class_thresholds` for one class, NaN without members or non-members."""
    order = np.argsort(metric)[::-1]
    metric, members = metric[order], members[order]
    tp = np.cumsum(members)
    if not tp.size or tp[-1] in (0, tp.size):
        return np.nan
    fp = np.arange(1, tp.size + 1) - tp
    # TPR - FPR times both group sizes: in whole numbers, so that equally good thresholds compare
    # equal.
    gain = tp * fp[-1] - fp * tp[-1]
    # a threshold takes all or none of equal metrics
    possible = np.append(metric[1:] != metric[:-1], True)
    return float(metric[possible][np.argmax(gain[possible])])
