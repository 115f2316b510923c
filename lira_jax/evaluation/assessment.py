"""All that is said of one attack: metrics of pairs and groups, decisions, epsilon, agreement."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lira_jax.evaluation import alarms, calibration, pooled_threshold, shadow_threshold, transfer
from lira_jax.evaluation.alarms import FalseAlarms, Instability
from lira_jax.evaluation.calibration import MaximumScores
from lira_jax.evaluation.decisions import Decisions, best_threshold, counted
from lira_jax.evaluation.epsilon import Epsilon, Setting, epsilon
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.groups import GroupDecisions, group_decisions
from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.reproducibility import Reproducibility, reproducibility
from lira_jax.evaluation.roc import metrics
from lira_jax.evaluation.summary import Row, Summary, of_group, summarise
from lira_jax.evaluation.tail import Extremes, extremes, tnr_at_fnr
from lira_jax.evaluation.transfer import PRIORS, Transferred

RATIOS = {"5:1": 5.0, "1:1": 1.0, "1:5": 0.2}
"""Members : non-members, Rezaei and Liu (2021), table 2."""
_UNKNOWN = Estimate(math.nan)
_NO_EXTREMES = Extremes(_UNKNOWN, _UNKNOWN)


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
        other targets, of a single target or targets from outside on shadow models that were
        attacked in their place; None where there are neither.
      statistic: the statistic that calibrated decisions of the audit test in place of this attack's
        score; None for an attack that does not look at one.
      false_alarms: whose false alarms the threshold at 1 % FPR gives; None where they are too few.
      instability: how often targets disagree about an example they trained on, at the same
        threshold; None with a single target.
      transferred: false positive rate, one of transfer.ALPHA, -> what thresholds of other models
        give.
      reproducibility: whether targets agree on who is exposed; None with too few targets or
        examples.
      groups: one of groups.GROUPS -> decisions on its pairs, at `thresholds`; empty without these,
        or where it is unknown what the targets classify rightly.
      tnr_at_fnr: true negative rate where 0.1 % of the members are called non-members.
      maximum_scores: mean maximum prediction scores by decision (Hintersdorf et al. 2022, table 3),
        mean over targets; None where there are no decisions or the scores are unknown.
      extremes: how often the attack is right about the 1 % of the examples with the highest and
        the lowest scores.
      num_unscored: examples that have no score in some target, for want of shadow scores; such
        pairs are left out of everything else.
    """

    correct: Row | None
    misclassified: Row | None
    per_class: dict[int, dict[str, float]]
    decisions: dict[str, Decisions] | None
    epsilon: Epsilon
    thresholds: tuple[float, ...] | None = None
    statistic: str | None = None
    false_alarms: FalseAlarms | None = None
    instability: Instability | None = None
    transferred: dict[str, Transferred] = dataclasses.field(default_factory=dict)
    reproducibility: Reproducibility | None = None
    groups: dict[str, GroupDecisions] = dataclasses.field(default_factory=dict)
    tnr_at_fnr: Estimate = _UNKNOWN
    maximum_scores: MaximumScores | None = None
    extremes: Extremes = _NO_EXTREMES
    num_unscored: int = 0


@dataclasses.dataclass(frozen=True)
class ShadowScores:
    """What the attack says of shadow models, whose membership the attacker knows.

    Attributes:
      scores: [models, examples], higher = more likely a member; NaN is no score.
      members: bool [models, examples].
    """

    scores: np.ndarray
    members: np.ndarray


def assess(
    scores: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray | None,
    threshold: float | None = None,
    shadows: ShadowScores | None = None,
    priors: Sequence[float] = PRIORS,
    maximum_score: np.ndarray | None = None,
    bound: Setting | None = None,
) -> AttackResults:
    """Assesses an attack.

    Args:
      scores: [targets, examples], higher = more likely a member; NaN is no score, such pairs are
        left out.
      members: bool [targets, examples].
      labels: int [examples].
      correct: bool [targets, examples], whether the target's prediction is right; None if unknown.
      threshold: the attack's own, for attacks that decide: member where score >= threshold.
      shadows: of a single target or targets from outside, to choose thresholds on; None takes the
        other targets.
      priors: shares of the examples that are members, for the value of an accusation.
      maximum_score: [targets, examples], the target's largest confidence; None if unknown.
      bound: which bound on epsilon; None for the default.
    """
    ranked = Ranked.of(scores, members)
    limits = _thresholds(ranked, threshold, shadows)
    decisions, groups, maximum_scores = None, {}, None
    if limits is not None:
        decided = ranked.at_least(ranked.rank_of(limits))
        decisions = _decisions(decided, ranked)
        if correct is not None:
            groups = group_decisions(decided, ranked.counted, members, labels, correct)
        if maximum_score is not None:
            maximum_scores = calibration.maximum_scores(
                maximum_score, decided, members, ranked.counted
            )
    return AttackResults(
        **vars(summarise(ranked)),
        correct=None if correct is None else _group("correct", ranked, correct),
        misclassified=None if correct is None else _group("misclassified", ranked, ~correct),
        per_class=dict(_by_class(ranked, labels)),
        decisions=decisions,
        epsilon=epsilon(ranked, bound),
        thresholds=None if limits is None else tuple(limits.tolist()),
        **_over_targets(ranked),
        transferred=transfer.transferred(
            ranked, priors, None if shadows is None else _of_shadows(shadows)
        ),
        groups=groups,
        tnr_at_fnr=tnr_at_fnr(ranked.rows),
        maximum_scores=maximum_scores,
        extremes=extremes(ranked.rows),
        num_unscored=int(np.count_nonzero(~ranked.counted.all(0))),
    )


def _thresholds(
    ranked: Ranked, threshold: float | None, shadows: ShadowScores | None
) -> np.ndarray | None:
    """The limit of each target's decisions, [targets]; None where nothing gives one."""
    if threshold is None and shadows is not None:
        known = ~np.isnan(shadows.scores)
        threshold = best_threshold(shadows.scores[known], shadows.members[known])
    if threshold is None:
        return shadow_threshold.thresholds(ranked)
    return np.full(ranked.num_targets, threshold)


def _decisions(decided: np.ndarray, ranked: Ranked) -> dict[str, Decisions]:
    """Metrics of decisions, bool [targets, examples], at each of RATIOS."""
    kinds = ranked.inside, ranked.outside
    tp, fp = (int(np.count_nonzero(decided & kind)) for kind in kinds)
    num_in, num_out = (int(np.count_nonzero(kind)) for kind in kinds)
    return {name: counted(tp, fp, num_in, num_out, ratio) for name, ratio in RATIOS.items()}


def _by_class(ranked: Ranked, labels: np.ndarray) -> Iterator[tuple[int, dict[str, float]]]:
    """Each class and the metrics over its examples; without those that have none."""
    for k in np.unique(labels):
        pairs = ranked.examples(labels == k).all()
        if 0 < np.count_nonzero(pairs.is_member) < pairs.size:
            yield int(k), metrics(pairs.curve())


def _of_shadows(shadows: ShadowScores) -> np.ndarray:
    """Thresholds at each false positive rate of transfer.ALPHA, [models, rates]."""
    ranked = Ranked.of(shadows.scores, shadows.members)
    rates = transfer.ALPHA.values()
    limits = np.stack([pooled_threshold.of_targets(ranked.rows, rate) for rate in rates], axis=1)
    known = ~np.isnan(limits)
    found = np.full(limits.shape, np.nan)
    found[known] = pooled_threshold.above(ranked.values[limits[known].astype(int) - 1])
    return found


def _over_targets(ranked: Ranked) -> dict[str, Any]:
    """The fields that say how targets and examples differ."""
    found: dict[str, Any] = {"reproducibility": reproducibility(ranked)}
    decided = alarms.decided(ranked)
    if decided is not None:
        found["false_alarms"] = alarms.false_alarms(decided, ranked)
        found["instability"] = alarms.instability(decided, ranked)
    return found


def _group(name: str, ranked: Ranked, where: np.ndarray) -> Row | None:
    own = ranked.among(where)
    return of_group(name, own) if own.both else None
