"""The reference attacks R and P: the rank of the target's loss among losses it would have as a
non-member.

Ye et al. 2022, Enhanced Membership Inference Attacks against Machine Learning Models
(https://arxiv.org/abs/2111.09679).
"""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.inputs import by_query
from lira_jax.errors import UserError


def attack_r(
    signal: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    low: float | None = -1000.0,
    high: float | None = 0.0,
) -> np.ndarray:
    """Fraction of an example's out models whose loss is above the target's, interpolated linearly.

    As in the authors' code, the losses of the n out models are joined by a smallest and a largest
    possible loss, 0 and 1000, and a loss that is the k-th largest of them all has score k / (n +
    1), counted from 0; between them lie straight lines. So targets whose loss is below that of
    every out model, which
    are those that matter at low false-positive rates, are still told apart: their scores rise from
    n / (n + 1) to 1 as their loss falls from the smallest of the out models' to 0. Where several
    out models have the very same loss the line has a step; a target with that loss is half-way up.

    Args:
      signal: float [models, examples, queries], minus the loss; [models, examples] is one query.
        Another signal that is higher for members needs its own low and high, or None.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], the signal of targets from outside the models
        instead.
      low: the smallest possible signal; the smallest that there is, of models and targets, where
        that is below it, or if it is None.
      high: the largest possible signal; None is the largest that there is.

    Returns:
      float64 [targets, examples], in [0, 1], the mean over queries; higher = more likely a member.
      NaN where an example has no out shadow score.

    Raises:
      UserError: shapes that disagree, a signal that is NaN, infinite or above high, or no example
        has an out shadow score.
    """
    inputs = inputs_lib.check(signal, keep, targets, observed)
    both = [inputs.phi] if inputs.observed is None else [inputs.phi, inputs.observed]
    lowest, highest = min(float(a.min()) for a in both), max(float(a.max()) for a in both)
    if high is not None and highest > high:
        raise UserError(
            f"attack_r got signals from {lowest:g} to {highest:g}, above high={high:g}: give minus "
            "the loss, or the signal's own bounds"
        )
    low = lowest if low is None else min(low, lowest)
    high = highest if high is None else high
    return lists.on_scored(
        inputs, lists.OUT, "attack_r", lambda scored: _attack_r(scored, low, high)
    )


def attack_p(signal: np.ndarray, population: np.ndarray | None = None) -> np.ndarray:
    """Fraction of a population whose loss under the target is above the example's; equal losses
    count half.

    Within a target it is a monotone function of the signal, so that each target's ROC is that of a
    global threshold (if the population is everything, exactly); what it adds is that scores of
    different targets can be compared. An example is not compared with itself.

    The paper's population are non-members of the target. The examples under attack are half of them
    members, which makes scores lower and leaves their order as it is. To choose the population by
    the target's membership would be to use the labels that the attack is to find.

    Args:
      signal: float [targets, examples, queries], minus the loss or phi, query 0 the plain one;
        [targets, examples] is one query.
      population: bool [targets, examples] or [examples], which examples make up the population:
        some that are known not to be in the target's training set, or whose membership nobody
        knows; all by default.

    Returns:
      float64 [targets, examples], in [0, 1]; higher = more likely a member.

    Raises:
      UserError: shapes that disagree, or a population of fewer than two examples.
    """
    signal = by_query(signal)[:, :, 0].astype(np.float64)
    population = (
        np.ones(signal.shape[1], bool) if population is None else np.asarray(population, bool)
    )
    if population.shape not in (signal.shape, signal.shape[1:]):
        raise UserError(
            f"population has shape {population.shape}, signal {signal.shape}: give [targets, "
            "examples] or [examples]"
        )
    population = np.broadcast_to(population, signal.shape)
    if population.sum(1).min() < 2:
        raise UserError("the population has fewer than two examples: choose more")
    score = np.empty(signal.shape)

    def attack(block: slice) -> None:
        for t in range(*block.indices(len(signal))):
            ordered = np.sort(signal[t, population[t]])
            order = np.argsort(signal[t])
            ascending = signal[t, order]  # searching for ascending values stays in the cache
            not_above = np.searchsorted(ordered, ascending, "right")
            below = np.searchsorted(ordered, ascending, "left")
            itself = population[t, order]
            score[t, order] = (below + not_above - itself) / (2 * (len(ordered) - itself))

    for _ in over_blocks(attack, len(signal), signal.shape[1]):
        pass
    return score


def _attack_r(inputs: inputs_lib.Inputs, low: float, high: float) -> np.ndarray:
    def attack(signal: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        out = np.repeat(~keep, signal.shape[2], axis=1)
        rank = _rank(inputs, _columns(signal), out, _columns(own), low, high)
        return rank.reshape(own.shape).mean(-1)

    return inputs.scores(attack)


def _columns(signal: np.ndarray) -> np.ndarray:
    """[models, examples, queries] -> float64 [models, examples * queries]."""
    return signal.reshape(len(signal), -1).astype(np.float64)


def _rank(
    inputs: inputs_lib.Inputs,
    signal: np.ndarray,
    out: np.ndarray,
    own: np.ndarray,
    low: float,
    high: float,
) -> np.ndarray:
    """Interpolated rank of each target's signal in its out list, as a fraction.

    Args:
      inputs: of the attack: who is deleted.
      signal: float64 [models, columns], a column for each example and query.
      out: bool [models, columns].
      own: float64 [targets, columns].
      low, high: ends of the interpolation.

    Returns:
      float64 [targets, columns].
    """
    ordered = np.where(out, signal, np.inf).T.copy()
    ordered.sort(axis=-1)
    count = out.sum(0)
    below, not_above = np.empty((2, *own.T.shape), np.int64)
    for column, scores in enumerate(own.T.copy()):
        listed = ordered[column, : count[column]]
        below[column] = np.searchsorted(listed, scores, "left")
        not_above[column] = np.searchsorted(listed, scores, "right")
    below, not_above, ordered = below.T, not_above.T, ordered.T
    gone, left = None, count
    if inputs.targets is not None:
        # The out list loses a score; what is above it moves down by one.
        which, loses = inputs.deleted(out)
        gone = np.take_along_axis(signal, which, axis=0)
        if not inputs.partner:
            gone = np.where(loses, gone, np.inf)
        left = count - loses
        below -= gone < own
        not_above -= gone <= own

    def left_at(k):
        def at(k):
            return np.take_along_axis(ordered, np.clip(k, 0, len(ordered) - 1), axis=0)

        score = at(k) if gone is None else np.where(gone > at(k), at(k), at(k + 1))
        return np.where(k < 0, low, np.where(k < left, score, high))

    # The list with its ends is numbered low = 0, 1, ..., left, high = left + 1.
    first_equal = np.where(own == low, 0, below + 1)
    last_equal = np.where(own == high, left + 1, not_above)
    under, over = left_at(below - 1), left_at(below)
    with np.errstate(divide="ignore", invalid="ignore"):  # where under == over something is equal
        between = below + (own - under) / (over - under)
    rank = np.where(last_equal >= first_equal, (first_equal + last_equal) / 2, between)
    return rank / (left + 1)
