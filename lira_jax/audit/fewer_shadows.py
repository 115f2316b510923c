"""A random few of the shadow models, example by example: how an attack fares with fewer."""

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Outside

_STREAM = 0x666577  # sets these random numbers apart from other uses of the same seed


def choose(keep: np.ndarray, target: int, num_shadows: int, seed: int = 0) -> np.ndarray:
    """Shadows of one target: for each example as many in as out, at random, never the target.

    Whether the target trained on an example does not change what is drawn for it: both lists always
    have num_shadows / 2 models, each equally likely.

    Args:
      keep: bool [models, examples].
      target: index of the model that is attacked.
      num_shadows: an even number.
      seed: of the draw.

    Returns:
      int [num_shadows, examples]: model indices, the first half in, the second out, where every
      example has num_shadows / 2 other models of either kind (see `enough`).
    """
    order = np.random.default_rng([seed, _STREAM, target]).random(keep.shape)
    order[target] = np.inf
    half = num_shadows // 2
    lists = [np.argsort(np.where(member, order, np.inf), axis=0)[:half] for member in (keep, ~keep)]
    return np.concatenate(lists)


def most(keep: np.ndarray) -> int:
    """The largest num_shadows that every target can have at some example."""
    return int(_at_most(keep).max())


def enough(keep: np.ndarray, num_shadows: int) -> np.ndarray:
    """The examples at which every target can have so many shadows, bool [examples]."""
    return _at_most(keep) >= num_shadows


def _at_most(keep: np.ndarray) -> np.ndarray:
    num_in = keep.sum(0)
    return 2 * np.maximum(np.minimum(num_in, len(keep) - num_in) - 1, 0)


def restrict(evidence: Evidence, target: int, num_shadows: int, seed: int = 0) -> Evidence:
    """The evidence against one model, with a random few of the others as its shadows.

    Returns:
      Evidence of num_shadows models, in which the target comes from outside.
    """
    chosen = choose(evidence.keep, target, num_shadows, seed)
    columns = np.arange(evidence.keep.shape[1])
    own = evidence.signals.of(models=np.array([target]))
    return Evidence(
        evidence.labels,
        evidence.keep[chosen, columns],
        evidence.signals.mapped(lambda array: array[chosen, columns]),
        Outside(own, evidence.keep[target][None]),
    )
