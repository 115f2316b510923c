"""Lower bounds on the epsilon of differential privacy, from how well an attack does."""

import dataclasses
import math

import numpy as np

from lira_jax.errors import UserError
from lira_jax.evaluation import epsilon_strategies as strategies
from lira_jax.evaluation.ranked import Ranked

DELTA, CONFIDENCE = 1e-5, 0.95
GUESSES, THRESHOLDS = "guesses", "thresholds"


@dataclasses.dataclass(frozen=True)
class Epsilon:
    """A lower bound on epsilon of (epsilon, delta)-differential privacy.

    Attributes:
      value: the bound, at least 0.
      delta: of the guarantee.
      confidence: probability that the bound is below the true epsilon.
      strategy: how the bound was found: guesses or thresholds; empty in older results, where it was
        one threshold, chosen on half of the examples.
      one_run: the bound that needs no independent decisions, at the same confidence; NaN where the
        membership was not drawn by coin flips (with delta > 0, of 1/2).
    """

    value: float
    delta: float = DELTA
    confidence: float = CONFIDENCE
    strategy: str = ""
    one_run: float = math.nan


@dataclasses.dataclass(frozen=True)
class Setting:
    """What bound on epsilon is asked for.

    Attributes:
      delta: of the guarantee, in [0, 1).
      confidence: probability that the bound is below the true epsilon, in (0, 1).
      coin: probability with which every example was made a member of a target, independently of the
        others; None if it is unknown, or membership was drawn otherwise.

    Raises:
      UserError: a value is out of its range.
    """

    delta: float = DELTA
    confidence: float = CONFIDENCE
    coin: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.delta < 1:
            raise UserError(f"--delta={self.delta:g}: give a number from 0 to below 1, as 1e-5")
        if not 0 < self.confidence < 1:
            raise UserError(
                f"--confidence={self.confidence:g}: give a probability between 0 and 1, as 0.95"
            )
        if self.coin is not None and not 0 < self.coin < 1:
            raise UserError(f"coin={self.coin:g}: give a probability between 0 and 1, as 0.5")


def epsilon(ranked: Ranked, setting: Setting | None = None, *, seed: int = 0) -> Epsilon:
    """A lower bound on epsilon, by the tightest of the strategies that are valid.

    Which are tried is fixed by how membership was drawn, before any score is seen. Where each
    example was made a member by a coin flip of known probability, `guesses` has the whole error 1 -
    confidence: in simulations it was above the others nearly everywhere. Otherwise the better of
    `split` and `ranks` is taken ("thresholds"), each with half the error, so that both hold
    together (epsilon_strategies.py).

    What it assumes: examples whose decisions are independent of each other. Nasr et al. have that
    from one training per decision; here many examples share one training. So `value` audits the
    model at hand, and speaks of the algorithm only so far as examples do not influence each other's
    decisions. `one_run` needs coin flips alone (Steinke et al. 2023); with delta = 0 the two are
    the same.

    Which masks are coin flips: `bernoulli` exactly. With balanced masks the examples of one target
    are independent coins as well; that other models' masks tell of a target's is what attacks leave
    its partners out for, and what remains, through what shadow models learnt of other examples, is
    neglected.

    Several targets share examples and shadow models, so their decisions are not pooled: the result
    is the median of their bounds, each at half the error. That needs no independence: if each bound
    exceeds epsilon with probability a / 2, the expected share of bounds that do is at most a / 2,
    so by Markov's inequality half of them do, and with them the median, with probability at most a.

    Args:
      ranked: the scores.
      setting: what bound; the default is at delta 1e-5 and confidence 95 %, for no coin flips.
      seed: of the split into halves, and of the order of ties.

    Returns:
      The bound. Targets with fewer than two members or non-members with scores have no say; a bound
      of 0 is true of any, also where no others are left.
    """
    setting = Setting() if setting is None else setting
    delta, coin = setting.delta, setting.coin
    targets = []
    for t, pairs in enumerate(ranked.rows):
        if min(pairs.inside.size, pairs.outside.size) >= 2:
            counted = ranked.counted[t]
            targets.append((ranked.codes[t, counted] >> 1, ranked.members[t, counted]))
    error = (1 - setting.confidence) / (1 if len(targets) == 1 else 2)
    if coin is None:
        value = [
            max(
                strategies.split(own, inside, delta, error / 2, seed),
                strategies.ranks(own, inside, delta, error / 2),
            )
            for own, inside in targets
        ]
        one_run = math.nan
    else:
        made = [strategies.guess(own, inside, coin, seed) for own, inside in targets]
        value = [strategies.guesses(own, delta, error) for own in made]
        known = not delta or coin == 0.5
        one_run = _median(strategies.one_run(made, delta, error)) if known else math.nan
    return Epsilon(
        _median(value),
        delta,
        setting.confidence,
        THRESHOLDS if coin is None else GUESSES,
        one_run,
    )


def _median(ratios) -> float:
    """Median over targets of epsilon, from bounds on e^epsilon."""
    return float(np.median(np.log(np.maximum(ratios, 1)))) if len(ratios) else 0.0
