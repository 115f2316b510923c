"""One attack's metrics over all targets, with intervals."""

import dataclasses
from typing import Any

import numpy as np

from lira_jax.evaluation.estimate import Estimate, Metric
from lira_jax.evaluation.intervals import example_intervals, target_intervals
from lira_jax.evaluation.ranked import Pairs, Ranked
from lira_jax.evaluation.roc import TPR_AT, Roc, metrics, thin

METRICS = ("auc", "balanced_accuracy", *TPR_AT)
"""Names of the metrics that are read off a ROC, in the order of results.csv."""


def _as_columns(metrics: dict[str, Estimate]) -> dict[str, float]:
    return {n: e.value for n, e in metrics.items()} | {
        f"{n}_{end}": getattr(e, end) for n, e in metrics.items() for end in ("low", "high")
    }


def _from_columns(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {n: {"value": row[n], "low": row[f"{n}_low"], "high": row[f"{n}_high"]} for n in METRICS}


COLUMNS = {"spread": _as_columns, "gather": _from_columns}
"""How metrics lie in a row of a table: auc, auc_low, auc_high and so on (see audit/codec.py)."""
BESIDE = {"spread": dict, "gather": lambda entry: {name: entry[name] for name in METRICS}}
"""How metrics lie in an entry of results.json: beside what else is said of the attack."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Metrics of a variant of an attack, or of an attack on a group of pairs.

    Attributes:
      attack: name of the variant or the group.
      num_targets: targets with at least one pair.
      num_members: (target, example) pairs where the target trained on the example.
      num_nonmembers: the other pairs.
      metrics: name, one of METRICS, -> estimate on the ROC of all pairs; a TPR at an FPR below
        1 / num_nonmembers is NaN.
    """

    attack: str
    num_targets: int
    num_members: int
    num_nonmembers: int
    metrics: dict[str, Estimate] = dataclasses.field(metadata=COLUMNS)


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of a ROC curve, ascending.

    Attributes:
      fpr: fraction of non-members called members.
      tpr: fraction of members called members.
    """

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurveRow(Row):
    """Metrics of a variant of an attack, and its ROC.

    Attributes:
      roc: the ROC of all pairs, thinned; None in results that were written without it.
    """

    roc: Curve | None = None


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `evaluate` finds.

    Attributes:
      num_targets: targets with at least one pair.
      num_members: (target, example) pairs where the target trained on the example.
      num_nonmembers: the other pairs.
      metrics: name, one of METRICS, -> metric; a TPR at an FPR below 1 / num_nonmembers is NaN.
      roc: the ROC of all pairs, thinned.
    """

    num_targets: int
    num_members: int
    num_nonmembers: int
    metrics: dict[str, Metric] = dataclasses.field(metadata=BESIDE)
    roc: Curve

    def row(self, attack: str) -> Row:
        """The same without the curve and single targets."""
        kept = {n: Estimate(m.value, m.low, m.high) for n, m in self.metrics.items()}
        return Row(attack, self.num_targets, self.num_members, self.num_nonmembers, kept)


def evaluate(
    scores: np.ndarray,
    members: np.ndarray,
    where: np.ndarray | None = None,
    *,
    roc_points: int = 1000,
) -> Summary:
    """Metrics of an attack over all targets.

    Args:
      scores: [targets, examples], higher = more likely a member; NaN is no score, and such a pair
        does not count.
      members: bool [targets, examples], true where the target trained on the example.
      where: bool [targets, examples], the pairs that count; None counts all.
      roc_points: most points of the thinned ROC.

    Raises:
      UserError: shapes differ, or no members or no non-members are left.
    """
    return summarise(Ranked.of(scores, members, where), roc_points=roc_points)


def summarise(ranked: Ranked, *, roc_points: int = 1000) -> Summary:
    """`evaluate` of scores that are sorted.

    Raises:
      UserError: no members or no non-members are left.
    """
    curve, rows, pooled = _pooled(ranked)
    own = [_own_metrics(row) for row in rows]
    few = thin(curve, roc_points)
    return Summary(
        num_targets=len(rows),
        num_members=curve.num_members,
        num_nonmembers=curve.num_nonmembers,
        metrics={name: _metric(pooled[name], [one[name] for one in own]) for name in METRICS},
        roc=Curve(tuple(few.fpr.tolist()), tuple(few.tpr.tolist())),
    )


def of_group(name: str, ranked: Ranked) -> Row:
    """`summarise` without the curve and single targets, of a group of the pairs.

    Args:
      name: of the group.
      ranked: the pairs that are in it.

    Raises:
      UserError: no members or no non-members are left.
    """
    curve, rows, pooled = _pooled(ranked)
    return Row(name, len(rows), curve.num_members, curve.num_nonmembers, pooled)


def _pooled(ranked: Ranked) -> tuple[Roc, list[Pairs], dict[str, Estimate]]:
    """The curve of all pairs, the pairs of each target that has any, and the curve's metrics."""
    curve = ranked.all().curve()
    rows = [row for row in ranked.rows if row.size]
    values = metrics(curve)
    intervals = example_intervals(curve) if len(rows) == 1 else target_intervals(curve, rows)
    return curve, rows, {name: Estimate(values[name], *intervals[name]) for name in METRICS}


def _metric(pooled: Estimate, per_target: list[float]) -> Metric:
    known = [v for v in per_target if not np.isnan(v)]
    return Metric(
        pooled.value,
        pooled.low,
        pooled.high,
        mean=float(np.mean(known)) if known else np.nan,
        per_target=tuple(per_target),
    )


def _own_metrics(row: Pairs) -> dict[str, float]:
    if not row.inside.size or not row.outside.size:
        return dict.fromkeys(METRICS, np.nan)
    return metrics(row.curve())
