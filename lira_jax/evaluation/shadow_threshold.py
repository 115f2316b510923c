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

    counts = [pairs.reach(grid) for pairs in ranked.rows]
    tp, fp = (np.stack(kind) for kind in zip(*counts, strict=True))
    num_members, num_nonmembers = ranked.inside.sum(1), ranked.outside.sum(1)
    tpr = (tp.sum(0) - tp) / np.maximum(num_members.sum() - num_members, 1)[:, None]
    fpr = (fp.sum(0) - fp) / np.maximum(num_nonmembers.sum() - num_nonmembers, 1)[:, None]
    return ranked.values[grid[np.argmax(tpr - fpr, axis=1)]]
