"""The attacker who knows most members of the target itself: no shadow model, a classifier a class.

Rezaei and Liu 2021, sections 4 and 5 (https://arxiv.org/abs/2005.13702). Members and non-members of
each class are split in the order of the data: the attacker learns from the first part of both, and
is judged on the rest. Here alone in this package an attack learns from the target's own membership.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks import known_classifiers as classifiers
from lira_jax.attacks.known_classifiers import Fit
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.known_found import (
    NAIVE,
    Found,
    OfTarget,
    mean,
    mean_of,
    means_of,
    members_of_classifiers,
)
from lira_jax.audit.known_ways import DISTANCE, Way
from lira_jax.audit.model_facts import mean_confidences
from lira_jax.evaluation.groups import GROUPS


def judge(
    features: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray,
    fit: Fit,
    *,
    share: float = 0.8,
    apart: bool = False,
    fewest: int = 15,
    most: int = 0,
    least: int = classifiers.FEWEST,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Decides about the part of one target's examples whose membership the attacker does not know.

    Args:
      features: float [examples, features]; examples with NaN are left out.
      members: bool [examples], of the target.
      labels: int [examples].
      correct: bool [examples], whether the target's prediction is the label.
      fit: (features, members) -> score, as `known_classifiers` has them.
      share: of the members, and of the non-members, that are known.
      apart: whether rightly and wrongly classified examples have classifiers of their own.
      fewest: members, and non-members, that a class needs, or where `apart` each of its groups.
      most: of them that are taken, the first in the order of the data; 0 for all.
      least: members, and non-members, that `fit` needs; a class that gives it fewer is too small.

    Returns:
      decided bool [examples], who is called a member; counted bool [examples], about whom it was
      decided; and the number of classes that are too small, whole or in each group.
    """
    decided, counted = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    usable = ~np.isnan(features).any(-1)
    skipped = 0
    for label in np.unique(labels):
        for group in (correct, ~correct) if apart else (True,):
            rows = np.flatnonzero(usable & (labels == label) & group)
            most_here = most or len(rows)
            kinds = rows[members[rows]][:most_here], rows[~members[rows]][:most_here]
            if min(map(len, kinds)) < fewest:
                skipped += 1
                continue
            cuts = [min(int(share * len(kind)), len(kind) - 1) for kind in kinds]
            known = np.concatenate([kind[:cut] for kind, cut in zip(kinds, cuts, strict=True)])
            rest = np.concatenate([kind[cut:] for kind, cut in zip(kinds, cuts, strict=True)])
            if min(cuts) < least:
                skipped += 1
                continue
            decided[rest] = fit(features[known], members[known])(features[rest]) >= 0.5
            counted[rest] = True
    return decided, counted, skipped


def run(evidence: Evidence, asked: Mapping[str, Way], fit: Fit, share: float) -> Found:
    """All ways on all targets, the naive attack first, and how the targets are.

    Raises:
      UserError: the targets' membership is unknown, or there are no logits.
    """
    why = "logits tell who is classified rightly, and none are saved"
    members = members_of_classifiers(evidence, "known", why)
    labels = evidence.labels
    correct = evidence.statistic_of_targets(statistics.correctness) == 1
    found: dict[str, list[OfTarget]] = {name: [] for name in (NAIVE, *asked)}
    distances: dict[str, list[tuple[float, float]]] = {}
    signals = {name: evidence.each_target(way.signal) for name, way in asked.items()}
    for target in progress.each("known members", range(len(members)), "targets"):
        own = members[target], labels, correct[target]
        found[NAIVE].append(OfTarget.of(correct[target], np.ones(len(labels), bool), *own))
        for name, way in asked.items():
            features = np.asarray(way.features(next(signals[name])), np.float64)
            chosen = classifiers.logistic_regression if way.linear else fit
            least = classifiers.FEWEST_LINEAR if way.linear else classifiers.FEWEST
            decided, counted, skipped = judge(
                features,
                *own,
                chosen,
                share=share,
                apart=way.apart,
                fewest=way.fewest,
                most=way.most,
                least=least,
            )
            failed = int(np.isnan(features).any(-1).sum())
            found[name].append(OfTarget.of(decided, counted, *own, skipped, failed))
            if name == DISTANCE:
                for group, both in _distances(features[:, 0], members[target], own[2]).items():
                    distances.setdefault(group, []).append(both)
    means = {name: mean_of(of_targets) for name, of_targets in found.items()}
    for name, known in means.items():
        if not known.groups["all"].num_classes:
            progress.note(
                f"{name}: no class has members and non-members enough to learn from; nothing is "
                "judged"
            )
    return Found(
        means,
        mean_confidences(evidence, members, correct),
        (mean(correct[members]), mean(correct[~members])),
        {group: _of_both(rows) for group, rows in distances.items()},
    )


def _of_both(of_targets: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The means over targets of figures of members and of non-members."""
    inside, outside = means_of(np.array(of_targets))
    return inside, outside


def _distances(
    distance: np.ndarray, members: np.ndarray, correct: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Mean distance of members and of non-members on each of GROUPS."""
    has_one = ~np.isnan(distance)
    wheres = zip(GROUPS, (has_one, has_one & correct, has_one & ~correct), strict=True)
    return {
        group: (mean(distance[where & members]), mean(distance[where & ~members]))
        for group, where in wheres
    }
