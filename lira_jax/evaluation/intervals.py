"""95 % intervals of the metrics of a ROC curve, from one target or from several."""

import functools
from collections.abc import Sequence

import numpy as np
import scipy

from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.ranked import Pairs
from lira_jax.evaluation.roc import (
    TPR_AT,
    Roc,
    auc,
    best_point,
    deviations,
    metrics,
    most,
    overlap,
    thin,
)

Interval = tuple[float, float]
_CONFIDENCE = 0.95
_THRESHOLDS = 4000  # the 2000 lowest FPRs without a gap, the rest less than 1 % apart
_STRIDES = (64, 8, 1)  # at which a resample looks at the thresholds, ever closer (_finer)
_PRODUCT = 2**18  # multiplications
_RESAMPLES = 16  # at a time, where there are many thresholds


def clopper_pearson(
    successes, trials, confidence: float | np.ndarray = _CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Exact two-sided interval of a binomial probability (Clopper and Pearson 1934).

    Each end alone is a one-sided bound at confidence (1 + confidence) / 2.

    Args:
      successes: int, any shape.
      trials: int, broadcast against successes, at least 1.
      confidence: of the interval.

    Returns:
      low and high, of the broadcast shape.
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), trials)
    tail = (1 - confidence) / 2
    low = np.where(k == 0, 0.0, scipy.special.betaincinv(np.maximum(k, 1), n - k + 1, tail))
    high = np.where(k == n, 1.0, scipy.special.betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail))
    return low, high


def rate(successes: np.ndarray, trials: np.ndarray) -> Estimate:
    """A rate over all targets, such as the share of members that are called so, with its interval.

    The targets are the independent units: the standard error is that of a ratio of two sums over
    targets, times Student's quantile with T - 1 degrees of freedom. The interval is never narrower
    than that of Clopper and Pearson for all trials together, which it is with one target.

    Args:
      successes: int [targets].
      trials: int [targets]; a target without any says nothing.

    Returns:
      The pooled rate; NaN without trials.
    """
    used = np.asarray(trials) > 0
    successes, trials = np.asarray(successes)[used], np.asarray(trials)[used]
    if not trials.size:
        return Estimate(np.nan)
    total = trials.sum()
    value = successes.sum() / total
    low, high = (float(end) for end in clopper_pearson(successes.sum(), total))
    if trials.size > 1:
        residual = successes - value * trials
        error = np.sqrt(trials.size / (trials.size - 1) * (residual @ residual)) / total
        half = scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, trials.size - 1) * error
        low, high = max(min(low, value - half), 0), min(max(high, value + half), 1)
    return Estimate(float(value), float(low), float(high))


def example_intervals(roc: Roc) -> dict[str, Interval]:
    """Intervals from one target's curve: its examples are the independent units.

    - TPR at FPR: Clopper-Pearson at the threshold. The threshold depends on the non-members alone,
      so this is exact for the TPR at that very threshold; that the threshold's own FPR is an
      estimate is not in it.
    - AUC: DeLong, DeLong and Clarke-Pearson (1988), on the logit scale, which holds its coverage
      near 1 where the plain one falls to 82 % (50 members, AUC .99). Groups that do not overlap
      leave it no variance; then min(members, non-members) disjoint pairs are as many trials with
      one result, and Clopper-Pearson is exact.
    - Balanced accuracy: the mean of the Clopper-Pearson bounds of TPR and TNR at the best
      threshold. At a threshold fixed beforehand that is wider than needed (99 %); choosing it on
      the same examples uses this up, and on pure noise 95 % remain, where adding the two errors in
      quadrature leaves 75 %.

    Args:
      roc: the curve.

    Returns:
      Metric name -> (low, high), (NaN, NaN) where the FPR cannot be resolved.
    """
    best, _ = best_point(roc)
    tpr_low, tpr_high = _tpr_interval(roc, best)
    fpr_low, fpr_high = clopper_pearson(roc.fp[best], roc.num_nonmembers)
    intervals = {
        "auc": _auc_interval(roc),
        "balanced_accuracy": (float(1 + tpr_low - fpr_high) / 2, float(1 + tpr_high - fpr_low) / 2),
    }
    for name, fpr in TPR_AT.items():
        resolved = fpr >= 1 / roc.num_nonmembers
        intervals[name] = _tpr_interval(roc, roc.step(fpr)) if resolved else (np.nan, np.nan)
    return intervals


def target_intervals(
    roc: Roc, targets: Sequence[Pairs], *, resamples: int = 1000
) -> dict[str, Interval]:
    """Intervals of the pooled metrics from two or more targets: targets are the independent units.

    Bootstrap standard error over targets times the Student-t quantile with T - 1 degrees of
    freedom, about the pooled metric; above 1/2 on the logit scale. In simulations with unlike
    targets (T = 2 to 64; AUC, balanced accuracy, TPR) this held 93 to 99 %. Others did not:
    bootstrap percentiles 50 % at T = 2 and 80 % at T = 4; the jackknife, which cannot see a
    quantile's noise, 73 % where few false alarms decide a TPR; the plain scale 82 % at an AUC of
    .99 (this one: 90 %); the logit scale gives low TPRs intervals up to .3 wide. Where the FPR
    allows fewer than 5 false alarms, expect 90 %.

    An interval is never narrower than `example_intervals` of the pooled pairs: two targets that
    agree by chance, or a TPR of 0 in all of them, are no proof of certainty, and the oracle's
    threshold biases balanced accuracy upward.

    The examples and shadow models are taken as given: nothing here says how other data would do.

    Args:
      roc: the curve of all pairs.
      targets: the pairs of each, of which the curve is made.
      resamples: bootstrap draws, the same ones at every call.

    Returns:
      Metric name -> (low, high), (NaN, NaN) where the FPR cannot be resolved.
    """
    thresholds = thin(roc, _THRESHOLDS).thresholds
    counts = [target.reach(thresholds) for target in targets]
    tp, fp = (np.array(kind, np.float64) for kind in zip(*counts, strict=True))  # fast in products
    num_targets = len(targets)
    resampled = _resampled_metrics(_draws(num_targets, resamples), tp, fp)
    quantile = scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, num_targets - 1)
    unbiased = np.sqrt(num_targets / (num_targets - 1))
    at_least = example_intervals(roc)
    intervals = {}
    for name, metric in metrics(roc).items():
        half = quantile * unbiased * np.std(resampled[name])
        if 0.5 < metric < 1:
            half /= metric * (1 - metric)
            low, high = _on_logit_scale(metric, half)
        else:
            low, high = metric - half, metric + half
        inner_low, inner_high = at_least[name]
        intervals[name] = float(np.clip(low, 0, inner_low)), float(np.clip(high, inner_high, 1))
    return intervals


def _tpr_interval(roc: Roc, point: int | np.ndarray) -> Interval:
    low, high = clopper_pearson(roc.tp[point], roc.num_members)
    return float(low), float(high)


def _auc_interval(roc: Roc) -> Interval:
    area = auc(roc)
    of_members, of_nonmembers = deviations(roc, area)
    variance = of_members / max(roc.num_members - 1, 1)
    variance += of_nonmembers / max(roc.num_nonmembers - 1, 1)
    # Groups apart, that the area and the variance do not show exactly: they are rounded sums.
    if variance == 0 or not overlap(roc):
        pairs = min(roc.num_members, roc.num_nonmembers)
        low, high = clopper_pearson(round(area * pairs), pairs)
        return float(low), float(high)
    half = scipy.stats.norm.ppf((1 + _CONFIDENCE) / 2) * np.sqrt(variance) / (area * (1 - area))
    return _on_logit_scale(area, half)


def _on_logit_scale(share: float, half: float) -> Interval:
    """What reaches as far below as above a share, on the scale of its logit."""
    middle = scipy.special.logit(share)
    return float(scipy.special.expit(middle - half)), float(scipy.special.expit(middle + half))


@functools.lru_cache(maxsize=8)  # attacks and groups have the same numbers of targets
def _draws(num_targets: int, resamples: int) -> np.ndarray:
    """How often each resample draws each target, float64 [resamples, targets], read-only."""
    equal = np.full(num_targets, 1 / num_targets)
    draws = np.random.default_rng(0).multinomial(num_targets, equal, size=resamples)
    draws = draws.astype(np.float64)
    draws.flags.writeable = False
    return draws


def _resampled_metrics(draws: np.ndarray, tp: np.ndarray, fp: np.ndarray) -> dict[str, np.ndarray]:
    """`metrics` of resampled targets, each [resamples].

    Args:
      draws: float64 [resamples, targets], how often a target is drawn.
      tp: float64 [targets, thresholds], its true alarms; the last threshold alarms everybody.
      fp: its false alarms.
    """
    # Groups can be so small that a resample has no members.
    num_in, num_out = (_product(draws, counts[:, -1:])[:, 0] for counts in (tp, fp))
    drawn = (num_in > 0) & (num_out > 0)
    draws, num_in, num_out = draws[drawn], num_in[drawn, None], num_out[drawn, None]
    allowed = most(np.array(list(TPR_AT.values())), num_out)
    areas = np.sum(_product(draws, _areas(tp, fp)) * draws, axis=1) / (num_in * num_out)[:, 0]
    columns = _first_columns(tp.shape[1])
    for stride in _STRIDES[1:]:
        columns = _finer(columns, stride, draws, tp, fp, allowed)
    hits, alarms = _product(draws, tp[:, columns]), _product(draws, fp[:, columns])
    tpr = np.take_along_axis(hits, _steps(alarms, allowed), axis=1) / num_in
    hits /= num_in
    alarms /= num_out
    hits -= alarms
    best = hits.max(1)
    of_rates = dict(zip(TPR_AT, tpr.T, strict=True))
    return {"auc": areas, "balanced_accuracy": (1 + best) / 2, **of_rates}


def _first_columns(number: int) -> np.ndarray:
    """A few of so many thresholds, the first and the last among them."""
    return np.unique(np.append(np.arange(0, number, _STRIDES[0]), number - 1))


def _finer(
    columns: np.ndarray,
    stride: int,
    draws: np.ndarray,
    tp: np.ndarray,
    fp: np.ndarray,
    allowed: np.ndarray,
) -> np.ndarray:
    """More thresholds, where the step of a resample at an FPR, or its best threshold, can be.

    Between two thresholds a resample has no more true alarms than at the second and no fewer false
    ones than at the first. Where that is not as good as the best of the thresholds so far, none
    between the two is better. So nothing is lost, and of some 4000 thresholds a few hundred are
    looked at.

    Args:
      columns: int, ascending: thresholds looked at so far, the first and the last among them.
      stride: of the thresholds that are added.
      draws, tp, fp: as for `_resampled_metrics`.
      allowed: [resamples, rates], how many false alarms each FPR allows.
    """
    hits, alarms = _product(draws, tp[:, columns]), _product(draws, fp[:, columns])
    steps = np.unique(_steps(alarms, allowed))
    hits /= hits[:, -1:]
    alarms /= alarms[:, -1:]
    at_best = np.max(hits - alarms, axis=1, keepdims=True) - 1e-9  # more than what is rounded
    looked_at = np.any(hits[:, 1:] - alarms[:, :-1] >= at_best, axis=0)
    looked_at[steps[steps < looked_at.size]] = True
    between = [np.arange(columns[i], columns[i + 1], stride) for i in np.flatnonzero(looked_at)]
    return np.unique(np.concatenate([columns, *between]))


def _steps(alarms: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Of each resample the last thresholds with no more false alarms than are allowed.

    Args:
      alarms: [resamples, thresholds], ascending.
      allowed: [resamples, rates].

    Returns:
      int [resamples, rates].
    """
    # Counted rather than looked up: numpy searches one resample at a time.
    each = [np.count_nonzero(alarms <= at[:, None], axis=1) for at in allowed.T]
    return np.stack(each, axis=1) - 1


def _areas(tp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """How many pairs of a member of one target and a non-member of another are in order, by the
    trapezoid rule, [targets, targets]: of resampled targets the area is a bilinear form in it."""
    heights, widths = (tp[:, 1:] + tp[:, :-1]) / 2, np.diff(fp, axis=1)
    found = np.zeros((len(tp), len(fp)))
    length = max(1, _PRODUCT // found.size)
    for first in range(0, widths.shape[1], length):
        part = slice(first, first + length)
        found += heights[:, part] @ widths[:, part].T
    return found


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b by products so small that BLAS computes each on one thread.

    Its threads wait for one another by spinning: where other threads are at work, as those of other
    attacks are, a product on several threads took some 20 times the CPU time.
    """
    found = np.empty((len(a), b.shape[1]))
    width = max(1, min(b.shape[1], _PRODUCT // (_RESAMPLES * len(b))))
    height = max(1, _PRODUCT // (len(b) * width))
    for top in range(0, len(a), height):
        rows = slice(top, top + height)
        for first in range(0, b.shape[1], width):
            columns = slice(first, first + width)
            np.matmul(a[rows], b[:, columns], out=found[rows, columns])
    return found
