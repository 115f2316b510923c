"""Attacks that compare a metric of the target's output with a threshold for each class.

Song and Mittal 2021, Systematic Evaluation of Privacy Risks of Machine Learning Models
(https://arxiv.org/abs/2003.10595), sections 3.1.2 (equations 6 and 7) and 3.1.3 (equations 8 and
9): the threshold of a class is the one that does best on shadow models, whose training data the
attacker knows.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared.blocks import MAX_THREADS
from lira_jax.attacks.shared.pairs import TrainingSet, by_class, few_shadows, sample
from lira_jax.errors import UserError

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of some pairs of a shadow model and an example the metric, whether the example is a member, and
its label, each [pairs]."""


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
    shadows: int = 0,
) -> np.ndarray:
    """How far the metric of every target on every example lies above the threshold of the example's
    class.

    The attack says "member" where the score is at least 0. Song and Mittal take the thresholds from
    one shadow model; here they come from all of them or from `shadows`, without the target and its
    partners (pairs.py).

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
      shadows: how many shadow models they are chosen on, the next ones after the target; 0 for all.

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

    def attack(own: np.ndarray, shadow_pairs: Pairs) -> np.ndarray:
        return own - class_thresholds(*shadow_pairs, num_classes)[labels]

    return with_shadow_pairs(inputs, training_set, limit, seed, attack, shadows)


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
    if not members.any() or members.all():
        raise UserError(
            f"{np.count_nonzero(members)} of {len(members)} shadow pairs are members: thresholds "
            "need members and non-members, use more models (--num_models)"
        )
    thresholds = np.array(
        [_best_threshold(metric[pairs], members[pairs]) for pairs in by_class(labels, num_classes)]
    )
    lacking = np.isnan(thresholds)
    if lacking.any():
        thresholds[lacking] = _best_threshold(metric, members)
    return thresholds


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
    inputs: inputs_lib.Inputs,
    training_set: TrainingSet,
    limit: int,
    seed: int,
    attack: Callable[[np.ndarray, Pairs], np.ndarray],
    shadows: int = 0,
) -> np.ndarray:
    """Runs an attack on each target, given the target's own metric and its shadow pairs.

    Args:
      inputs: of the attack, the metric as phi.
      training_set: what the pairs are drawn from.
      limit: most pairs.
      seed: of the draw.
      attack: (metric float [examples], pairs) -> float64 [examples]; called from several threads.
      shadows: how many shadow models the pairs are of, the next ones after the target; 0 for all.

    Returns:
      float64 [targets, examples].

    Raises:
      UserError: a target has no pairs.
    """
    judged = inputs.phi[inputs.targets] if inputs.observed is None else inputs.observed
    known = inputs_lib.check(training_set.values, training_set.keep)

    def pairs(target: int | None, row: int) -> Pairs:
        only = few_shadows(len(known.keep), target, row, shadows)
        models, examples = sample(
            known.keep, target, limit, seed, in_order=True, partner=known.partner, only=only
        )
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

    # Targets from outside, with all models as their shadows, learn the same.
    of_all = pairs(None, 0) if inputs.targets is None and not shadows else None
    score = np.empty(judged.shape[:2])

    def of_target(row: int) -> None:
        target = None if inputs.targets is None else int(inputs.targets[row])
        own = of_all or pairs(target, row)
        score[row] = attack(judged[row, :, 0], own)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        for _ in pool.map(of_target, range(len(judged))):
            pass
    return score


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
