"""Attacks that learn from the shadow models' outputs to tell members from non-members.

A classifier is trained on pairs of a shadow model and an example, of which it is known whether the
example was in the model's training set; the target's outputs are then judged by it. What it sees
and what it is, classifiers.py says.
"""

import functools
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lira_jax.attacks.classifiers import unchanged
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import leave_out, pairs
from lira_jax.attacks.shared.blocks import MAX_THREADS
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.errors import UserError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

Judge = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What has been learned for a target: (features [examples, features], group of each example) ->
log-odds of membership [examples]."""

_STREAM = 0x6C6561726E  # sets these random numbers apart from other uses of the same seed

FEWEST_PAIRS = 50
"""A classifier is trained on no fewer pairs of either kind: 5 of them are the validation set that
stops it."""

EVEN = 0.05
"""Where the share of member pairs is farther than this from a half, networks are trained on as many
of either kind. Otherwise nearly every pair is of one kind, and the accuracy that stops a network is
that of calling all of them so."""

LARGEST_ODDS = 1e15
"""Odds beyond this are lost in the rounding of float64 probabilities."""


def trained_attack(
    logits: np.ndarray,
    labels: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    features: Callable[[np.ndarray], np.ndarray],
    estimator: Callable[[int], "BaseEstimator"],
    per_class: bool = False,
    training_set: TrainingSet | None = None,
    even: bool = False,
    limit: int = 20_000,
    seed: int = 0,
    shadows: int = 0,
    learned: dict[int | None, Judge] | None = None,
    progress: Callable[[], object] | None = None,
) -> np.ndarray:
    """Log-odds of membership of every example in every target, by a classifier trained on the
    shadows.

    A classifier is fitted for each target, since a target's own outputs must not teach it (see
    pairs.py): time grows with the targets, not with the models. Targets run side by side, each
    on one thread, so the scores do not depend on the number of cores.

    Args:
      logits: float [models, examples, classes], or any features.
      labels: int [examples].
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, classes], logits of targets from outside instead: all
        models are their shadows, and one classifier serves them all.
      features: what the classifier sees of logits [..., classes], e.g. `confidences`.
      estimator: makes an unfitted scikit-learn classifier from a seed, e.g. `random_forest`.
      per_class: train one classifier for each label; labels with fewer than FEWEST_PAIRS pairs of
        either kind are judged by a classifier of all labels.
      training_set: what the classifiers learn from; None takes the models' logits, labels and keep.
      even: where members are not about half of the pairs (EVEN), train on as many of either kind,
        the others being left out at random: the under-sampling of Rezaei and Liu 2021, section 4.
        For networks, which accuracy stops; repeating the rarer kind instead would put copies of one
        pair into their training and their validation set. Trees do better with all pairs.
      limit: most (model, example) pairs to train on, over all labels.
      seed: of the pairs and the classifiers; targets draw differently.
      shadows: how many shadow models they are of, the next ones after the target; 0 for all.
      learned: target -> what earlier calls with the same training set and options have learned for
        it, None being all targets from outside; what this call learns is added. Not with
        `per_class`, where what is learned depends on the labels to judge.
      progress: called after each target.

    Returns:
      float64 [targets, examples]; higher = more likely a member.

    Raises:
      UserError: shapes that disagree, NaN or infinite logits, too few pairs, or a package is
        missing.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 3 or logits.shape[2] < (1 if features is unchanged else 2):
        raise UserError(
            f"logits has shape {logits.shape}: give [models, examples, classes], 2 classes or more"
        )
    inputs = inputs_lib.check(logits, keep, targets, observed)
    if labels.shape != logits.shape[1:2]:
        raise UserError(
            f"labels has shape {labels.shape}, logits {logits.shape}: give a label for each example"
        )
    known = training_set or TrainingSet(logits, labels, inputs.keep)
    groups, judged = known.labels, labels
    if not per_class:
        groups, judged = np.zeros_like(groups), np.zeros_like(judged)
    even = even and abs(known.keep.mean() - 0.5) > EVEN
    partner = leave_out.with_partner(known.keep)

    assert learned is None or not per_class, "classifiers of other labels may be asked for"
    learned = {} if learned is None else learned

    def learn(target: int | None, row: int) -> Judge:
        only = pairs.few_shadows(len(known.keep), target, row, shadows)
        models, examples = pairs.sample(
            known.keep, target, limit, seed, by_kind=even, partner=partner, only=only
        )
        x, member = features(known.values[models, examples]), known.keep[models, examples]
        make = functools.partial(estimator, _seed(seed, target))
        return _learn(make, x, member, groups[examples], np.unique(judged), even=even)

    def judge_of(target: int | None, row: int) -> Judge:
        if target is None and shadows:  # each target from outside has shadow models of its own
            return learn(target, row)
        if target not in learned:
            learned[target] = learn(target, row)
        return learned[target]

    def attack(row: int) -> np.ndarray:
        target = None if inputs.targets is None else int(inputs.targets[row])
        return judge_of(target, row)(features(inputs.of_target(row)), judged)

    from sklearn.exceptions import ConvergenceWarning

    estimator(0)  # imports its libraries, for only those that are there are limited below
    score = np.empty((inputs.num_targets, logits.shape[1]))
    workers = min(os.cpu_count() or 1, MAX_THREADS)
    with (
        warnings.catch_warnings(),
        # A fit is many small products, which several BLAS threads slow down; OpenMP's limit is each
        # thread's own.
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(workers, initializer=threadpool_limits, initargs=(1, "openmp")) as pool,
    ):
        # That networks stop after max_iter epochs is meant, and not the user's to mend.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if inputs.targets is None and not shadows:
            judge_of(None, 0)  # before several threads ask for it
        for row, scores in enumerate(pool.map(attack, range(inputs.num_targets))):
            score[row] = scores
            if progress is not None:
                progress()
    return score


def caveat(
    labels: np.ndarray,
    keep: np.ndarray,
    left_out: int,
    limit: int = 20_000,
    *,
    judged: np.ndarray | None = None,
) -> str:
    """What is to be said of labels without a classifier of their own; empty if all have one.

    Args:
      labels: int [examples], of what the classifiers learn from.
      keep: bool [models, examples], of the same.
      left_out: shadow scores of each kind that an example loses with its target and partner.
      limit: most pairs to train on.
      judged: int [judged examples], the labels of those under attack; None if they are the same.
    """
    classes = np.unique(labels if judged is None else judged)
    examples = np.bincount(labels, minlength=classes.max() + 1)
    members = np.bincount(labels, keep.sum(0), minlength=classes.max() + 1)
    fewer = np.minimum(members, len(keep) * examples - members) - left_out * examples
    drawn = np.minimum(1, limit / max(1, (len(keep) - 2 * left_out) * len(labels)))
    lacking = int(np.count_nonzero((fewer * drawn < FEWEST_PAIRS)[classes]))
    if not lacking:
        return ""
    return (
        f"{lacking} of {len(classes)} classes have fewer than about {FEWEST_PAIRS} "
        "shadow pairs of either kind to learn from: a network of all classes judges them"
    )


def _learn(
    make: Callable[[], "BaseEstimator"],
    x: np.ndarray,
    member: np.ndarray,
    groups: np.ndarray,
    asked: np.ndarray,
    *,
    even: bool,
) -> Judge:
    """Fits a classifier for each group of examples and returns how they judge.

    Args:
      make: makes an unfitted classifier.
      x: float [pairs, features].
      member: bool [pairs].
      groups: int [pairs], the group of each pair's example.
      asked: int [groups], the groups of the examples to judge.
      even: train on as many members as non-members: the first ones of either, in the order given.
    """

    def fit(chosen: np.ndarray) -> "BaseEstimator | None":
        fewer = int(np.bincount(member[chosen], minlength=2).min())
        if fewer < FEWEST_PAIRS:
            return None
        if even:
            chosen = np.flatnonzero(chosen)
            inside = member[chosen]
            rank = np.where(inside, np.cumsum(inside), np.cumsum(~inside))
            chosen = chosen[rank <= fewer]
        return make().fit(x[chosen], member[chosen])

    classifiers = {group: fit(groups == group) for group in asked}
    everyone = fit(np.ones_like(member)) if None in classifiers.values() else None
    if None in classifiers.values() and everyone is None:
        raise UserError(
            f"{member.sum()} member and {(~member).sum()} non-member pairs of a shadow model and "
            f"an example are left, learning needs {FEWEST_PAIRS} of each: use more models "
            "(--num_models)"
        )

    def judge(own: np.ndarray, judged: np.ndarray) -> np.ndarray:
        score = np.empty(len(judged))
        for group, classifier in classifiers.items():
            of_group = judged == group
            score[of_group] = _log_odds(
                everyone if classifier is None else classifier, own[of_group]
            )
        return score

    return judge


def _log_odds(classifier: "BaseEstimator", x: np.ndarray) -> np.ndarray:
    out, member = classifier.predict_proba(x).astype(np.float64).T
    return np.log(np.maximum(member, 1 / LARGEST_ODDS)) - np.log(np.maximum(out, 1 / LARGEST_ODDS))


def _seed(seed: int, target: int | None) -> int:
    key = [seed, _STREAM, 0 if target is None else target + 1]
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)  # xgboost takes 31 bits
