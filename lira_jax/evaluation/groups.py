"""Decisions and confidences of rightly and of wrongly classified examples.

Rezaei and Liu 2021, table 4, https://arxiv.org/abs/2005.13702: an attack that only repeats whether
the target was right does well on all examples and is at chance within both groups.
"""

import dataclasses

import numpy as np

from lira_jax.evaluation.estimate import margin

GROUPS = ("all", "correct", "misclassified")
FEWEST = 15
"""Members, and non-members, that a class must have to be counted, as in the authors' code."""


@dataclasses.dataclass(frozen=True)
class GroupDecisions:
    """Hard decisions on a group of the pairs, pooled and class by class.

    Attributes:
      balanced_accuracy: mean of the recalls of members and non-members, over all pairs of the
        group; NaN without either.
      far: fraction of the non-members called members.
      num_classes: classes with at least 15 members and 15 non-members among the pairs.
      class_balanced_accuracy: unweighted mean over these classes, which is what the paper prints;
        NaN without any.
      class_balanced_accuracy_sd: standard deviation over the classes, its "+-"; NaN with fewer than
        two.
      class_far: mean of the false alarm rate over the classes.
      class_far_sd: its standard deviation.
    """

    balanced_accuracy: float
    far: float
    num_classes: int
    class_balanced_accuracy: float
    class_balanced_accuracy_sd: float
    class_far: float
    class_far_sd: float

    @property
    def class_balanced_accuracy_margin(self) -> float:
        """Half the 95 % interval of the mean over classes, by Student's t; NaN of fewer than two.

        Classes differ truly, too, so that for the same classes it is wider than need be.
        """
        if self.num_classes < 2:
            return np.nan
        return margin(self.class_balanced_accuracy_sd, self.num_classes)


@dataclasses.dataclass(frozen=True)
class Confidence:
    """Mean confidence of the targets on a group of the pairs; NaN where there are none.

    Attributes:
      members: in the label, of examples that the target trained on.
      nonmembers: in the label, of the others.
      members_predicted: in the predicted class, which differs where that is wrong.
      nonmembers_predicted: of the others.
    """

    members: float
    nonmembers: float
    members_predicted: float
    nonmembers_predicted: float


def group_decisions(
    decisions: np.ndarray,
    counted: np.ndarray,
    members: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray,
    fewest: int = FEWEST,
) -> dict[str, GroupDecisions]:
    """Balanced accuracy and false alarm rate on each of GROUPS.

    Args:
      decisions: bool [targets, examples]: "member", says the attack.
      counted: bool [targets, examples], the pairs with a decision.
      members: bool [targets, examples].
      labels: int [examples].
      correct: bool [targets, examples], whether the target's prediction is the label.
      fewest: members, and non-members, that a class must have to be counted.
    """
    wheres = {"all": counted, "correct": counted & correct, "misclassified": counted & ~correct}
    return {
        name: _decided(decisions, where & members, where & ~members, labels, fewest)
        for name, where in wheres.items()
    }


def confidence(
    of_label: np.ndarray, of_prediction: np.ndarray, members: np.ndarray, correct: np.ndarray
) -> dict[str, Confidence]:
    """Mean confidence on each of GROUPS.

    Args:
      of_label: [targets, examples], in the label.
      of_prediction: [targets, examples], in the predicted class.
      members: bool [targets, examples].
      correct: bool [targets, examples], whether the prediction is the label.
    """
    cells = 2 * members.astype(np.uint8) + correct  # wrong non-members, right ones, and so on
    sizes, *sums = (
        np.bincount(cells.ravel(), weights, 4).reshape(2, 2)  # [member, right]
        for weights in (None, of_label.ravel(), of_prediction.ravel())
    )
    found = {}
    for name, right in zip(GROUPS, ([0, 1], [1], [0]), strict=True):
        means = [
            _ratio(of_values[member, right].sum(), sizes[member, right].sum())
            for of_values in sums
            for member in (1, 0)
        ]
        found[name] = Confidence(*means)
    return found


def _decided(
    decisions: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    labels: np.ndarray,
    fewest: int,
) -> GroupDecisions:
    def by_class(pairs: np.ndarray) -> np.ndarray:
        return np.bincount(labels, pairs.sum(0))

    num_in, num_out = by_class(inside), by_class(outside)
    hits, alarms = by_class(inside & decisions), by_class(outside & decisions)
    used = np.minimum(num_in, num_out) >= fewest
    far = alarms[used] / num_out[used]
    balanced = (hits[used] / num_in[used] + 1 - far) / 2
    recall, pooled_far = _ratio(hits.sum(), num_in.sum()), _ratio(alarms.sum(), num_out.sum())
    return GroupDecisions(
        (recall + 1 - pooled_far) / 2,
        pooled_far,
        int(used.sum()),
        *_spread(balanced),
        *_spread(far),
    )


def _spread(values: np.ndarray) -> tuple[float, float]:
    return (
        float(values.mean()) if values.size else np.nan,
        float(values.std(ddof=1)) if values.size > 1 else np.nan,
    )


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan
