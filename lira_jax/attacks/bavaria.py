"""BaVarIA: LiRA with a conjugate Bayesian prior on each example's mean and variance.

Brannvall 2026, Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA
(https://arxiv.org/abs/2603.11799). The mean and variance of an example's list have a normal-inverse
-gamma prior about the grand mean and variance of that list over all examples. Two forms of what
follows for the target's score: Student's t, which is the posterior predictive distribution, and the
normal distribution at the list's own mean with the posterior's variance. The strength of the prior
is chosen beforehand; moderated.py fits it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.lira import VARIANCE_FLOOR
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists, normal, student
from lira_jax.attacks.shared.blocks import sum_over_blocks
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.errors import UserError

PREDICTIVES = {"normal": 1.0, "t": 2.0}
"""Form of the predictive distribution -> alpha0, the prior's shape."""


def bavaria(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    predictive: str = "t",
    online: bool = True,
    training_set: TrainingSet | None = None,
) -> np.ndarray:
    """Attack scores of every target on every example; higher = more likely a member.

    With mu0 and V the grand mean and variance of a list, kappa0 = 1, beta0 = V and alpha0 = 1
    (normal) or 2 (t), a list of n scores with mean m and sum of squares SS about it has alpha =
    alpha0 + n / 2 and beta = beta0 + SS / 2 + n (m - mu0)^2 / (2 (1 + n)).

    mu0 and V are computed for each target, list and query, over that list of all examples that have
    enough scores, the example's own among them. The scores of the target and of its partners are in
    none of these lists, at no example.

    Args:
      phi: float [models, examples, queries], scaled logits or any signal that is higher for
        members; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      predictive: "normal" (BaVarIA-n): at m, of variance beta / (alpha - 1). "t" (BaVarIA-t):
        Student's t with 2 alpha degrees of freedom at (mu0 + n m) / (1 + n), of squared scale beta
        (n + 2) / (alpha (n + 1)).
      online: log density of the in class minus that of the out class, mean over queries. Otherwise
        the in class is its prior, n = 0: t with 4 degrees of freedom at mu0 of squared scale V;
        for "normal", whose prior has no finite variance, N(mu0, V) (this choice is ours). mu0 and V
        of the in class are then of all OTHER examples' in lists: the attacker has trained on
        examples of his own, not on this one.
      training_set: these examples of his own, of which the same models have in lists, for an
        offline attack on others; None takes the examples under attack.

    Returns:
      float64 [targets, examples]. NaN where a list that the attack reads is empty.

    Raises:
      UserError: unknown predictive, shapes that disagree, a score that is NaN or infinite, or too
        few scores: no example has a score in each list, or a class has fewer than two in all.
    """
    if predictive not in PREDICTIVES:
        raise UserError(f"predictive={predictive}: it is one of {', '.join(PREDICTIVES)}")
    inputs = inputs_lib.check(phi, keep, targets, observed)
    known = None
    if training_set is not None and not online:
        known = inputs.lists_of(training_set.values, training_set.keep)
    return lists.on_scored(
        inputs,
        lists.EACH if online else lists.OUT,
        "bavaria",
        lambda scored: _bavaria(scored, predictive, online, known),
    )


@dataclasses.dataclass(frozen=True)
class _Grand:
    """Sums over one list of many examples, about `origin`; float64, [targets, 1, queries], or
    [targets, examples, queries] without one of the examples.

    Attributes:
      count: scores.
      first: sum of the scores.
      second: sum of their squares.
      origin: a point near the scores, so that the squares keep their digits.
    """

    count: np.ndarray
    first: np.ndarray
    second: np.ndarray
    origin: float

    def without(self, count: np.ndarray, mean: np.ndarray, ss: np.ndarray) -> "_Grand":
        """The same but for a list of `count` scores, int [targets or 1, examples]; mean and ss
        [targets, examples, queries]."""
        count = count[..., None]
        first = count * (mean - self.origin)
        return _Grand(
            self.count - count,
            self.first - first,
            self.second - (ss + first * (mean - self.origin)),
            self.origin,
        )

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """The grand mean and variance."""
        mean = self.first / self.count
        variance = np.maximum(self.second / self.count - mean * mean, VARIANCE_FLOOR)
        return mean + self.origin, variance


def _bavaria(
    inputs: inputs_lib.Inputs, predictive: str, online: bool, known: inputs_lib.Inputs | None
) -> np.ndarray:
    """Both classes about their grand moments; those of the in class are of `known`, if it is
    given."""
    of_others = not online and known is None
    grand = {
        True: _grand(inputs if known is None else known, True, of_others),
        False: _grand(inputs, False, False),
    }
    log_density = _log_normal if predictive == "normal" else _log_t

    def attack(phi: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        terms = []
        for bit in (True, False):
            count, mean, ss = _list(inputs, phi, keep == bit)
            if bit and not online:
                own_left = grand[bit].without(count, mean, ss) if of_others else grand[bit]
                mean, variance = own_left.moments()
                if predictive == "t":
                    four = np.array(4.0)
                    terms.append(
                        student.log_density(own - mean, variance, four, student.log_constant(four))
                    )
                else:
                    terms.append(normal.log_density(own - mean, variance))
            else:
                moments = np.maximum(count, 1)[..., None], mean, ss
                terms.append(log_density(*grand[bit].moments(), *moments, own))
        return inputs_lib.query_mean(terms[0] - terms[1])

    return inputs.scores(attack)


def _list(
    inputs: inputs_lib.Inputs, phi: np.ndarray, member: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`leave_out.list_moments` with mean 0 of an empty list."""
    count, mean, ss = inputs.moments(phi, member)
    return count, mean if count.all() else np.where(count[..., None] > 0, mean, 0.0), ss


def _grand(inputs: inputs_lib.Inputs, bit: bool, of_others: bool) -> _Grand:
    """The sums over one list of all examples; `of_others` if those without an example are asked
    for."""
    origin = inputs.phi[0].mean(dtype=np.float64)

    def sums(block: slice) -> tuple[np.ndarray, ...]:
        phi, keep, _ = inputs.block(block)
        count, mean, ss = _list(inputs, phi, keep == bit)
        first = count[..., None] * (mean - origin)
        return count.sum(1), first.sum(1), (ss + first * (mean - origin)).sum(1)

    count, first, second = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    largest = int(np.max((inputs.keep == bit).sum(0))) if of_others else 0
    if count.min() - largest < 2:
        raise UserError(
            f"the {'in' if bit else 'out'} lists of all examples hold {count.min()} shadow scores, "
            f"a prior needs 2{' of other examples' if of_others else ''}: use more models "
            "(--num_models) or examples"
        )
    return _Grand(count[:, None, None], first[:, None], second[:, None], origin)


def _posterior(
    alpha0: float,
    mu0: np.ndarray,
    v: np.ndarray,
    count: np.ndarray,
    mean: np.ndarray,
    ss: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    beta = mean - mu0
    beta *= beta
    beta *= count / (2 * (1 + count))
    beta += ss / 2
    beta += v
    return alpha0 + count / 2, beta


def _log_normal(mu0, v, count, mean, ss, own) -> np.ndarray:
    alpha, beta = _posterior(PREDICTIVES["normal"], mu0, v, count, mean, ss)
    variance = beta / (alpha - 1)
    return normal.log_density(own - mean, variance)


def _log_t(mu0, v, count, mean, ss, own) -> np.ndarray:
    alpha, beta = _posterior(PREDICTIVES["t"], mu0, v, count, mean, ss)
    centre = (mu0 + count * mean) / (1 + count)
    scale = beta * (count + 2) / (alpha * (count + 1))
    return student.log_density(own - centre, scale, 2 * alpha, student.log_constant(2 * alpha))
