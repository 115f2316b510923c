"""Privacy risk score: the probability that an example is a member, given the target's output for
it.

Song and Mittal 2021, Systematic Evaluation of Privacy Risks of Machine Learning Models
(https://arxiv.org/abs/2003.10595), section 4.1.
"""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.class_thresholds import Pairs, with_shadow_pairs
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared.pairs import TrainingSet, by_class
from lira_jax.errors import UserError

PAIRS_PER_BIN = 50
"""Classes with few shadow pairs get fewer bins: the standard error of a bin's risk is then at most
about .07."""

FEWEST_PER_BIN = 10
"""Two bins a class has as long as each holds so many pairs, at a standard error of about .16: less
would say nothing, and the paper's classes of Location30 have 33."""


def privacy_risk_score(
    metric: np.ndarray,
    labels: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    training_set: TrainingSet | None = None,
    prior: float = 0.5,
    bins: int = 20,
    limit: int = 100_000,
    seed: int = 0,
    shadows: int = 0,
) -> np.ndarray:
    """P(member | metric, class) of every target on every example.

    Section 4.1, equation 12 (equation 13 for the prior .5): r = prior p_in / (prior p_in + (1 -
    prior) p_out), where p_in and p_out are the histograms of the class's shadow members and
    non-members.

    The bins of a class hold equally many of its shadow pairs (the paper's code has 5 of equal width
    in the logarithm, between the extremes). So the score does not depend on the metric's scale, an
    extreme value does not empty the others' bins, and every bin is estimated equally well. No bin
    is empty, so nothing is
    smoothed: a bin that holds members alone says 1, as in the paper's table of precision at
      threshold 1.

    Args:
      metric: float [models, examples], the paper's is statistics.modified_entropy; higher = more
        likely a member.
      labels: int [examples].
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows less one
        partner an example (shared/pairs.py); all models by default.
      observed: float [targets, examples], the metric of targets from outside the models instead.
      training_set: what the histograms are made of; None takes the models' metric, labels and keep.
      prior: probability that an example is a member, before its metric is known.
      bins: of a class, at least PAIRS_PER_BIN pairs in each; two of at least FEWEST_PER_BIN in a
        class with fewer pairs than that.
      limit: most (shadow model, example) pairs that a target's histograms are made of.
      seed: of the draw of these pairs.
      shadows: how many shadow models they are made of, the next ones after the target; 0 for all.

    Returns:
      float64 [targets, examples] in [0, 1]; the prior in classes of which too little is known:
      without shadow members, without shadow non-members, or with too few pairs for two bins.

    Raises:
      UserError: shapes disagree, a metric is NaN or infinite, prior is not between 0 and 1, bins is
        below 1, no shadow trained on any example, or none is left.
    """
    if not 0 < prior < 1:
        raise UserError(f"prior={prior}: give a probability between 0 and 1, such as 0.5")
    if bins < 1:
        raise UserError(f"bins={bins}: give at least 1")
    inputs = inputs_lib.check(metric, keep, targets, observed)
    training_set = training_set or TrainingSet(inputs.phi, labels, inputs.keep)
    if not training_set.keep.any():
        raise UserError(
            "no shadow model trained on any of the examples: members are needed to learn from"
        )
    num_classes = 1 + int(max(np.max(labels), np.max(training_set.labels)))
    judged = by_class(np.asarray(labels), num_classes)

    def attack(own: np.ndarray, shadow_pairs: Pairs) -> np.ndarray:
        edges, of_members, of_nonmembers = _histograms(*shadow_pairs, num_classes, bins)
        risk = _posterior(of_members, of_nonmembers, prior)
        score = np.empty(len(own))
        for k, examples in enumerate(judged):
            score[examples] = risk[k][np.searchsorted(edges[k], own[examples], side="right")]
        return score

    return with_shadow_pairs(inputs, training_set, limit, seed, attack, shadows)


def caveat(score: np.ndarray, labels: np.ndarray, prior: float = 0.5) -> str:
    """What is to be said of classes that all have the prior for their risk; empty if none has.

    Args:
      score: float [targets, examples], of `privacy_risk_score`.
      labels: int [examples].
      prior: the score's.
    """
    classes = np.unique(labels)
    silent = [k for k in classes if (score[:, labels == k] == prior).all()]
    if not silent:
        return ""
    return (
        f"all examples of {len(silent)} of {len(classes)} classes have the score {prior:g}, which "
        f"says nothing of them: the classes have fewer than {2 * FEWEST_PER_BIN} shadow pairs, or "
        "of one kind alone; use more models (--num_models)"
    )


def _histograms(
    metric: np.ndarray, members: np.ndarray, labels: np.ndarray, num_classes: int, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the shadow pairs of each class say.

    Args:
      metric, members, labels: of the pairs, [pairs].
      num_classes: classes, K.
      bins: of a class, at most.

    Returns:
      The left edges of each class's bins but the first, float [classes, bins - 1], rising, -inf for
      bins it does without; and its members and its non-members in each bin, int [classes, bins].
    """
    edges = np.full((num_classes, bins - 1), -np.inf)
    in_bin, members_in_bin = np.zeros((2, num_classes, bins), int)
    for k, pairs in enumerate(by_class(labels, num_classes)):
        if not len(pairs):
            continue
        order = pairs[np.argsort(metric[pairs])]
        ordered = metric[order]
        edges[k] = _edges(ordered, bins)
        # Of n pairs in rising order so many lie below each edge, and none above the last bin.
        below = np.concatenate([[0], np.searchsorted(ordered, edges[k]), [len(pairs)]])
        members_below = np.concatenate([[0], np.cumsum(members[order])])[below]
        in_bin[k], members_in_bin[k] = np.diff(below), np.diff(members_below)
    return edges, members_in_bin, in_bin - members_in_bin


def _edges(ordered: np.ndarray, bins: int) -> np.ndarray:
    """Left edges of a class's bins but the first, float [bins - 1], from its metrics in rising
    order; -inf, in front, for bins it does without."""
    count = len(ordered)
    used = max(count // PAIRS_PER_BIN, min(count // FEWEST_PER_BIN, 2))
    used = min(max(used, 1), bins)
    edges = ordered[np.arange(1, used) * count // used]
    # Ties at a class's lowest metric would make it an edge with nothing below: a lower metric of
    # the target's shares the bin of the lowest.
    edges = edges[edges > ordered[0]]
    return np.concatenate([np.full(bins - 1 - len(edges), -np.inf), edges])


def _posterior(members: np.ndarray, nonmembers: np.ndarray, prior: float) -> np.ndarray:
    """Risk from counts [classes, bins]."""
    # Multiplied by both group sizes p_in and p_out are counts, and a class without one of the
    # groups is 0 / 0.
    for_member = prior * members * nonmembers.sum(1, keepdims=True)
    for_nonmember = (1 - prior) * nonmembers * members.sum(1, keepdims=True)
    total = for_member + for_nonmember
    return np.divide(for_member, total, out=np.full(total.shape, prior), where=total > 0)
