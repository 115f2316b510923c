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
    keep: np.ndarray, target: int | None, limit: int, seed: int = 0, *, by_kind: bool = False
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

    Returns:
      (models, examples): int arrays [pairs], in random order; the pairs' membership is keep[models,
        examples].
    """
    generator = np.random.default_rng([seed, _STREAM, 0 if target is None else target + 1])
    allowed = np.ones(keep.shape, bool)
    if target is not None:
        allowed[target] = False
    if target is not None and len(keep) > 1 and leave_out.with_partner(keep):
        # `leave_out.partners` for one target, without its work for all.
        ahead = (target + 1 + np.arange(len(keep) - 1)) % len(keep)
        opposite = keep[ahead] != keep[target]
        paired = np.flatnonzero(opposite.any(0))
        allowed[ahead[opposite.argmax(0)[paired]], paired] = False
    flat = np.flatnonzero(allowed)
    if by_kind and limit < len(flat):
        kinds = [flat[keep.flat[flat]], flat[~keep.flat[flat]]]
        flat = np.concatenate(
            [generator.choice(kind, min(limit // 2, len(kind)), replace=False) for kind in kinds]
        )
        flat = generator.permutation(flat)
    elif limit < len(flat):
        flat = generator.choice(flat, limit, replace=False, shuffle=True)
    else:
        flat = generator.permutation(flat)
    models, examples = np.unravel_index(flat, keep.shape)
    return models, examples
