"""RMIA, the robust membership inference attack.

Zarifzadeh et al. 2024, Low-Cost High-Power Membership Inference Attacks
(https://arxiv.org/abs/2312.03262). An example x is compared with other examples z: ratio(x) = p(x;
target) / p(x), where p(x; target) is the target's confidence in the label of x and p(x) what models
have in general, estimated from the shadows. The score is the fraction of z with ratio(x) / ratio(z)
> gamma. The authors' own code differs from this where reference_rmia.py says.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from lira_jax.attacks.rmia_confidences import Confidences, of_lists, of_trimmed
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import over_blocks
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
    trim: float = 0.0,
    members: np.ndarray | None = None,
) -> np.ndarray:
    """Fraction of the population that each example beats by more than a factor gamma.

    The z are drawn from the examples under attack without regard to membership and are the same for
    all x. With `members`, they are non-members of the target, as in the authors' code; then the
    attacker knows, of the very model under attack, some examples that it did not train on. Whether
    x is itself among the z does not matter: it never beats itself.

    For one query the score of a target is a rising function of ratio(x), though not everywhere
    strictly: gamma and the population decide which ratios are told apart, and how scores of
    different targets compare. The order of examples is that of ratio(x).

    "mean" over queries is ours.

    Args:
      phi: float [models, examples, queries]; [models, examples] is one query. Scaled logits of the
        softmax, or of another confidence (soft_margin.py).
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      online: p(x) = (mean_in + mean_out) / 2, means of p_y over the in and out lists. Otherwise
        only out lists are read: p(x) = ((1 + a) mean_out + 1 - a) / 2, which takes mean_in for a
        mean_out + 1 - a.
      gamma: the factor, at least 1.
      a: how far mean_in follows mean_out in the offline attack, 0 to 1.
      population: how many examples are z, drawn at random; all by default. Of a target that has
        fewer non-members than that, all of these.
      seed: of that draw.
      combine: how queries become one score. "mean": the mean of their scores; a sort and a search
        for each target and query. "vote", as in the paper: x beats z if it does so in more than
        half of the queries. All pairs of x and z are compared in each query, so a population of a
        few thousand is advised.
      trim: online, p(x) is the mean over the in and out lists together, without this share of the
        scores at each end, rounded down to whole scores; offline, mean_out is such a mean. 0 to
        less than one half; the authors' code has 0.2. 0 trims nothing.
      members: bool [targets, examples], the targets' membership, if the z are non-members.

    Returns:
      float64 [targets, examples], in [0, 1]; higher = more likely a member. NaN where an example
      has no shadow score in a list that the attack reads; such examples are not among the z either.

    Raises:
      UserError: an option out of its range, shapes that disagree, a score that is NaN or infinite,
        no example has a shadow score in each list that the attack reads, or z are to be non-members
        and there are none.
    """
    inputs = inputs_lib.check(phi, keep, targets, observed)
    num_examples = inputs.phi.shape[1]
    if combine not in COMBINE:
        raise UserError(f"combine={combine}: it is one of {', '.join(COMBINE)}")
    if not 1 <= gamma < np.inf:
        raise UserError(f"gamma={gamma}: give at least 1")
    if not 0 <= a <= 1:
        raise UserError(f"a={a}: give 0 to 1")
    if not 0 <= trim < 0.5:
        raise UserError(f"trim={trim}: give 0 to less than 0.5, a share of the shadow scores")
    if population is not None and not 1 <= population <= num_examples:
        raise UserError(
            f"population={population}: give 1 to {num_examples}, the number of examples"
        )
    if members is not None and np.shape(members) != (inputs.num_targets, num_examples):
        raise UserError(
            f"members has shape {np.shape(members)}: give [targets, examples], "
            f"{(inputs.num_targets, num_examples)}"
        )

    def attack(scored: inputs_lib.Inputs) -> np.ndarray:
        confidences = of_trimmed if trim else of_lists
        z = _population(scored, population, seed)
        vote = combine == "vote" and scored.phi.shape[2] > 1
        beaten = _beaten_by_vote if vote else _beaten_on_average
        return _rmia(scored, confidences(scored, online, a, trim), np.log(gamma), z, beaten)

    if members is not None:
        inputs = dataclasses.replace(inputs, members=np.asarray(members, bool))
    return lists.on_scored(inputs, lists.EACH if online else lists.OUT, "rmia", attack)


def _rmia(
    inputs: inputs_lib.Inputs,
    confidences: Callable[[int], Confidences],
    log_gamma: float,
    z: Callable[[int], np.ndarray],
    fraction_beaten: Callable[[np.ndarray, float, np.ndarray], np.ndarray],
) -> np.ndarray:
    """`rmia` where every example has enough scores; confidences and z are asked for by target."""
    score = np.empty((inputs.num_targets, inputs.phi.shape[1]))

    def attack(block: slice) -> None:
        for t in range(*block.indices(inputs.num_targets)):
            own, usual = confidences(t)
            log_ratio = own - usual
            population = z(t) & ~np.isnan(log_ratio).any(1)  # some have no score for this target
            if not population.any():
                raise UserError(
                    "no example with shadow scores is a non-member of the target, so that none is "
                    "left for z"
                )
            score[t] = fraction_beaten(log_ratio, log_gamma, population)

    for _ in over_blocks(attack, inputs.num_targets, inputs.phi[0].size):
        pass
    return score


def _population(
    inputs: inputs_lib.Inputs, size: int | None, seed: int
) -> Callable[[int], np.ndarray]:
    """Which examples are the z of a target, bool [examples]."""
    num_examples = inputs.phi.shape[1]
    allowed = np.ones(num_examples, bool)
    generator = np.random.default_rng([seed, _STREAM])
    if inputs.members is None:
        if size is not None and size < num_examples:  # fewer if some have no score
            allowed[:] = False
            allowed[generator.choice(num_examples, size, replace=False)] = True
        return lambda t: allowed
    nonmembers = ~inputs.members
    if size is None:
        return lambda t: nonmembers[t]
    order = generator.permutation(num_examples)

    def first(t: int) -> np.ndarray:
        drawn = order[nonmembers[t, order]][:size]
        return np.isin(np.arange(num_examples), drawn)

    return first


def _beaten_on_average(log_ratio: np.ndarray, log_gamma: float, z: np.ndarray) -> np.ndarray:
    """Fraction of the z that each example beats, mean over queries.

    Args:
      log_ratio: [examples, queries].
      log_gamma: by which an example has to be above a z.
      z: bool [examples], which of them are z.
    """
    fraction = np.zeros(len(log_ratio))
    everyone = z.all()
    for ratio in log_ratio.T:
        order = np.argsort(ratio)
        ordered = ratio[order]
        # A search for ascending values stays in the cache.
        below = ordered if everyone else ordered[z[order]]
        fraction[order] += np.searchsorted(below, ordered - log_gamma)
    return fraction / (np.count_nonzero(z) * log_ratio.shape[1])


def _beaten_by_vote(log_ratio: np.ndarray, log_gamma: float, z: np.ndarray) -> np.ndarray:
    """Fraction of the z that are beaten in more than half of the queries; arguments as above."""
    x, z = log_ratio - log_gamma, log_ratio[z]
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
