"""How many non-members an attack clears while it loses next to no member."""

import numpy as np

from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.intervals import rate
from lira_jax.evaluation.pooled_threshold import at_fpr

FNR = 0.001


def tnr_at_fnr(scores: np.ndarray, members: np.ndarray, fnr: float = FNR) -> Estimate:
    """The true negative rate at a false negative rate.

    Of the loss, this needs no shadow model and follows the TPR that LiRA would have at a low FPR
    ("The Tail Tells All", https://arxiv.org/abs/2510.19773): so it can be watched in training.

    Args:
      scores: [targets, examples], higher = more likely a member; NaN is no score.
      members: bool [targets, examples].
      fnr: largest share of the members that may be called non-members, at one threshold for all.

    Returns:
      The share of the non-members that are called so, with its interval over targets; NaN where
      there are fewer than 1 / fnr members or no non-members.
    """
    known = ~np.isnan(scores)
    inside, outside = known & members, known & ~members
    if np.count_nonzero(inside) * fnr < 1:
        return Estimate(np.nan)
    cleared = -scores >= at_fpr(-scores[inside], fnr)
    return rate((cleared & outside).sum(1), outside.sum(1))
