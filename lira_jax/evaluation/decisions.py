"""Metrics of an attack that says yes or no, and the threshold that makes a score say so."""

import dataclasses

import numpy as np

from lira_jax.errors import UserError
from lira_jax.evaluation.roc import best_point, roc


@dataclasses.dataclass(frozen=True)
class Decisions:
    """Metrics of hard decisions; a ratio of nothing is NaN.

    Attributes:
      accuracy: fraction of the pairs that are decided rightly.
      balanced_accuracy: mean of the recalls of members and non-members.
      far: false alarm rate, the fraction of non-members called members.
      precision_member: fraction of the pairs called members that are; NaN where none was called so.
      recall_member: fraction of the members called so.
      f1_member: harmonic mean of the two.
      precision_nonmember: fraction of the pairs called non-members that are.
      recall_nonmember: fraction of the non-members called so.
      f1_nonmember: harmonic mean of the two.
    """

    accuracy: float
    balanced_accuracy: float
    far: float
    precision_member: float
    recall_member: float
    f1_member: float
    precision_nonmember: float
    recall_nonmember: float
    f1_nonmember: float


def decision_metrics(
    decisions: np.ndarray, members: np.ndarray, members_per_nonmember: float | None = None
) -> Decisions:
    """Accuracy, balanced accuracy, FAR, and both classes' precision, recall and F1, of decisions.

    Rezaei and Liu 2021, https://arxiv.org/abs/2005.13702: precision and recall of members alone
    hide the false alarms, so both classes are given. Their table 2 changes the mix of members and
    non-members by subsampling; here each pair is weighted instead, which is what subsampling tends
    to, without its noise.

    Args:
      decisions: bool, any shape such as [targets, examples]: "member", says the attack.
      members: bool, the same shape: the truth.
      members_per_nonmember: the mix to report for, such as 5, 1 or 1 / 5; None leaves it as it is.

    Raises:
      UserError: shapes differ, or the mix is not positive.
    """
    decisions, members = np.asarray(decisions, bool), np.asarray(members, bool)
    if decisions.shape != members.shape:
        raise UserError(
            f"decisions {decisions.shape} and members {members.shape}: give two arrays of one shape"
        )
    num_members, called = int(np.count_nonzero(members)), int(np.count_nonzero(decisions))
    tp = int(np.count_nonzero(decisions & members))
    return counted(tp, called - tp, num_members, members.size - num_members, members_per_nonmember)


def counted(
    tp: float,
    fp: float,
    num_members: int,
    num_nonmembers: int,
    members_per_nonmember: float | None = None,
) -> Decisions:
    """`decision_metrics` of so many members and non-members that are called members.

    Raises:
      UserError: the mix is not positive.
    """
    if members_per_nonmember is not None and not 0 < members_per_nonmember < np.inf:
        raise UserError(
            f"members_per_nonmember={members_per_nonmember}: give a positive ratio such as 5 or 0.2"
        )
    fn: float
    tn: float
    fn, tn = num_members - tp, num_nonmembers - fp
    far, miss_rate = _ratio(fp, num_nonmembers), _ratio(fn, num_members)
    if members_per_nonmember is not None:
        # From here on these are weights.
        tp, fn = members_per_nonmember * _ratio(tp, num_members), members_per_nonmember * miss_rate
        fp, tn = far, _ratio(tn, num_nonmembers)
    return Decisions(
        accuracy=_ratio(tp + tn, tp + tn + fp + fn),
        balanced_accuracy=1 - (far + miss_rate) / 2,
        far=far,
        precision_member=_ratio(tp, tp + fp),
        recall_member=1 - miss_rate,
        f1_member=_ratio(2 * tp, 2 * tp + fp + fn),
        precision_nonmember=_ratio(tn, tn + fn),
        recall_nonmember=1 - far,
        f1_nonmember=_ratio(2 * tn, 2 * tn + fp + fn),
    )


def best_threshold(scores: np.ndarray, members: np.ndarray) -> float:
    """The highest threshold t whose decisions `score >= t` have the best balanced accuracy.

    Choose it on shadow models and apply it to a target; chosen on the target itself it is an
    oracle's.

    Args:
      scores: [pairs] of shadow models; NaN is no score, and such a pair has no say.
      members: bool [pairs].

    Returns:
      A score, or inf where calling nobody a member is best.
    """
    curve = roc(np.ravel(scores), np.ravel(members))
    return float(curve.thresholds[best_point(curve)[0]])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan
