"""The ROC curve of an attack and the metrics read off it. Higher score = more likely a member."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from lira_jax.errors import UserError

TPR_AT = {"tpr_at_1e-2": 1e-2, "tpr_at_1e-3": 1e-3, "tpr_at_1e-4": 1e-4, "tpr_at_1e-5": 1e-5}
_PART = 2**14


@dataclasses.dataclass(frozen=True)
class Roc:
    """A ROC curve: one point per distinct score, after (0, 0) at a threshold above all of them.

    Attributes:
      fp: int [points], ascending: non-members with score >= threshold.
      tp: int [points], ascending: members with score >= threshold.
      thresholds: [points], descending.
      num_members: members the TPR is a fraction of.
      num_nonmembers: non-members the FPR is a fraction of.
    """

    fp: np.ndarray
    tp: np.ndarray
    thresholds: np.ndarray
    num_members: int
    num_nonmembers: int

    @functools.cached_property
    def fpr(self) -> np.ndarray:
        """float64 [points], ascending: fraction of non-members with score >= threshold."""
        return self.fp / self.num_nonmembers

    @functools.cached_property
    def tpr(self) -> np.ndarray:
        """float64 [points], ascending: fraction of members with score >= threshold."""
        return self.tp / self.num_members

    @functools.cached_property
    def area(self) -> float:
        """`auc`, made once."""
        # Whole numbers: float64 holds them without a loss, and multiplies them in a quarter of the
        # time, as long as no sum of them needs more than its 53 bits.
        twice_all = 2 * self.num_members * self.num_nonmembers
        kind = np.float64 if twice_all < 2**53 else np.int64
        twice = 0
        for fp, tp in _parts(self, kind):
            twice += int(np.einsum("i,i->", np.diff(fp), tp[1:] + tp[:-1]))
        return twice / twice_all

    @functools.cached_property
    def best(self) -> tuple[int, float]:
        """`best_point`, made once."""
        found, first = (0, 0.0), 0
        for fp, tp in _parts(self, np.float64):
            gain = tp / self.num_members - fp / self.num_nonmembers
            point = int(np.argmax(gain))
            if gain[point] > found[1]:
                found = first + point, float(gain[point])
            first += _PART
        return found

    def step(self, fpr: float | np.ndarray) -> np.ndarray:
        """The last points whose FPR is at most these."""
        allowed = most(fpr, self.num_nonmembers).astype(self.fp.dtype)
        return np.searchsorted(self.fp, allowed, side="right") - 1


def most(share: float | np.ndarray, number: float | np.ndarray) -> np.ndarray:
    """The largest whole k for which k / number, as it is rounded, is at most a share."""
    found = np.floor(np.multiply(share, number))
    found += (found + 1) / number <= share
    found -= found / number > share
    return found


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
    order = np.argsort(scores)[::-1]
    return of_sorted(scores[order], members[order], np.array(np.inf, scores.dtype))


def of_sorted(scores: np.ndarray, members: np.ndarray, above: np.ndarray) -> Roc:
    """`roc` of scores that are in descending order, the highest first.

    Args:
      scores: [pairs], whole numbers too.
      members: bool [pairs].
      above: a threshold above all scores, or inf.
    """
    num_members = int(np.count_nonzero(members))
    num_nonmembers = members.size - num_members
    if num_members == 0 or num_nonmembers == 0:
        raise UserError(
            f"a ROC needs members and non-members with scores, got {num_members} and "
            f"{num_nonmembers}: choose other targets or groups"
        )
    count = np.int32 if members.size < 2**31 else np.int64
    tp = np.zeros(members.size + 1, count)
    np.cumsum(members, out=tp[1:])
    fp: np.ndarray = np.arange(members.size + 1, dtype=count)
    fp -= tp
    thresholds = np.concatenate([above.reshape(1), scores])
    differ = scores[1:] != scores[:-1]
    if not differ.all():
        last = np.concatenate([[0], np.flatnonzero(differ) + 1, [members.size]])
        tp, fp, thresholds = tp[last], fp[last], thresholds[last]
    return Roc(fp, tp, thresholds, num_members, num_nonmembers)


def auc(roc: Roc) -> float:
    """Area under the curve: P(member > non-member) + P(equal) / 2."""
    return roc.area


def best_point(roc: Roc) -> tuple[int, float]:
    """The first of the points with the largest TPR - FPR, and this difference."""
    return roc.best


def deviations(roc: Roc, area: float) -> tuple[float, float]:
    """How unlike the members are, and the non-members: mean squares about the area.

    Of each member it is told what part of the non-members it beats, equal scores counting half, and
    of each non-member what part of the members beats it: the same for a whole step of the curve.

    Args:
      roc: the curve.
      area: the one under it.
    """
    of_members = of_nonmembers = 0.0
    for fp, tp in _parts(roc, np.float64):
        beats = 1 - area - (fp[1:] + fp[:-1]) / (2 * roc.num_nonmembers)
        loses = (tp[1:] + tp[:-1]) / (2 * roc.num_members) - area
        of_members += np.sum(np.diff(tp) * beats**2)
        of_nonmembers += np.sum(np.diff(fp) * loses**2)
    return float(of_members / roc.num_members), float(of_nonmembers / roc.num_nonmembers)


def overlap(roc: Roc) -> bool:
    """Whether some member is below or beside a non-member, and some above or beside one."""
    last = np.searchsorted(roc.tp, roc.tp.dtype.type(0), side="right") - 1
    return bool(roc.tp[roc.step(0.0)] < roc.num_members and roc.fp[last] < roc.num_nonmembers)


def balanced_accuracy(roc: Roc) -> float:
    """The largest 1 - (FPR + 1 - TPR) / 2 on the curve: an oracle's, as the papers print it."""
    return (1 + best_point(roc)[1]) / 2


def tpr_at_fpr(roc: Roc, fpr: float) -> float:
    """TPR of the step at the largest FPR <= `fpr`; NaN below 1 / num_nonmembers: not resolved."""
    if fpr < 1 / roc.num_nonmembers:
        return np.nan
    return float(roc.tp[roc.step(fpr)] / roc.num_members)


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
    top = _tops(roc, max_points)
    if top.size >= max_points:
        gapless = max_points // 2
        first = roc.fp[top[gapless]] / roc.num_nonmembers
        spaced = np.geomspace(first, 1, max_points - gapless - 1)
        top = np.unique(np.concatenate([top[:gapless], roc.step(spaced)]))
    kept = np.union1d(0, top)
    return dataclasses.replace(
        roc, fp=roc.fp[kept], tp=roc.tp[kept], thresholds=roc.thresholds[kept]
    )


def _tops(roc: Roc, enough: int) -> np.ndarray:
    """The last points of the lowest FPRs: of all, or of at least so many."""
    found, number, first = [], 0, 0
    for fp, _ in _parts(roc, np.int64):
        found.append(first + np.flatnonzero(np.diff(fp)))
        number, first = number + found[-1].size, first + _PART
        if number >= enough:
            break
    else:
        found.append(np.array([roc.fp.size - 1]))
    return np.concatenate(found)


def _parts(roc: Roc, kind: type) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pieces of fp and tp of a type of 64 bits, [at most _PART + 1], that a core's cache holds with
    what is made of them; each begins with the last point of the one before."""
    for start in range(0, roc.fp.size - 1, _PART):
        part = slice(start, start + _PART + 1)
        yield roc.fp[part].astype(kind), roc.tp[part].astype(kind)
