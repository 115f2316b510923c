"""P-values: a target's statistic at an example against that example's own out list.

A score with one threshold for all examples gives them very unequal rates of false alarms. A p-value
gives each example a threshold of its own: whoever accuses at p <= alpha accuses a non-member with
probability alpha, whichever example it is (Jalko et al. 2026, https://arxiv.org/abs/2605.25819).
"""

from collections.abc import Sequence

import numpy as np
import scipy

from lira_jax.attacks.lira import VARIANCE_FLOOR
from lira_jax.attacks.shared import inputs as inputs_lib


def p_values(
    statistic: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    at_most: float = 1.0,
) -> np.ndarray:
    """Student's test of each target at each example: small = more likely a member.

    p = 1 - T_{n - 1}((x - m) / (s sqrt(1 + 1 / n))), where n, m and s^2 are count, mean and
    unbiased variance of the out list, and T is Student's distribution function. It is exact where
    the out list and a non-member's x are n + 1 draws of one normal distribution. The direction,
    members higher, is fixed: a sign estimated from the in list depends on m's error, and makes
    false alarms of it.

    A test of attack scores in place of a statistic of one model's output would not be exact: a
    target is among the shadows of every other target, and on noise, at a nominal 1 %, lists of
    other targets' scores gave 2.8 to 5.9 % false alarms for LiRA and .1 to .2 % for the loss (64
    and 16 models).

    Args:
      statistic: float [models, examples], such as phi; of [models, examples, queries] the mean over
        queries is the statistic.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are tested, each with all others as its shadows (less one
        partner an example, see shared/leave_out.py); all models by default.
      observed: float [targets, examples] or [targets, examples, queries], the statistic of targets
        from outside the models instead: all models are their shadows.
      at_most: larger p-values are not needed: they are given as 1, which is many times faster.

    Returns:
      float64 [targets, examples]; NaN where an out list has fewer than 2 models.

    Raises:
      UserError: shapes that disagree, or a value that is NaN or infinite.
    """
    outside = None if observed is None else _one(observed)
    inputs = inputs_lib.check(_one(statistic), keep, targets, outside)

    lengths = np.arange(len(inputs.keep) + 1)
    limits = np.full(lengths.shape, np.inf)
    if at_most < 1:  # a little higher than needed, so that rounding passes over none
        limits[2:] = (1 - 1e-6) * scipy.special.stdtrit(lengths[2:] - 1, at_most) + 1e-6

    def test(values: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        count, mean, ss = inputs.moments(values, ~keep)
        return _student(own[..., 0], count, mean[..., 0], ss[..., 0], limits)

    return inputs.scores(test)


def _one(statistic: np.ndarray) -> np.ndarray:
    """[models, examples] of one query or the mean over several."""
    statistic = np.asarray(statistic)
    return inputs_lib.query_mean(statistic) if statistic.ndim == 3 else statistic


def _student(
    x: np.ndarray, count: np.ndarray, mean: np.ndarray, ss: np.ndarray, limits: np.ndarray
) -> np.ndarray:
    """Upper tail of x [targets, examples] from the moments of its list, of the same shape; 1 where
    minus the deviate is above the limit, float [lengths], of a list of this length."""
    freedom = np.where(count > 1, count - 1, np.nan)
    variance = np.maximum(ss / freedom, VARIANCE_FLOOR)
    t = (mean - x) / np.sqrt(variance * (1 + 1 / np.maximum(count, 1)))
    near = t <= limits[count]
    p = np.where(np.isnan(t), np.nan, 1.0)
    p[near] = scipy.special.stdtr(np.broadcast_to(freedom, t.shape)[near], t[near])
    return p
