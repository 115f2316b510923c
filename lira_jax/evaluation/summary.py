"""One attack's metrics over all targets, with intervals: a row of results.csv, an entry of
results.json."""

import dataclasses
import math

import numpy as np

from lira_jax.errors import UserError
from lira_jax.evaluation.intervals import Interval, example_intervals, target_intervals
from lira_jax.evaluation.roc import TPR_AT, Roc, metrics, roc, thin

METRICS = ("auc", "balanced_accuracy", *TPR_AT)
COLUMNS = (
    *("attack", "num_targets", "num_members", "num_nonmembers"),
    *METRICS,
    *(f"{name}_{end}" for name in METRICS for end in ("low", "high")),
)


@dataclasses.dataclass(frozen=True)
class Summary:
    """Metrics of one attack. A TPR at an FPR below 1 / num_nonmembers is NaN here and None in a
    row.

    Attributes:
      num_targets: targets with at least one pair.
      num_members: (target, example) pairs where the target trained on the example.
      num_nonmembers: the other pairs.
      pooled: metric name -> value on the ROC of all pairs.
      intervals: metric name -> (low, high), 95 %.
      per_target: metric name -> float64 [targets], each on the target's own ROC; NaN too where a
        target has no members or no non-members among its pairs.
      curve: the pooled ROC, thinned.
    """

    num_targets: int
    num_members: int
    num_nonmembers: int
    pooled: dict[str, float]
    intervals: dict[str, Interval]
    per_target: dict[str, np.ndarray]
    curve: Roc

    @property
    def mean(self) -> dict[str, float]:
        """Metric name -> mean over the targets that have it, NaN where none has."""
        known = {name: values[~np.isnan(values)] for name, values in self.per_target.items()}
        return {
            name: float(np.mean(values)) if values.size else np.nan
            for name, values in known.items()
        }

    def as_row(self, attack: str) -> dict[str, str | int | float | None]:
        """The row of results.csv: COLUMNS, in their order."""
        row = {
            name: getattr(self, name) for name in ("num_targets", "num_members", "num_nonmembers")
        }
        row |= {name: _none_if_nan(self.pooled[name]) for name in METRICS}
        for name in METRICS:
            low, high = self.intervals[name]
            row |= {f"{name}_low": _none_if_nan(low), f"{name}_high": _none_if_nan(high)}
        return {"attack": attack, **row}

    def as_dict(self) -> dict:
        """The entry of results.json: numbers, lists and None only."""
        return {
            "num_targets": self.num_targets,
            "num_members": self.num_members,
            "num_nonmembers": self.num_nonmembers,
            **{
                name: {
                    "value": _none_if_nan(self.pooled[name]),
                    "low": _none_if_nan(self.intervals[name][0]),
                    "high": _none_if_nan(self.intervals[name][1]),
                    "mean": _none_if_nan(self.mean[name]),
                    "per_target": [_none_if_nan(value) for value in self.per_target[name].tolist()],
                }
                for name in METRICS
            },
            "roc": {"fpr": self.curve.fpr.tolist(), "tpr": self.curve.tpr.tolist()},
        }


def evaluate(
    scores: np.ndarray,
    members: np.ndarray,
    where: np.ndarray | None = None,
    *,
    roc_points: int = 1000,
) -> Summary:
    """Metrics of an attack over all targets.

    Args:
      scores: [targets, examples], higher = more likely a member.
      members: bool [targets, examples], true where the target trained on the example.
      where: bool [targets, examples], the pairs that count; None counts all.
      roc_points: most points of the thinned ROC.

    Raises:
      UserError: shapes differ, a score is NaN, or no members or no non-members are left.
    """
    scores, members = np.asarray(scores), np.asarray(members, bool)
    where = np.ones(scores.shape, bool) if where is None else np.asarray(where, bool)
    if scores.ndim != 2 or scores.shape != members.shape or scores.shape != where.shape:
        raise UserError(
            f"attack scores {scores.shape}, members {members.shape} and pairs that count "
            f"{where.shape}: give three arrays [targets, examples]"
        )
    pooled = roc(scores[where], members[where])
    targets = np.flatnonzero(where.any(1))
    scores = [scores[t, where[t]] for t in targets]
    members = [members[t, where[t]] for t in targets]
    own = [_own_metrics(s, m) for s, m in zip(scores, members, strict=True)]
    return Summary(
        num_targets=targets.size,
        num_members=pooled.num_members,
        num_nonmembers=pooled.num_nonmembers,
        pooled=metrics(pooled),
        intervals=example_intervals(pooled)
        if targets.size == 1
        else target_intervals(pooled, scores, members),
        per_target={name: np.array([f[name] for f in own]) for name in METRICS},
        curve=thin(pooled, roc_points),
    )


def _own_metrics(scores: np.ndarray, members: np.ndarray) -> dict[str, float]:
    if members.all() or not members.any():
        return dict.fromkeys(METRICS, np.nan)
    return metrics(roc(scores, members))


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
