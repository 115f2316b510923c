"""LiRA, the likelihood ratio attack.

Carlini et al. 2022, Membership Inference Attacks From First Principles
(https://arxiv.org/abs/2112.03570). For each example, normal distributions are fitted to the scaled
logits phi (IV-C; in the stable form of VI-A) of the shadow models that trained on it (in) and of
those that did not (out); the target's own phi is judged by them.
"""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import sum_over_blocks
from lira_jax.errors import UserError

VARIANCE_FLOOR = 1e-12
"""A standard deviation of 1e-6: phi is a difference of float32 numbers of size 1 to 30, which lie
1e-7 to 2e-6 apart, so a smaller spread says nothing but that the lists are short."""

FORMS = ("online", "one_sided", "density")
VARIANCES = ("spherical", "diagonal", "residual", "grand")
CENTRES = ("mean", "median")


def lira(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    form: str = "online",
    variance: str = "spherical",
    centre: str = "mean",
) -> np.ndarray:
    """Attack scores of every target on every example; higher = more likely a member.

    Args:
      phi: float [models, examples, queries], scaled logits; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead:
        all models are their shadows.
      form: "online": log N(phi; in) - log N(phi; out) (algorithm 1), divided by the number of
        queries.
        "one_sided": offline, 1 - Pr[Z > phi] for Z ~ N(out) (equation 4), given as the mean over
        queries of z = (phi - mu_out) / sd_out. For one query the probability is a monotone function
        of z, but it rounds to 1 where z still tells examples apart. For several the paper gives no
        formula. With the spherical variance, z is the distance of the mean of phi over the queries
        from its own mean over the out models, in units of the one sd_out.
        "density": offline as in the reference code, -log N(phi; out), divided by the number of
        queries.
      variance: "spherical": one for each example and list, the mean over queries of the squared
        distances from each query's mean (divided by n): the paper fits spherical Gaussians to
        several queries (IV-C).
        "diagonal": one for each example, list and query, as the reference code has it. With one
        query it is the spherical one, bit for bit.
        "residual": of all examples' lists about their own means, one for each query and list
        (divided by the sum of n - 1); for few shadows (section VI-B).
        "grand": of all scores of all examples and queries about their one mean, the reference
        code's fixed variance; online takes the in lists' for both.
      centre: "mean", or "median" as in the reference code; spreads are about the mean either way.

    Returns:
      float64 [targets, examples]. NaN where an example has too few shadow scores in a list that the
      form reads (`fewest`). The variances that examples share are pooled over all examples that
      have enough, from lists without the target and its partners.

    Raises:
      UserError: unknown option, shapes that disagree, a score that is NaN or infinite, or no
        example has enough shadow scores.
    """
    for name, value, choices in (
        ("form", form, FORMS),
        ("variance", variance, VARIANCES),
        ("centre", centre, CENTRES),
    ):
        if value not in choices:
            raise UserError(f"{name}={value}: it is one of {', '.join(choices)}")
    inputs = inputs_lib.check(phi, keep, targets, observed)
    of_example = variance in ("spherical", "diagonal")
    return lists.on_scored(
        inputs,
        fewest(form, variance),
        f"variance={variance}",
        lambda scored: _lira(scored, form, variance, centre),
        ", or a variance that examples share (lira_online_fixed)" if of_example else "",
    )


def fewest(form: str = "online", variance: str = "spherical") -> lists.Fewest:
    """How many shadow scores an example needs: two have a spread of their own."""
    if variance in ("spherical", "diagonal"):
        return lists.TWO_EACH if form == "online" else lists.TWO_OUT
    return lists.EACH if form == "online" else lists.OUT


def _lira(inputs: inputs_lib.Inputs, form: str, variance: str, centre: str) -> np.ndarray:
    """`lira` where every example has enough scores."""
    bits = (True, False) if form == "online" else (False,)  # the keep bit: in, out
    shared = _shared_variances(inputs, bits, variance)

    def attack(phi: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        terms = []
        for bit in bits:
            member = keep == bit
            if not shared:
                count, middle, spread = inputs.moments(phi, member)
                spread /= np.maximum(count, 1)[..., None]
                if variance == "spherical":
                    spread = inputs_lib.query_mean(spread)[..., None]
                np.maximum(spread, VARIANCE_FLOOR, out=spread)
            else:
                spread = shared[bit]
                if centre == "mean":
                    middle = inputs.moments(phi, member)[1]
            if centre == "median":
                middle = inputs.medians(phi, member)
            distance = np.subtract(own, middle)
            terms.append(
                _z(distance, spread) if form == "one_sided" else _log_normal(distance, spread)
            )
        if form == "online":
            return terms[0] - terms[1]
        return -terms[0] if form == "density" else terms[0]

    return inputs.scores(attack)


def _z(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean over queries of distances in standard deviations; overwrites `distance`."""
    distance /= np.sqrt(variance)
    return inputs_lib.query_mean(distance)


def _log_normal(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean over queries of the log density at a distance from the centre; overwrites `distance`."""
    distance *= distance
    distance /= variance
    distance += np.log(variance)
    return -0.5 * (inputs_lib.query_mean(distance) + np.log(2 * np.pi))


def _shared_variances(
    inputs: inputs_lib.Inputs, bits: tuple[bool, ...], variance: str
) -> dict[bool, np.ndarray]:
    """The variance that examples share: [targets, 1, queries] or [targets, 1, 1] for each list;
    empty if each has its own."""
    if variance in ("spherical", "diagonal"):
        return {}
    if variance == "grand":
        # The reference code computes one number, the in lists' when it has them, and uses it for
        # both.
        return dict.fromkeys(bits, _grand_variance(inputs, bits[0]))
    return {bit: _residual_variance(inputs, bit) for bit in bits}


def _residual_variance(inputs: inputs_lib.Inputs, bit: bool) -> np.ndarray:
    def sums(block: slice) -> tuple[np.ndarray, np.ndarray]:
        phi, keep, _ = inputs.block(block)
        count, _, ss = inputs.moments(phi, keep == bit)
        return ss.sum(1), np.maximum(count - 1, 0).sum(1)

    ss, freedom = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    if not freedom.all():
        need = lists.Fewest(2, 0) if bit else lists.TWO_OUT
        raise lists.too_few(inputs, need, "variance=residual")
    return np.maximum(ss / freedom[:, None], VARIANCE_FLOOR)[:, None, :]


def _grand_variance(inputs: inputs_lib.Inputs, bit: bool) -> np.ndarray:
    num_queries = inputs.phi.shape[2]
    # Sums are taken about a point near the mean, so that the difference below keeps its digits.
    origin = inputs.phi[0].mean(dtype=np.float64)

    def sums(block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi, keep, _ = inputs.block(block)
        count, mean, ss = inputs.moments(phi, keep == bit)
        mean -= origin
        mean[np.broadcast_to(count == 0, mean.shape[:2])] = 0
        first = mean * count[..., None]
        return count.sum(1) * num_queries, first.sum((1, 2)), (ss + first * mean).sum((1, 2))

    count, first, second = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    return np.maximum(second / count - (first / count) ** 2, VARIANCE_FLOOR)[:, None, None]
