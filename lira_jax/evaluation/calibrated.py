"""Decisions with a threshold for each example: what they find, and what a model of the lists says.

Jalko et al. 2026, https://arxiv.org/abs/2605.25819. The p-values are those of attacks/p_values.py.
"""

import dataclasses

import numpy as np
import scipy

from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.intervals import rate

ALPHA = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}
"""Nominal false positive rates."""
MOST_EXPOSED = 0.01
"""The share of the examples that `most_exposed` speaks of."""
_BLOCK = 2**16  # pairs
VARIANCE_FLOOR = 1e-12
"""That of the attacks (attacks/lira.py): float32 statistics show no smaller spread."""


@dataclasses.dataclass(frozen=True)
class CalibratedRates:
    """What is found by accusing wherever the p-value is at most alpha.

    Attributes:
      tpr: fraction of the members that are accused, with its interval over targets.
      fpr: fraction of the non-members that are accused, the realised false positive rate; near
        alpha where out lists are normal.
      model_tpr: mean over examples of `model_tpr`: computed from the in and out lists as normal
        distributions, not counted.
      model_tpr_most_exposed: the same of the most exposed 1 % of the examples.
    """

    tpr: Estimate
    fpr: Estimate
    model_tpr: float
    model_tpr_most_exposed: float


@dataclasses.dataclass(frozen=True)
class Accusations:
    """What is found by accusing as many as a bound on the share of false accusations allows.

    Attributes:
      fdr: the bound: largest expected share of the accusations of a target that are false.
      accused: accusations, over all targets.
      false: how many of them are of non-members.
      realised_fdr: mean over targets of the share that is false, 0 for a target without
        accusations.
    """

    fdr: float
    accused: int
    false: int
    realised_fdr: float


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """Decisions on one statistic, with a threshold for each example.

    Attributes:
      num_members: (target, example) pairs with a p-value where the target trained on the example.
      num_nonmembers: the other pairs with a p-value.
      at: nominal false positive rate, one of ALPHA, -> what is found there.
      accusations: with a bound on the share of false ones; None if none was asked for.
    """

    num_members: int
    num_nonmembers: int
    at: dict[str, CalibratedRates]
    accusations: Accusations | None = None


@dataclasses.dataclass(frozen=True)
class Lists:
    """Moments of each example's in and out list; counts int, the rest float64, all [examples].

    Attributes:
      in_count: models that trained on the example.
      in_mean: mean of their statistic.
      in_ss: sum of its squared residuals about the mean.
      out_count: the other models, and so on.
      out_mean: mean of theirs.
      out_ss: sum of its squared residuals.
    """

    in_count: np.ndarray
    in_mean: np.ndarray
    in_ss: np.ndarray
    out_count: np.ndarray
    out_mean: np.ndarray
    out_ss: np.ndarray


def lists(statistic: np.ndarray, keep: np.ndarray, where: np.ndarray | None = None) -> Lists:
    """The moments of the lists.

    Args:
      statistic: float [models, examples].
      keep: bool [models, examples].
      where: bool [models, examples], the models that count; None counts all.
    """
    size = max(1, _BLOCK // len(statistic))
    blocks = [
        _lists(statistic[:, part], keep[:, part], None if where is None else where[:, part])
        for part in (slice(i, i + size) for i in range(0, statistic.shape[1], size))
    ]
    return Lists(*(np.concatenate(of_blocks) for of_blocks in zip(*blocks, strict=True)))


def _lists(
    statistic: np.ndarray, keep: np.ndarray, where: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """`lists` of so few examples that what is made of them stays in a core's cache."""
    # Sums are taken about a centre near the scores, so that squares keep their digits.
    centre = np.mean(statistic, axis=0, dtype=np.float64)
    x = statistic - centre
    found: list[np.ndarray] = []
    for member in (keep, ~keep):
        weight = (member if where is None else member & where).astype(np.float64)
        count = weight.sum(0)
        weight *= x
        total = weight.sum(0)
        mean = total / np.maximum(count, 1)
        ss = np.einsum("me,me->e", weight, x) - total * mean
        found += [count.astype(int), mean + centre, np.maximum(ss, 0)]
    return tuple(found)


def halves(statistic: np.ndarray, keep: np.ndarray) -> tuple[Lists, Lists]:
    """The moments of every second in model and every second out model, and of the others."""
    turn = np.where(keep, np.cumsum(keep, 0), np.cumsum(~keep, 0)) % 2 == 0
    return lists(statistic, keep, turn), lists(statistic, keep, ~turn)


def calibrated(
    p_values: np.ndarray,
    members: np.ndarray,
    statistic: np.ndarray,
    keep: np.ndarray,
    fdr: float | None = None,
) -> Calibrated:
    """What decisions by p-values find.

    Args:
      p_values: [targets, examples]; NaN where there is none.
      members: bool [targets, examples].
      statistic: float [models, examples], what was tested, of the shadow models.
      keep: bool [models, examples].
      fdr: also accuse under this bound on the share of false accusations.
    """
    known = ~np.isnan(p_values)
    inside, outside = known & members, known & ~members
    num_in, num_out = inside.sum(1), outside.sum(1)
    whole, parts = lists(statistic, keep), halves(statistic, keep)
    at = {}
    for name, alpha in ALPHA.items():
        accused = p_values <= alpha
        at[name] = CalibratedRates(
            tpr=rate((accused & inside).sum(1), num_in),
            fpr=rate((accused & outside).sum(1), num_out),
            model_tpr=_mean(model_tpr(whole, alpha)),
            model_tpr_most_exposed=most_exposed(parts, alpha),
        )
    return Calibrated(
        num_members=int(num_in.sum()),
        num_nonmembers=int(num_out.sum()),
        at=at,
        accusations=None if fdr is None else _accusations(accuse(p_values, fdr), members, fdr),
    )


def accuse(p_values: np.ndarray, fdr: float) -> np.ndarray:
    """Whom to accuse if at most a share `fdr` of a target's accusations may be false on average.

    Benjamini and Hochberg 1995, of each target's examples. Their bound needs p-values that are
    independent or positively dependent; those of different examples rest on different scores of the
    same models, and are nearly independent.

    Args:
      p_values: [targets, examples]; NaN where there is none: nobody is accused there.
      fdr: the bound, in (0, 1).

    Returns:
      bool [targets, examples].
    """
    accused = np.zeros(p_values.shape, bool)
    for row, own in zip(accused, p_values, strict=True):
        known = np.flatnonzero(~np.isnan(own))
        if known.size:
            row[known] = scipy.stats.false_discovery_control(own[known]) <= fdr
    return accused


def model_tpr(lists: Lists, alpha: float) -> np.ndarray:
    """The TPR of each example at its own threshold, as normal in and out lists have it.

    The threshold is that of the test, c = m_out + t s_out sqrt(1 + 1 / n_out) with Student's
    quantile t. Of P(in > c) this is the unbiased estimate from n_in normal draws (Lieberman and
    Resnikoff 1955, "Sampling Plans for Inspection by Variables"), so that its mean over examples on
    which membership has no influence is alpha. The plug-in 1 - Phi((c - m_in) / s_in) is not: with
    normal quantiles its mean on noise, at alpha = .001, is .043, .015, .0032 and .0015 for 8, 16,
    64 and 256 models.

    Args:
      lists: of all models.
      alpha: nominal false positive rate.

    Returns:
      float64 [examples] in [0, 1]; NaN where fewer than 3 models are in, or fewer than 2 out.
    """
    return _tail(_place(lists, alpha), lists.in_count)


def most_exposed(parts: tuple[Lists, Lists], alpha: float, share: float = MOST_EXPOSED) -> float:
    """Mean of `model_tpr` over the most exposed examples.

    Examples that are chosen by an estimate have too high a one: on noise, the highest 1 % of 16
    models' plug-in estimates at alpha = .01 have a mean of .42. So each half of the models chooses
    examples for the other half to measure, and the mean of the two is given.

    Args:
      parts: of the halves of the models.
      alpha: nominal false positive rate.
      share: of the examples; at least one is taken.

    Returns:
      NaN where no example has enough models in both halves.
    """
    places = [_place(own, alpha) for own in parts]
    known = np.flatnonzero(~np.isnan(places[0] + places[1]))
    if not known.size:
        return np.nan
    number = max(1, round(share * known.size))
    means = []
    for choosing, measuring in ((0, 1), (1, 0)):
        chosen = known[np.argsort(-places[choosing][known])[:number]]
        means.append(_tail(places[measuring][chosen], parts[measuring].in_count[chosen]).mean())
    return float(np.mean(means))


def _place(own: Lists, alpha: float) -> np.ndarray:
    """How far the in mean lies above the threshold, in units of its spread, [examples]."""
    freedom = np.where(own.out_count > 1, own.out_count - 1, np.nan)
    counts, which = np.unique(freedom, return_inverse=True)
    quantile = -scipy.special.stdtrit(counts, alpha)[which]
    spread = _spread(own.out_ss / freedom) * np.sqrt(1 + 1 / (freedom + 1))
    freedom = np.where(own.in_count > 2, own.in_count - 1, np.nan)
    return (own.in_mean - own.out_mean - quantile * spread) / _spread(own.in_ss / freedom)


def _spread(variance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(variance, VARIANCE_FLOOR))


def _tail(place: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Lieberman and Resnikoff's estimate of a normal tail; NaN where there is no place."""
    shape = np.maximum(count / 2 - 1, 0.5)
    below = np.clip((1 + place * np.sqrt(count) / np.maximum(count - 1, 1)) / 2, 0, 1)
    return scipy.special.betainc(shape, shape, below)


def _accusations(accused: np.ndarray, members: np.ndarray, fdr: float) -> Accusations:
    number, false = accused.sum(1), (accused & ~members).sum(1)
    return Accusations(
        fdr=fdr,
        accused=int(number.sum()),
        false=int(false.sum()),
        realised_fdr=float(np.mean(false / np.maximum(number, 1))),
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan
