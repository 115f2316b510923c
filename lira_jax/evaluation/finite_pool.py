"""How much less shadow models of one pool vary than models of fresh data."""

import numpy as np


def spread_factor(keep: np.ndarray) -> float:
    """By how much scores spread too little, at most, with training sets of one pool.

    All training sets are parts of one pool of N examples, so they overlap: what n of the N - 1
    other examples do to a score varies less than what n fresh ones would, by sqrt(1 - n / (N - 1)),
    the finite population correction (Jalko et al. 2026, https://arxiv.org/abs/2605.25819). It is
    exact for means over the training set, and an upper bound where the rest of the spread comes
    from training's own randomness.

    Args:
      keep: bool [models, examples] over the whole pool.

    Returns:
      1 / sqrt(1 - n / (N - 1)) for the mean training set size n: 1.41 at half the pool. NaN where
      training sets are no random parts: all are the same, or next to all of the pool.
    """
    size, rest = keep.sum(1).mean(), keep.shape[1] - 1
    same = bool((keep == keep[0]).all())
    return float(1 / np.sqrt(1 - size / rest)) if not same and size < rest else np.nan
