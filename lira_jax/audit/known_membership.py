"""The attacker who knows most members of the target itself: no shadow model, a classifier a class.

Rezaei and Liu 2021, sections 4 and 5 (https://arxiv.org/abs/2005.13702). Members and non-members of
each class are split in the order of the data: the attacker learns from the first part of both, and
is judged on the rest. Here alone in this package an attack learns from the target's own membership.
"""

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks import known_classifiers as classifiers
from lira_jax.attacks.classifiers import probabilities
from lira_jax.attacks.known_classifiers import Fit
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.model_facts import mean_confidences
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation import groups
from lira_jax.evaluation.groups import GROUPS, Confidence, GroupDecisions

FEWEST = {"all": 15, "apart": 10}
"""Members, and non-members, that a class needs: as a whole, or rightly and wrongly classified
examples apart, as in the authors' code."""


@dataclasses.dataclass(frozen=True)
class Way:
    """What the attacker looks at.

    Attributes:
      signal: that is read of the target.
      summary: what it is, in a line.
      table: of the paper.
      apart: whether rightly and wrongly classified examples have classifiers of their own.
      linear: whether the classifier is logistic regression, whatever else is asked for.
      features: (the signal [examples, ...]) -> float [examples, features].
    """

    signal: str
    summary: str
    table: str
    apart: bool = False
    linear: bool = False
    features: Callable[[np.ndarray], np.ndarray] = lambda signal: signal.reshape(len(signal), -1)


WAYS = {
    "softmax": Way("logits", "the vector of confidences", "3 and 4", features=probabilities),
    "layers": Way("layers", "the last hidden layer", "5"),
    "boundary_distance": Way(
        "boundary_distance", "the distance to the boundary", "6", apart=True, linear=True
    ),
    "gradient_norms_w": Way(
        "gradient_norms_w", "seven norms of the gradient by w", "7", apart=True, linear=True
    ),
    "gradient_norms_x": Way(
        "gradient_norms_x", "seven norms of the gradient by x", "7", apart=True, linear=True
    ),
}
"""In the order of the paper's tables."""

NAIVE = "naive"
"""Calls whom the target classifies rightly a member: the paper's baseline (table 3)."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What is found one way, means over the targets.

    Attributes:
      groups: name of GROUPS -> figures; classes with members and non-members in the judged part.
      skipped: classes, a target, that are too small.
      failed: examples, a target, of which the signal is NaN; they are left out.
    """

    groups: dict[str, GroupDecisions]
    skipped: float
    failed: float = 0.0


def ways(names: Sequence[str], saved: Sequence[str]) -> dict[str, Way]:
    """The ways that are asked for.

    Args:
      names: of WAYS; "all" for those whose signals are saved.
      saved: names of the signals.

    Raises:
      UserError: an unknown name, or one whose signal is not saved.
    """
    if list(names) == ["all"]:
        return {name: way for name, way in WAYS.items() if way.signal in saved}
    for name in names:
        if name not in WAYS:
            raise bad_choice("--known_ways", name, ["all", *WAYS])
        if WAYS[name].signal not in saved:
            both = ",".join([*saved, WAYS[name].signal])
            raise UserError(
                f"--known_ways={name}: the signal {WAYS[name].signal} is not saved; run lira-score "
                f"--signals={both}"
            )
    return {name: WAYS[name] for name in names}


def learner(names: Sequence[str], samplings: Sequence[str], seed: int) -> Fit:
    """The classifier that is asked for, or the best of several on validation data.

    Raises:
      UserError: an unknown name.
    """
    for name in names:
        if name not in classifiers.CLASSIFIERS:
            raise bad_choice("--known_classifiers", name, classifiers.CLASSIFIERS)
    for name in samplings:
        if name not in classifiers.SAMPLINGS:
            raise bad_choice("--known_sampling", name, classifiers.SAMPLINGS)
    fits = {name: classifiers.CLASSIFIERS[name] for name in names}

    def fit(features: np.ndarray, members: np.ndarray):
        if len(names) == len(samplings) == 1:
            use = classifiers.sampled(members, samplings[0])
            return fits[names[0]](features[use], members[use], seed)
        return classifiers.chosen(features, members, fits, tuple(samplings), seed=seed).score

    return fit


def judge(
    features: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray,
    fit: Fit,
    *,
    share: float = 0.8,
    apart: bool = False,
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

    Returns:
      decided bool [examples], who is called a member; counted bool [examples], about whom it was
      decided; and the number of classes that are too small, whole or in each group.
    """
    decided, counted = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    usable = ~np.isnan(features).any(-1)
    fewest, skipped = FEWEST["apart" if apart else "all"], 0
    for label in np.unique(labels):
        for group in (correct, ~correct) if apart else (True,):
            rows = np.flatnonzero(usable & (labels == label) & group)
            kinds = rows[members[rows]], rows[~members[rows]]
            if min(map(len, kinds)) < fewest:
                skipped += 1
                continue
            cuts = [min(int(share * len(kind)), len(kind) - 1) for kind in kinds]
            known = np.concatenate([kind[:cut] for kind, cut in zip(kinds, cuts, strict=True)])
            rest = np.concatenate([kind[cut:] for kind, cut in zip(kinds, cuts, strict=True)])
            if min(cuts) < classifiers.FEWEST:
                skipped += 1
                continue
            decided[rest] = fit(features[known], members[known])(features[rest]) >= 0.5
            counted[rest] = True
    return decided, counted, skipped


def run(
    evidence: Evidence, asked: Mapping[str, Way], fit: Fit, share: float
) -> tuple[dict[str, Known], dict[str, Confidence]]:
    """All ways on all targets, the naive attack first, and the targets' mean confidences.

    Raises:
      UserError: the targets' membership is unknown, or there are no logits.
    """
    members = evidence.members
    if members is None:
        raise UserError("--protocol=known: the targets' membership is unknown")
    if "logits" not in evidence.signals:
        raise UserError(
            "--protocol=known: logits tell who is classified rightly, and none are saved; run "
            "lira-score --signals=phi,logits"
        )
    labels, names = evidence.labels, [NAIVE, *asked]
    correct = evidence.statistic_of_targets(statistics.correctness) == 1
    found: dict[str, list[tuple[dict[str, GroupDecisions], int, int]]] = {n: [] for n in names}
    signals = {name: evidence.each_target(way.signal) for name, way in asked.items()}
    for target in progress.each("known members", range(len(members)), "targets"):
        own = members[target], labels, correct[target]
        everyone = np.ones(len(labels), bool)
        of_naive = _figures(correct[target], everyone, *own)
        found[NAIVE].append((of_naive, 0, 0))
        for name, way in asked.items():
            features = np.asarray(way.features(next(signals[name])), np.float64)
            chosen = classifiers.logistic_regression if way.linear else fit
            decided, counted, skipped = judge(features, *own, chosen, share=share, apart=way.apart)
            failed = int(np.isnan(features).any(-1).sum())
            found[name].append((_figures(decided, counted, *own), skipped, failed))
    means = {name: _mean(of_targets) for name, of_targets in found.items()}
    for name, known in means.items():
        if not known.groups["all"].num_classes:
            progress.note(
                f"{name}: no class has members and non-members enough to learn from; nothing is "
                "judged"
            )
    return means, mean_confidences(evidence, members, correct)


def _figures(
    decided: np.ndarray,
    counted: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray,
) -> dict[str, GroupDecisions]:
    """Of one target; all classes that have anything in the judged part."""
    return groups.group_decisions(
        decided[None], counted[None], members[None], labels, correct[None], fewest=1
    )


def _mean(of_targets: Sequence[tuple[dict[str, GroupDecisions], int, int]]) -> Known:
    def mean(group: str) -> GroupDecisions:
        rows = [dataclasses.astuple(figures[group]) for figures, _, _ in of_targets]
        columns = np.array(rows, float)
        known = ~np.isnan(columns)
        totals = np.where(known, columns, 0).sum(0)
        count = known.sum(0)
        values = np.where(count > 0, totals / np.maximum(count, 1), np.nan).tolist()
        return GroupDecisions(values[0], values[1], round(values[2]), *values[3:])

    return Known(
        {group: mean(group) for group in GROUPS},
        float(np.mean([skipped for _, skipped, _ in of_targets])),
        float(np.mean([failed for _, _, failed in of_targets])),
    )


def to_csv(found: Mapping[str, Known]) -> str:
    """What known.csv holds: a row a way and group; an empty cell stands for what is not known."""
    text = io.StringIO()
    columns = [field.name for field in dataclasses.fields(GroupDecisions)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["way", "group", *columns, "classes_skipped", "examples_failed"])
    for name, known in found.items():
        for group, figures in known.groups.items():
            values = ["" if v != v else v for v in dataclasses.astuple(figures)]
            writer.writerow([name, group, *values, known.skipped, known.failed])
    return text.getvalue()
