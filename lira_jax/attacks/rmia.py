"""RMIA, the robust membership inference attack.

Zarifzadeh et al. 2024, Low-Cost High-Power Membership Inference Attacks
(https://arxiv.org/abs/2312.03262). An example x is compared with other examples z: ratio(x) = p(x;
target) / p(x), where p(x; target) is the target's confidence in the label of x and p(x) what models
have in general, estimated from the shadows. The score is the fraction of z with ratio(x) / ratio(z)
> gamma.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import leave_out, lists
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.confidence import ListSum, list_sum, log_confidence
from lira_jax.errors import UserError

COMBINE = ("mean", "vote")

_STREAM = 0x726D6961  # sets these random numbers apart from other uses of the same seed


def rmia(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    online: bool = True,
    gamma: float = 2.0,
    a: float = 0.3,
    population: int | None = None,
    seed: int = 0,
    combine: str = "mean",
) -> np.ndarray:
    """Fraction of the population that each example beats by more than a factor gamma.

    The z are drawn from the examples under attack without regard to membership and are the same for
    all x. The authors take the target's non-members, which no attacker can who does not know its
    training
    set. Whether x is itself among the z does not matter: it never beats itself.

    For one query the score of a target is a rising function of ratio(x), though not everywhere
    strictly: gamma and the population decide which ratios are told apart, and how scores of
    different targets compare. The order of examples is that of ratio(x).

    The authors' code takes a trimmed mean over all shadows (20 % off each end) where the paper, and
    this, take the mean; "mean" over queries is ours.

    Args:
      phi: float [models, examples, queries]; [models, examples] is one query. Scaled logits of the
        softmax, or of another confidence (`taylor_soft_margin`).
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      online: p(x) = (mean_in + mean_out) / 2, means of p_y over the in and out lists. Otherwise
        only out lists are read: p(x) = ((1 + a) mean_out + 1 - a) / 2, which takes mean_in for a
          mean_out + 1 - a.
      gamma: the factor, at least 1.
      a: how far mean_in follows mean_out in the offline attack, 0 to 1.
      population: how many examples are z, drawn at random; all by default.
      seed: of that draw.
      combine: how queries become one score. "mean": the mean of their scores; a sort and a search
        for each target and query. "vote", as in the paper: x beats z if it does so in more than
          half of the queries. All pairs of
        x and z are compared in each query, so a population of a few thousand is advised.

    Returns:
      float64 [targets, examples], in [0, 1]; higher = more likely a member. NaN where an example
      has no shadow score in a list that the attack reads; such examples are not among the z either.

    Raises:
      UserError: an option out of its range, shapes that disagree, a score that is NaN or infinite,
        or no example has a shadow score in each list that the attack reads.
    """
    inputs = inputs_lib.check(phi, keep, targets, observed)
    num_examples = inputs.phi.shape[1]
    if combine not in COMBINE:
        raise UserError(f"combine={combine}: it is one of {', '.join(COMBINE)}")
    if not gamma >= 1:
        raise UserError(f"gamma={gamma}: give at least 1")
    if not 0 <= a <= 1:
        raise UserError(f"a={a}: give 0 to 1")
    if population is not None and not 1 <= population <= num_examples:
        raise UserError(
            f"population={population}: give 1 to {num_examples}, the number of examples"
        )

    def attack(scored: inputs_lib.Inputs) -> np.ndarray:
        z = _population(scored.phi.shape[1], population, seed)
        vote = combine == "vote" and scored.phi.shape[2] > 1
        beaten = _beaten_by_vote if vote else _beaten_on_average
        return _rmia(scored, online, np.log(gamma), a, z, beaten)

    return lists.on_scored(inputs, lists.EACH if online else lists.OUT, "rmia", attack)


def _rmia(
    inputs: inputs_lib.Inputs,
    online: bool,
    log_gamma: float,
    a: float,
    z: np.ndarray | slice,
    fraction_beaten: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """`rmia` where every example has enough scores; z are indices of the population."""
    bits = (True, False) if online else (False,)  # the keep bit: in, out
    sums = {bit: _sums(inputs, bit) for bit in bits}
    partner = _partners(inputs)
    score = np.empty((inputs.num_targets, inputs.phi.shape[1]))

    def attack(block: slice) -> None:
        for t in range(*block.indices(inputs.num_targets)):
            own, means = _shadow_means(inputs, sums, partner, t)
            mean_in = means[True] if online else a * means[False] + 1 - a
            log_ratio = own - np.log((mean_in + means[False]) / 2)
            population = log_ratio[z]
            without = np.isnan(population).any(1)  # no score for this target
            if without.any():
                population = population[~without]
            score[t] = fraction_beaten(log_ratio - log_gamma, population)

    for _ in over_blocks(attack, inputs.num_targets, inputs.phi[0].size):
        pass
    return score


def _sums(inputs: inputs_lib.Inputs, bit: bool) -> ListSum:
    """Sums of p_y over the in or the out lists of all examples."""

    def sums(block: slice) -> ListSum:
        phi, keep, _ = inputs.block(block)
        return list_sum(np.exp(log_confidence(phi)), keep == bit)

    parts = list(over_blocks(sums, inputs.phi.shape[1], inputs.per_example))
    return ListSum(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("count", "largest", "rest")
        )
    )


def _partners(inputs: inputs_lib.Inputs) -> np.ndarray | None:
    """int32 [targets, examples], the models deleted together with each target; None if nothing is
    deleted, or the target alone."""
    targets = inputs.targets
    if targets is None or not inputs.partner:
        return None

    def partners(block: slice) -> np.ndarray:
        return leave_out.partners(inputs.keep[:, block], targets).astype(np.int32)

    return np.concatenate(
        list(over_blocks(partners, inputs.phi.shape[1], inputs.per_example)), axis=1
    )


def _shadow_means(
    inputs: inputs_lib.Inputs, sums: dict[bool, ListSum], partner: np.ndarray | None, t: int
) -> tuple[np.ndarray, dict[bool, np.ndarray]]:
    """log p_y of one target and the mean p_y of its in and out lists, float64 [examples,
    queries]."""
    own = log_confidence(inputs.of_target(t))
    if inputs.targets is None:
        return own, {bit: listed.total / listed.count[:, None] for bit, listed in sums.items()}
    target = inputs.targets[t]
    p_target = np.exp(own if inputs.observed is None else log_confidence(inputs.phi[target]))
    means = {}
    if partner is not None:
        p_partner = np.exp(log_confidence(inputs.phi[partner[t], np.arange(len(own))]))
    for bit, listed in sums.items():
        inside = (inputs.keep[target] == bit)[:, None]
        if partner is None:
            total, count = listed.total_without(p_target, inside), listed.count[:, None] - inside
        else:
            total = listed.total_without(np.where(inside, p_target, p_partner))
            count = listed.count[:, None] - 1
        means[bit] = np.where(count > 0, total, np.nan) / np.maximum(count, 1)
    return own, means


def _population(num_examples: int, size: int | None, seed: int) -> np.ndarray | slice:
    if size is None or size >= num_examples:  # fewer if some have no score
        return slice(None)
    return np.sort(np.random.default_rng([seed, _STREAM]).choice(num_examples, size, replace=False))


def _beaten_on_average(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Fraction of z below each x, mean over queries: x [examples, queries], z [population,
    queries]."""
    fraction = np.zeros(len(x))
    for x_query, z_query in zip(x.T, z.T, strict=True):
        # A search for ascending values stays in the cache.
        order = np.argsort(x_query)
        fraction[order] += np.searchsorted(np.sort(z_query), x_query[order])
    return fraction / (len(z) * x.shape[1])


def _beaten_by_vote(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Fraction of z that are below x in more than half of the queries; arguments as above."""
    # Ranks among the z, in the smallest type that holds them, compare many times faster than
    # floats.
    ranks = np.min_scalar_type(len(z))
    num_queries = x.shape[1]
    beaten = np.empty((num_queries, len(x)), ranks)
    place = np.empty((num_queries, len(z)), ranks)
    for query in range(num_queries):
        order = np.argsort(z[:, query])
        place[query, order] = np.arange(len(z))
        beaten[query] = np.searchsorted(z[order, query], x[:, query])
    fraction = np.empty(len(x))
    rows = max(1, 2**17 // len(z))  # that many votes of a byte stay in the cache
    for start in range(0, len(x), rows):
        votes = np.zeros(
            (len(fraction[start : start + rows]), len(z)), np.min_scalar_type(num_queries)
        )
        for query in range(num_queries):
            votes += place[query] < beaten[query, start : start + rows, None]
        fraction[start : start + rows] = np.count_nonzero(votes > num_queries // 2, axis=1) / len(z)
    return fraction


def taylor_soft_margin(
    logits: np.ndarray,
    labels: np.ndarray,
    temperature: float = 2.0,
    margin: float = 0.6,
    order: int = 4,
) -> np.ndarray:
    """Scaled logits of the soft-margin Taylor softmax, the confidence the authors of RMIA use.

    p_y = T(z_y - margin) / (T(z_y - margin) + sum_{j != y} T(z_j)), where z = logits / temperature
    and T is the Taylor polynomial of exp. The authors' code, asked for order 4, stops at the cubic
    term; that polynomial is negative below -1.6 and its p_y can leave [0, 1]. Here T has all terms
    up to the order.

    Args:
      logits: float [models, examples, classes].
      labels: int [examples].
      temperature: positive.
      margin: taken from the label's logit after the temperature.
      order: of the polynomial, even: only then is it positive everywhere.

    Returns:
      float64 [models, examples], log(p_y / (1 - p_y)): what `rmia` takes for phi.

    Raises:
      UserError: the order is not even and positive, or the temperature is not positive.
    """
    if order < 2 or order % 2:
        raise UserError(
            f"order={order}: give an even number, 2 or more, or confidences can be negative"
        )
    if not temperature > 0:
        raise UserError(f"temperature={temperature}: give a positive number")
    phi = np.empty(logits.shape[:2])
    examples = np.arange(len(labels))
    for model, z in enumerate(logits):
        z = z / np.float64(temperature)
        label = _taylor(z[examples, labels] - margin, order)
        others = _taylor(z, order)
        others[examples, labels] = 0
        phi[model] = np.log(label) - np.log(others.sum(-1))
    return phi


def _taylor(z: np.ndarray, order: int) -> np.ndarray:
    """The Taylor polynomial of exp at 0, by Horner's rule."""
    value = np.ones_like(z)
    for i in range(order, 0, -1):
        value *= z
        value /= i
        value += 1
    return value
