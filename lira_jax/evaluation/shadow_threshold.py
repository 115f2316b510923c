"""Hard decisions of a scoring attack, at a threshold chosen on other models than the target."""

import numpy as np

from lira_jax.evaluation.ranked import Ranked

_GRID = 1000
_PAIRS = 10**6


def thresholds(ranked: Ranked) -> np.ndarray | None:
    """For each target, the threshold of the best balanced accuracy on the other targets' pairs.

    The other targets are shadow models whose membership an attacker knows; the target's own
    membership has no say in its threshold.

    Args:
      ranked: the scores.

    Returns:
      float [targets], on a grid of 1000 quantiles of the scores; None with fewer than two targets.
    """
    if ranked.num_targets < 2:
        return None
    known = ranked.codes[ranked.counted] >> 1
    some = known[:: -(-known.size // _PAIRS)]
    grid = np.unique(np.quantile(some, np.linspace(0, 1, _GRID), method="nearest"))

    def alarms(own: np.ndarray) -> np.ndarray:
        return own.size - np.searchsorted(own, grid)

    tp = np.stack([alarms(pairs.inside) for pairs in ranked.rows])
    fp = np.stack([alarms(pairs.outside) for pairs in ranked.rows])
    num_members = np.array([pairs.inside.size for pairs in ranked.rows])
    num_nonmembers = np.array([pairs.outside.size for pairs in ranked.rows])
    tpr = (tp.sum(0) - tp) / np.maximum(num_members.sum() - num_members, 1)[:, None]
    fpr = (fp.sum(0) - fp) / np.maximum(num_nonmembers.sum() - num_nonmembers, 1)[:, None]
    return ranked.values[grid[np.argmax(tpr - fpr, axis=1)]]
