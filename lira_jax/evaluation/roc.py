"""The ROC curve of an attack and the metrics read off it. Higher score = more likely a member."""

import dataclasses

import numpy as np

from lira_jax.errors import UserError

TPR_AT = {"tpr_at_1e-2": 1e-2, "tpr_at_1e-3": 1e-3, "tpr_at_1e-4": 1e-4, "tpr_at_1e-5": 1e-5}


@dataclasses.dataclass(frozen=True)
class Roc:
    """A ROC curve: one point per distinct score, after (0, 0) at the threshold +inf.

    Attributes:
      fpr: float64 [points], ascending: fraction of non-members with score >= threshold.
      tpr: float64 [points], ascending: fraction of members with score >= threshold.
      thresholds: float [points], descending.
      num_members: members the TPR is a fraction of.
      num_nonmembers: non-members the FPR is a fraction of.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray
    num_members: int
    num_nonmembers: int


def roc(scores: np.ndarray, members: np.ndarray) -> Roc:
    """The exact ROC curve; equal scores are one point.

    Args:
      scores: [pairs], any real type; -inf and inf are allowed. NaN is no score: such pairs are left
        out, of the curve and of its numbers of members and non-members.
      members: bool [pairs].

    Raises:
      UserError: there are no members or no non-members with a score.
    """
    scores, members = np.asarray(scores), np.asarray(members, bool)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    scored = ~np.isnan(scores)
    if not scored.all():
        scores, members = scores[scored], members[scored]
    num_members = int(np.count_nonzero(members))
    num_nonmembers = members.size - num_members
    if num_members == 0 or num_nonmembers == 0:
        raise UserError(
            f"a ROC needs members and non-members with scores, got {num_members} and "
            f"{num_nonmembers}: choose other targets or groups"
        )
    order = np.argsort(scores)[::-1]
    scores = scores[order]
    last = np.flatnonzero(scores[1:] != scores[:-1])
    last = np.append(last, scores.size - 1)
    tp = np.cumsum(members[order], dtype=np.int64)[last]
    return Roc(
        fpr=np.concatenate([[0.0], (last + 1 - tp) / num_nonmembers]),
        tpr=np.concatenate([[0.0], tp / num_members]),
        thresholds=np.concatenate([np.array([np.inf], scores.dtype), scores[last]]),
        num_members=num_members,
        num_nonmembers=num_nonmembers,
    )


def auc(roc: Roc) -> float:
    """Area under the curve: P(member > non-member) + P(equal) / 2."""
    return float(np.trapezoid(roc.tpr, roc.fpr))


def balanced_accuracy(roc: Roc) -> float:
    """The largest 1 - (FPR + 1 - TPR) / 2 on the curve: an oracle's, as the papers print it."""
    return float((1 + np.max(roc.tpr - roc.fpr)) / 2)


def tpr_at_fpr(roc: Roc, fpr: float) -> float:
    """TPR of the step at the largest FPR <= `fpr`; NaN below 1 / num_nonmembers: not resolved."""
    if fpr < 1 / roc.num_nonmembers:
        return np.nan
    return float(roc.tpr[np.searchsorted(roc.fpr, fpr, side="right") - 1])


def metrics(roc: Roc) -> dict[str, float]:
    """The metrics of results.csv: auc, balanced_accuracy and the names of TPR_AT."""
    return {
        "auc": auc(roc),
        "balanced_accuracy": balanced_accuracy(roc),
        **{name: tpr_at_fpr(roc, fpr) for name, fpr in TPR_AT.items()},
    }


def thin(roc: Roc, max_points: int) -> Roc:
    """A few points of the curve, for a log-log plot; each kept point is exact.

    Only the highest TPR of an FPR is kept: a curve through these points, drawn as steps, is the
    curve. If they are too many, half of the budget goes to the lowest FPRs without a gap, the other
    half to FPRs spaced evenly in log(FPR) above them. The first point stays (0, 0), the last (1,
    1).

    Args:
      roc: the curve.
      max_points: at least 4.
    """
    top = np.flatnonzero(np.diff(roc.fpr, append=np.inf))
    if top.size >= max_points:
        gapless = max_points // 2
        spaced = np.geomspace(roc.fpr[top[gapless]], 1, max_points - gapless - 1)
        above = np.searchsorted(roc.fpr[top], spaced, side="right") - 1
        top = top[np.unique(np.concatenate([np.arange(gapless), above]))]
    kept = np.union1d(0, top)
    return dataclasses.replace(
        roc, fpr=roc.fpr[kept], tpr=roc.tpr[kept], thresholds=roc.thresholds[kept]
    )
