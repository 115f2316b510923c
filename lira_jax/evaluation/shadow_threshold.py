"""Hard decisions of a scoring attack, at a threshold chosen on other models than the target."""

import numpy as np

_GRID = 1000
_PAIRS = 10**6


def thresholds(scores: np.ndarray, members: np.ndarray) -> np.ndarray | None:
    """For each target, the threshold of the best balanced accuracy on the other targets' pairs.

    The other targets are shadow models whose membership an attacker knows; the target's own
    membership has no say in its threshold.

    Args:
      scores: [targets, examples]; NaN is no score, and such a pair has no say.
      members: bool [targets, examples].

    Returns:
      float64 [targets], on a grid of 1000 quantiles of the scores; None with fewer than two
      targets.
    """
    scores, members = np.asarray(scores), np.asarray(members, bool)
    if len(scores) < 2:
        return None
    scored = ~np.isnan(scores)
    known = scores[scored]
    some = known[:: -(-known.size // _PAIRS)]
    grid = np.unique(np.quantile(some, np.linspace(0, 1, _GRID), method="nearest"))

    def alarms(own: np.ndarray) -> np.ndarray:
        return own.size - np.searchsorted(np.sort(own), grid)

    inside, outside = members & scored, ~members & scored
    tp = np.stack([alarms(s[m]) for s, m in zip(scores, inside, strict=True)])
    fp = np.stack([alarms(s[m]) for s, m in zip(scores, outside, strict=True)])
    num_members, num_nonmembers = inside.sum(1), outside.sum(1)
    tpr = (tp.sum(0) - tp) / np.maximum(num_members.sum() - num_members, 1)[:, None]
    fpr = (fp.sum(0) - fp) / np.maximum(num_nonmembers.sum() - num_nonmembers, 1)[:, None]
    return grid[np.argmax(tpr - fpr, axis=1)]
