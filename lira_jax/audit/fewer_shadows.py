"""A random few of the shadow models, example by example: how an attack fares with fewer."""

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside, Outside

_STREAM = 0x666577  # sets these random numbers apart from other uses of the same seed


def choose(keep: np.ndarray, target: int, num_shadows: int, seed: int = 0) -> np.ndarray:
    """Shadows of one target: for each example as many in as out, at random, never the target.

    Whether the target trained on an example does not change what is drawn for it: both lists always
    have num_shadows / 2 models, each equally likely.

    Args:
      keep: bool [models, examples].
      target: index of the model that is attacked, or stands for the target; of a target that has
        none among the models, any number that is no index.
      num_shadows: an even number.
      seed: of the draw.

    Returns:
      int [num_shadows, examples]: model indices, the first half in, the second out, where every
      example has num_shadows / 2 other models of either kind (see `enough`).
    """
    order = np.random.default_rng([seed, _STREAM, target]).random(keep.shape)
    if target < len(keep):
        order[target] = np.inf
    half = num_shadows // 2
    lists = [np.argsort(np.where(member, order, np.inf), axis=0)[:half] for member in (keep, ~keep)]
    return np.concatenate(lists)


def most(keep: np.ndarray, *, outside: bool = False) -> int:
    """The largest num_shadows that every target can have at some example.

    Args:
      keep: bool [models, examples].
      outside: whether no model is left out for a target.
    """
    return int(_at_most(keep, outside).max())


def enough(keep: np.ndarray, num_shadows: int, *, outside: bool = False) -> np.ndarray:
    """The examples at which every target can have so many shadows, bool [examples]; arguments as of
    `most`."""
    return _at_most(keep, outside) >= num_shadows


def _at_most(keep: np.ndarray, outside: bool) -> np.ndarray:
    num_in = keep.sum(0)
    left_out = 0 if outside else 1
    return 2 * np.maximum(np.minimum(num_in, len(keep) - num_in) - left_out, 0)


def restrict(evidence: Evidence, row: int, num_shadows: int, seed: int = 0) -> Evidence:
    """The evidence against one target, with a random few of the models as its shadows.

    The target itself is none of them, nor is the counterpart of a target of another recipe.

    Args:
      evidence: of all models.
      row: which of its targets.
      num_shadows: an even number.
      seed: of the draw.

    Returns:
      Evidence of num_shadows models, in which the target comes from outside.
    """
    targets, members = evidence.targets, evidence.members
    one = np.array([row])
    if isinstance(targets, Inside):
        own = evidence.signals.of(models=targets.models[one])
    else:
        own = targets.outputs.of(models=one)
    model = len(evidence.keep) + row if isinstance(targets, Outside) else int(targets.models[row])
    chosen = choose(evidence.keep, model, num_shadows, seed)
    columns = np.arange(evidence.keep.shape[1])
    return Evidence(
        evidence.labels,
        evidence.keep[chosen, columns],
        evidence.signals.mapped(lambda array: array[chosen, columns]),
        Outside(own, None if members is None else members[one]),
    )
