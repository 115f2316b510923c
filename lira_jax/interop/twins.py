"""Is a target from outside one of the shadow models? Then it must be no shadow of itself."""

import dataclasses
from collections.abc import Iterable

import numpy as np

_NEAR = 0.01
_EXAMPLES = 5000  # are enough to know a model by, and quick
_CLIPS = (16.0, 80.0, np.inf)
"""Logits that are lower than the largest by more than this count as this.

Probabilities of float16 and float32 have such a floor, while a temperature moves any: one clip of
the three leaves the outputs of one model alike.
"""


@dataclasses.dataclass(frozen=True)
class Twin:
    """The model that a target is, or that has its very training set.

    Attributes:
      model: its row among the models.
      same_outputs: whether the two say the same of the examples.
      differing: on how many examples the membership that is told of the target differs from the
        model's; None if none is told.
    """

    model: int
    same_outputs: bool
    differing: int | None


def find_twins(
    outputs: Iterable[np.ndarray],
    keep: np.ndarray,
    observed: np.ndarray,
    members: np.ndarray | None,
) -> list[Twin | None]:
    """Looks for each target among the models.

    A target is a model if what that model leaves unexplained of the target's outputs, by a straight
    line, is under a hundredth of what the median of the other models does: so it is found in
    float16, as log-probabilities and with a temperature too. Where no outputs are that near, the
    one model with the target's very members is taken: another training on the same set.

    Args:
      outputs: of each model, logits [examples, classes] or phi [examples], of the plain query.
      keep: bool [models, examples].
      observed: the same of the targets, [targets, examples, ...].
      members: bool [targets, examples] as it is told, or None.

    Returns:
      One for each target; None if it has none.
    """
    few = slice(None, None, max(1, keep.shape[1] // _EXAMPLES))
    wanted = [_standard(target[few]) for target in observed]
    explained = [
        [np.max((one * own).sum((1, 2)) ** 2) for one in wanted] for own in map(_standard, outputs)
    ]
    found: list[Twin | None] = []
    for target, left in enumerate(1 - np.array(explained).T):
        differing = None if members is None else (keep != members[target]).sum(1)
        model = int(left.argmin())
        others = np.delete(left, model)
        if others.size and left[model] < _NEAR * np.median(others):
            found.append(Twin(model, True, None if differing is None else int(differing[model])))
        elif differing is not None and np.count_nonzero(differing == 0) == 1:
            found.append(Twin(int(differing.argmin()), False, 0))
        else:
            found.append(None)
    return found


def _standard(outputs: np.ndarray) -> np.ndarray:
    """Outputs [examples, ...] of mean 0 and length 1, float64 [clips, examples, classes].

    Of logits only differences between classes say anything. Outputs that are the same for all
    examples are 0.
    """
    z = outputs.astype(np.float64)
    z = z[:, None] if z.ndim == 1 else z - z.max(-1, keepdims=True)
    found = np.stack([np.clip(z, -clip, clip) for clip in _CLIPS])
    if found.shape[-1] > 1:
        found -= found.mean(-1, keepdims=True)
    found -= found.mean(1, keepdims=True)
    length = np.sqrt((found**2).sum((1, 2), keepdims=True))
    return np.divide(found, length, out=np.zeros_like(found), where=length > 1e-6)
