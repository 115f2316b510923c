"""Lower bounds on the epsilon of differential privacy, from how well an attack does."""

import numpy as np

from lira_jax.errors import UserError
from lira_jax.evaluation.intervals import clopper_pearson
from lira_jax.evaluation.roc import roc


def epsilon_lower_bound(
    scores: np.ndarray,
    members: np.ndarray,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> float:
    """A lower bound on epsilon from an attack on one target.

    Where training is (epsilon, delta)-differentially private, every attack obeys TPR <= e^epsilon
    FPR + delta and 1 - FPR <= e^epsilon (1 - TPR) + delta (Kairouz, Oh and Viswanath 2015, theorem
    2.1). Turned around, with the four rates replaced by Clopper-Pearson bounds as in Jagielski et
    al. (2020) and Nasr et al. (2021), they bound epsilon from below. The threshold is chosen on a
    random half of the examples and the bound computed on the other half, so that it is one bound
    and not the best of many.

    What it assumes: examples whose decisions are independent of each other, and membership drawn at
    random. Nasr et al. have that from one training per decision. Many examples of one training
    share it, so this audits the model at hand and speaks of the algorithm only so far as examples
    do not influence each other's decisions; Steinke et al. (2023) give a bound from one training
    without the assumption.

    Args:
      scores: [examples], higher = more likely a member; NaN is no score, such an example is left
        out.
      members: bool [examples].
      delta: of the guarantee, in [0, 1).
      confidence: probability that the bound is below the true epsilon.
      seed: of the split into halves.

    Returns:
      Epsilon, at least 0.

    Raises:
      UserError: delta or confidence is out of range, or fewer than 2 members or 2 non-members have
        scores.
    """
    _check(delta, confidence)
    scores, members = np.asarray(scores), np.asarray(members, bool)
    scored = ~np.isnan(scores)
    scores, members = scores[scored], members[scored]
    choosing = np.zeros(members.shape, bool)
    rng = np.random.default_rng(seed)
    for group in (np.flatnonzero(members), np.flatnonzero(~members)):
        if group.size < 2:
            raise UserError(
                f"epsilon needs 2 members and 2 non-members, a target has {group.size}: take more "
                "examples"
            )
        choosing[rng.permutation(group)[: group.size // 2]] = True
    curve = roc(scores[choosing], members[choosing])
    points = _both_ends(len(curve.thresholds))
    tp, fp = (
        np.rint(curve.tpr[points] * curve.num_members),
        np.rint(curve.fpr[points] * curve.num_nonmembers),
    )
    chosen = np.argmax(
        _likelihood_ratio(tp, curve.num_members, fp, curve.num_nonmembers, delta, confidence)
    )
    alarms = scores >= curve.thresholds[points[chosen]]
    held_out_members, held_out_nonmembers = members & ~choosing, ~members & ~choosing
    ratio = _likelihood_ratio(
        np.count_nonzero(alarms & held_out_members),
        np.count_nonzero(held_out_members),
        np.count_nonzero(alarms & held_out_nonmembers),
        np.count_nonzero(held_out_nonmembers),
        delta,
        confidence,
    )
    return float(np.log(max(float(ratio), 1)))


def epsilon_over_targets(
    scores: np.ndarray,
    members: np.ndarray,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> float:
    """A lower bound on epsilon from several targets: the median of bounds, each at half the error.

    Pooling the targets' decisions into one Clopper-Pearson bound would take them for independent,
    but they share examples and shadow models. The median needs no independence: if each bound
    exceeds epsilon with probability a / 2, the expected share of bounds that do is at most a / 2,
    so by Markov's inequality half of them do, and with them the median, with probability at most a.

    Args:
      scores: [targets, examples].
      members: bool [targets, examples].
      delta: of the guarantee, in [0, 1).
      confidence: probability that the result is below the true epsilon.
      seed: of the splits into halves.

    Returns:
      Epsilon, at least 0. Targets with fewer than two members or non-members have no say; a bound
      of 0 is true of any, also where no others are left.

    Raises:
      UserError: delta or confidence is out of its range.
    """
    _check(delta, confidence)
    split = (members.sum(1) >= 2) & ((~members).sum(1) >= 2)
    each = confidence if np.count_nonzero(split) == 1 else (1 + confidence) / 2
    bounds = [
        epsilon_lower_bound(s, m, delta=delta, confidence=each, seed=seed)
        for s, m in zip(scores[split], members[split], strict=True)
    ]
    return float(np.median(bounds)) if bounds else 0.0


def _both_ends(count: int, steps: int = 250) -> np.ndarray:
    """Indices of points of a ROC to choose among: all at its two ends, ever fewer between.

    Any choice on the one half gives a valid bound on the other, and beta quantiles of every point
    would be most of the time of an evaluation.
    """
    from_end = np.geomspace(1, count, steps).astype(int)
    return np.unique(np.concatenate([from_end - 1, count - from_end]))


def _likelihood_ratio(
    tp, num_members, fp, num_nonmembers, delta: float, confidence: float
) -> np.ndarray:
    """The lower bound of e^epsilon; below 1 it says nothing."""
    # Both inequalities need the same two one-sided bounds, each of error (1 - confidence) / 2: the
    # two together hold at this confidence.
    tpr, _ = clopper_pearson(tp, num_members, confidence)
    _, fpr = clopper_pearson(fp, num_nonmembers, confidence)
    return np.maximum((tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr))


def _check(delta: float, confidence: float) -> None:
    if not 0 <= delta < 1:
        raise UserError(f"delta={delta}: give a number from 0 to below 1, such as 1e-5")
    if not 0 < confidence < 1:
        raise UserError(f"confidence={confidence}: give a number between 0 and 1, such as 0.95")
