"""Ways to bound epsilon of differential privacy from below; each is valid by itself, at its error.

What they share: `scores` [examples], higher = more likely a member, all of them known, given as
ranks (ranked.py), whole numbers of 32 bits; `members`
bool [examples]; `delta` of the guarantee; `error`, the largest probability that a bound is above
the true epsilon. Each returns a bound on e^epsilon; below 1 it says nothing.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy

from lira_jax.evaluation.intervals import clopper_pearson
from lira_jax.evaluation.ranked import Pairs

FEWEST_GUESSES = 16
"""Ten right guesses of ten are the fewest that speak against epsilon 0 at the errors in use."""
RATIO = 1.5
"""Of one number of guesses to the one before: closer ones cost more error than they find."""
MASS_SHARE = 0.1
"""The share of the error of `guesses` for the mass of the scores that they are about."""


def split(scores: np.ndarray, members: np.ndarray, delta: float, error: float, seed: int) -> float:
    """The threshold is chosen on a random half of the examples, the bound computed on the other.

    Jagielski et al. 2020 (https://arxiv.org/abs/2006.07709), Nasr et al. 2021
    (https://arxiv.org/abs/2101.04535): Clopper-Pearson bounds of the four rates in the two
    inequalities of (epsilon, delta)-differential privacy, TPR <= e^epsilon FPR + delta and 1 - FPR
    <= e^epsilon (1 - TPR) + delta (Kairouz, Oh and Viswanath 2015, theorem 2.1,
    https://arxiv.org/abs/1311.0776). Needs decisions that are independent of each other, and at
    least 2 members and 2 non-members.
    """
    choosing = np.zeros(members.shape, bool)
    rng = np.random.default_rng(seed)
    for group in (np.flatnonzero(members), np.flatnonzero(~members)):
        choosing[rng.permutation(group)[: group.size // 2]] = True
    curve = Pairs.of(scores[choosing], members[choosing]).curve()
    points = _both_ends(len(curve.thresholds))
    sizes = curve.num_members, curve.num_nonmembers
    ratios = _likelihood_ratio(curve.tp[points], curve.fp[points], *sizes, delta, error)
    chosen = np.argmax(ratios)
    alarms = scores >= curve.thresholds[points[chosen]]
    own, others = members & ~choosing, ~members & ~choosing
    ratio = _likelihood_ratio(
        np.count_nonzero(alarms & own),
        np.count_nonzero(alarms & others),
        np.count_nonzero(own),
        np.count_nonzero(others),
        delta,
        error,
    )
    return float(ratio)


def ranks(scores: np.ndarray, members: np.ndarray, delta: float, error: float) -> float:
    """The best of thresholds at ranks that are fixed in advance, the error being divided by their
    number (Bonferroni).

    A threshold just above the k-th highest non-member, k = 1, 2, 4, ...: its FPR is a random
    number whose distribution is at most Beta(k, n - k + 1) whatever that of the scores, so that
    Clopper and Pearson's upper end for k - 1 of n holds; given the threshold, its true positives
    are binomial. The same from the other end, with thresholds below the k-th lowest member, for
    the second inequality. No example is spent on choosing, and the ends of the ROC, which decide
    about a large epsilon, keep all their scores. Between two ranks that are tied nothing is found:
    on scores of few values `split` is better. Assumes what `split` does.
    """
    own, others = np.sort(scores[members]), np.sort(scores[~members])
    top = scores.max()  # ranks have no sign
    ends = ((own, others), (top - others[::-1], top - own[::-1]))
    each = error / sum(2 * len(_powers(low)) for _, low in ends)
    found = []
    for high, low in ends:
        k = _powers(low)
        above = high.size - np.searchsorted(high, low[-k], side="right")
        rate, _ = clopper_pearson(above, high.size, 1 - 2 * each)
        _, false = clopper_pearson(k - 1, low.size, 1 - 2 * each)
        found.append(np.max((rate - delta) / false))
    return float(max(found))


@dataclasses.dataclass(frozen=True)
class Guesses:
    """Guesses about one target: that the highest scores are members, the lowest non-members, or
    both; every array is [tests].

    Attributes:
      made: guesses.
      right: how many of them are.
      about: how many scores lie beyond each of the thresholds: `made`, or half of it.
      prior: probability that a guess is right where epsilon is 0.
      num_examples: with scores.
    """

    made: np.ndarray
    right: np.ndarray
    about: np.ndarray
    prior: np.ndarray
    num_examples: int


def guess(scores: np.ndarray, members: np.ndarray, coin: float, seed: int) -> Guesses:
    """Guesses of numbers that are fixed in advance, ties being broken at random.

    Args:
      scores: [examples].
      members: bool [examples].
      coin: with what probability each example was made a member, independently.
      seed: of the random order of ties.
    """
    inside = _by_score(scores, members, seed)
    half = scores.size // 2
    steps = max(0, int(np.log(max(half, 1) / FEWEST_GUESSES) / np.log(RATIO)))
    numbers = np.rint(FEWEST_GUESSES * RATIO ** np.arange(steps + 1)).astype(int)
    numbers = np.unique(np.append(np.minimum(numbers, half), half))
    lowest = np.cumsum(~inside)[numbers - 1]
    highest = np.cumsum(inside[::-1])[numbers - 1]
    kinds = [(numbers, highest, coin), (numbers, lowest, 1 - coin)]
    if coin == 0.5:
        kinds.append((2 * numbers, highest + lowest, coin))
    return Guesses(
        made=np.concatenate([made for made, _, _ in kinds]),
        right=np.concatenate([right for _, right, _ in kinds]),
        about=np.tile(numbers, len(kinds)),
        prior=np.repeat([prior for _, _, prior in kinds], numbers.size),
        num_examples=scores.size,
    )


def _by_score(scores: np.ndarray, members: np.ndarray, seed: int) -> np.ndarray:
    """The membership of the examples in ascending order of their scores, ties by lot."""
    pairs = Pairs.of(scores, members)
    if np.all(pairs.ranks[1:] > pairs.ranks[:-1]):
        return pairs.is_member
    drawn = np.random.default_rng(seed).permutation(scores.size)
    # Score, lot and membership in one number: those sort fast.
    codes = scores[drawn].astype(np.uint64) << np.uint64(32)
    codes |= np.arange(0, 2 * scores.size, 2, dtype=np.uint64)
    codes |= members[drawn]
    codes.sort()
    return (codes & np.uint64(1)).astype(bool)


def guesses(made: Guesses, delta: float, error: float) -> float:
    """The best of guesses about examples that were made members by coin flips.

    Of the k highest scores, given the next one, each is a member with one probability q, and which
    are is independent. With t and f the rates at which members and non-members score so high, and
    P = coin t + (1 - coin) f the mass of such scores, q = coin t / P, and t <= e^epsilon f + delta
    says (q / coin - delta / P) / ((1 - q) / (1 - coin)) <= e^epsilon. So one binomial bound of q
    does for the bounds of t and f that `split` and `ranks` need, and holds at its whole error. P is
    Beta(k + 1, n - k). All numbers of guesses share the error (Bonferroni).

    With delta = 0 this is the bound of Steinke, Nasr and Jagielski 2023
    (https://arxiv.org/abs/2305.08846, theorem 5.2) and needs nothing but independent coins. With
    delta > 0 it needs examples whose scores are independent too.
    """
    tests = made.made.size
    mass = np.ones(tests)
    if delta:
        both_ends = 2 * np.unique(made.about).size
        mass = scipy.special.betaincinv(
            made.about + 1, made.num_examples - made.about, MASS_SHARE * error / both_ends
        )
        error = (1 - MASS_SHARE) * error
    q, _ = clopper_pearson(made.right, made.made, 1 - 2 * error / tests)
    odds = (q / made.prior - delta / mass) / ((1 - q) / (1 - made.prior))
    return float(np.max(odds))


def one_run(made: Sequence[Guesses], delta: float, error: float) -> np.ndarray:
    """The same of several targets, valid however the scores of a target depend on each other.

    Steinke et al. 2023, theorem 5.2: r guesses about m coins of 1/2 are right v times or more with
    probability at most beta + 2 m delta alpha, where beta = P(W >= v), alpha = max over i >= 1 of
    P(v > W >= v - i) / i and W ~ Binomial(r, e^epsilon / (1 + e^epsilon)). It says little unless
    delta is far below 1 / m, for a mechanism that gives away all members at once with probability m
    delta has this delta.

    Args:
      made: of each target, with coins of 1/2 where delta > 0.
      delta: of the guarantee.
      error: of each target's bound.

    Returns:
      Bounds on e^epsilon, float64 [targets].
    """
    if not delta:
        return np.array([guesses(own, 0.0, error) for own in made])
    chosen = [(own, _promising(own, delta, error / own.made.size)) for own in made]
    v, r = (np.array([getattr(own, name)[i] for own, i in chosen]) for name in ("right", "made"))
    weight = np.array([2 * delta * own.num_examples for own in made])
    shares = error / np.array([own.made.size for own in made])
    # The p-value rises with epsilon: the highest epsilon that it rejects is between 0 and what a
    # delta of 0 would give.
    low = np.zeros(len(made))
    high = scipy.special.logit(np.clip(clopper_pearson(v, r, 1 - 2 * shares)[0], 0.5, None))
    for _ in range(30):
        middle = (low + high) / 2
        rejected = _p_value(middle, v, r, weight) <= shares
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return np.exp(low)


def _promising(made: Guesses, delta: float, error: float) -> int:
    """Which test has the best bound, nearly: any choice is valid, as all hold at once."""
    q, _ = clopper_pearson(made.right, made.made, 1 - error)
    weight = 2 * delta * made.num_examples
    spread = np.sqrt(made.made * np.clip(q * (1 - q), 1e-12, None))
    far = np.where(0.3 * weight / spread > error / 2, made.right - 2 * weight / error, np.inf)
    return int(np.argmax(np.minimum(q, far / made.made)))


def _p_value(epsilon: np.ndarray, v: np.ndarray, r: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Probability that v or more guesses are right; all [targets]."""
    q = scipy.special.expit(epsilon)

    at_most = scipy.special.bdtr(np.maximum(v - 1.0, 0), r, q)

    def mean_mass(i: np.ndarray) -> np.ndarray:
        """P(v > W >= v - i) / i."""
        below = np.where(i < v, scipy.special.bdtr(np.maximum(v - i - 1.0, 0), r, q), 0.0)
        return (at_most - below) / i

    # The mass rises to the mode and then falls, so its mean over v - i, ..., v - 1 rises and falls
    # with i; the last i that raises it lies between low and high.
    low, high = np.ones(v.shape, int), np.maximum(v, 1) + 1
    while np.any(high - low > 1):
        middle = (low + high) // 2
        raises = mean_mass(np.maximum(middle, 2)) > mean_mass(np.maximum(middle - 1, 1))
        raises &= middle > 1
        low, high = np.where(raises, middle, low), np.where(raises, high, middle)
    beta = np.where(v > 0, scipy.special.bdtrc(np.maximum(v - 1.0, 0), r, q), 1.0)
    return beta + weight * mean_mass(low)


def _powers(of: np.ndarray) -> np.ndarray:
    """1, 2, 4, ... up to the length."""
    return 2 ** np.arange(len(of).bit_length())


def _both_ends(count: int, steps: int = 250) -> np.ndarray:
    """Indices of points of a ROC to choose among: all at its two ends, ever fewer between.

    Any choice on the one half gives a valid bound on the other, and beta quantiles of every point
    would be most of the time of an evaluation.
    """
    from_end = np.geomspace(1, count, steps).astype(int)
    return np.unique(np.concatenate([from_end - 1, count - from_end]))


def _likelihood_ratio(tp, fp, num_members, num_nonmembers, delta, error) -> np.ndarray:
    """The lower bound of e^epsilon at given thresholds."""
    # Both inequalities need the same two one-sided bounds, each of half the error.
    tpr, _ = clopper_pearson(tp, num_members, 1 - error)
    _, fpr = clopper_pearson(fp, num_nonmembers, 1 - error)
    return np.maximum((tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr))
