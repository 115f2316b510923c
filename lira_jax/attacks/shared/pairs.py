"""Training data of attacks that learn from shadow models: (model, example) pairs, unbiased for a
target."""

import dataclasses

import numpy as np

from lira_jax.attacks.shared import leave_out

_STREAM = 0x70616972  # sets these random numbers apart from other uses of the same seed


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """What an attack learns from: what models say of examples, and who trained on which.

    These need not be the examples under attack: with one shadow model on data of its own (Song and
    Mittal 2021, Hintersdorf et al. 2022) they never are.

    Attributes:
      values: float [models, examples, ...], of the same models as the attack's other arguments.
      labels: int [examples].
      keep: bool [models, examples].
    """

    values: np.ndarray
    labels: np.ndarray
    keep: np.ndarray


def sample(
    keep: np.ndarray,
    target: int | None,
    limit: int,
    seed: int = 0,
    *,
    by_kind: bool = False,
    in_order: bool = False,
    partner: bool | None = None,
    only: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws pairs of a shadow model and an example at random, without the target and, unless the
    masks are coin flips, without its partners.

    With balanced masks every example is then a member of as many remaining shadows as it is a
    non-member of, whether the target trained on it or not: what is learnt from the pairs cannot
    carry the target's own membership. Where models drew their training sets independently the
    target alone goes (leave_out.py): a classifier that recognises an example learns what share of
    the remaining shadows trained on it, and a partner of the opposite membership that is gone
    shifts that share towards the target's own.

    Args:
      keep: bool [models, examples].
      target: index of the model that is attacked; None if it comes from outside, then nothing is
        left out.
      limit: most pairs to return.
      seed: of the draw; targets draw differently.
      by_kind: draw up to half of the limit from members and from non-members each, so that where
        one kind is rare more of it is found.
      in_order: the same pairs in the order of the models and examples, for statistics that do not
        depend on it: they are read faster. Not with `by_kind`.
      partner: whether a partner goes with the target; None reads it off the masks, which takes
        longer than the draw.
      only: int [models], draw of these alone; None for all.

    Returns:
      (models, examples): int arrays [pairs], in random order unless `in_order`; the pairs'
        membership is keep[models, examples].
    """
    generator = np.random.default_rng([seed, _STREAM, 0 if target is None else target + 1])
    gone = np.empty(0, int)
    if target is not None:
        if partner is None:
            partner = leave_out.with_partner(keep)
        gone = _left_out(keep, target, partner)
    if only is not None:
        others = np.setdiff1d(np.arange(len(keep)), only)
        of_others = others[:, None] * keep.shape[1] + np.arange(keep.shape[1])
        gone = np.union1d(gone, of_others)
    left = keep.size - len(gone)
    if by_kind and limit < left:
        flat = np.delete(np.arange(keep.size), gone)
        kinds = [flat[keep.flat[flat]], flat[~keep.flat[flat]]]
        flat = np.concatenate(
            [generator.choice(kind, min(limit // 2, len(kind)), replace=False) for kind in kinds]
        )
        flat = generator.permutation(flat)
    elif limit < left:
        drawn = generator.choice(left, limit, replace=False, shuffle=not in_order)
        flat = _of_left(np.sort(drawn) if in_order else drawn, gone)
    else:
        flat = _of_left(np.arange(left) if in_order else generator.permutation(left), gone)
    models, examples = np.divmod(flat, keep.shape[1])
    return models, examples


def few_shadows(num_models: int, target: int | None, row: int, number: int) -> np.ndarray | None:
    """The models that alone are shadows of a target, where there are to be few: those after it.

    Args:
      num_models: models that could be.
      target: the model that is attacked, which is none of them; None if it comes from outside.
      row: of the target among the targets.
      number: of shadows; 0 for all.

    Returns:
      int [number]; None for all.
    """
    others = num_models - (target is not None)
    if not 0 < number < others:
        return None
    first = row if target is None else target + 1
    return (first + np.arange(number)) % num_models


def _left_out(keep: np.ndarray, target: int, partner: bool) -> np.ndarray:
    """int [pairs], rising: the places in keep.flat of the target and, if so, of its partners."""
    num_models, num_examples = keep.shape
    own = target * num_examples + np.arange(num_examples)
    if not partner:
        return own
    # `leave_out.partners` for one target: most examples have theirs among the next few models.
    found, alone = [own], np.arange(num_examples)
    for step in range(1, num_models):
        model = (target + step) % num_models
        opposite = keep[model, alone] != keep[target, alone]
        found.append(model * num_examples + alone[opposite])
        alone = alone[~opposite]
        if not len(alone):
            break
    return np.sort(np.concatenate(found))


def _of_left(number: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Numbers among the places that are left -> places, for places that are gone, rising."""
    left_before = gone - np.arange(len(gone))
    return number + np.searchsorted(left_before, number, side="right")


def by_class(labels: np.ndarray, num_classes: int) -> list[np.ndarray]:
    """The indices of each class, int [classes][of the class], rising."""
    small = labels.astype(np.min_scalar_type(num_classes))  # for which numpy sorts by counting
    order = np.argsort(small, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=num_classes))
    return np.split(order, ends[:-1])
