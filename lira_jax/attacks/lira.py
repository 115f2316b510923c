"""LiRA, the likelihood ratio attack.

Carlini et al. 2022, Membership Inference Attacks From First Principles. For each example, normal
distributions are fitted to the scaled logits phi of the shadow models that trained on it (in) and
of those that did not (out); the target's own phi is judged by them.
"""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import leave_out
from lira_jax.attacks.shared.blocks import over_blocks, sum_over_blocks
from lira_jax.errors import UserError

VARIANCE_FLOOR = 1e-12
"""A standard deviation of 1e-6: phi is a difference of float32 numbers of size 1 to 30, which lie
1e-7 to 2e-6 apart, so a smaller spread says nothing but that the lists are short."""

FORMS = ("online", "one_sided", "density")
VARIANCES = ("example", "residual", "grand")
CENTRES = ("mean", "median")


def lira(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    form: str = "online",
    variance: str = "example",
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
      form: "online": mean over queries of log N(phi; in) - log N(phi; out) (algorithm 1).
        "one_sided": offline, 1 - Pr[Z > phi] for Z ~ N(out) (equation 4), given as the mean over
        queries of z = (phi - mu_out) / sd_out: for one query the probability is a monotone function
        of z, but
        it rounds to 1 where z still tells examples apart. "density": offline as in the reference
        code, minus the mean over queries of log N(phi; out).
      variance: "example": of each example's list and query about its mean (divided by n).
        "residual": of all examples' lists about their own means, one for each query and list
          (divided by the sum of
        n - 1); for few shadows (section VI-B). "grand": of all scores of all examples and queries
        about their one mean, the reference code's fixed variance; online takes the in lists' for
        both.
      centre: "mean", or "median" as in the reference code; spreads are about the mean either way.

    Returns:
      float64 [targets, examples].

    Raises:
      UserError: unknown option, shapes that disagree, a score that is NaN or infinite, or an
        example with fewer shadow scores than the fit needs.
    """
    for name, value, choices in (
        ("form", form, FORMS),
        ("variance", variance, VARIANCES),
        ("centre", centre, CENTRES),
    ):
        if value not in choices:
            raise UserError(f"{name}={value}: it is one of {', '.join(choices)}")
    inputs = inputs_lib.check(phi, keep, targets, observed)
    lists = (True, False) if form == "online" else (False,)  # the keep bit: in, out
    _require_lists(inputs, lists, variance)
    fixed = _fixed_variances(inputs, lists, variance)
    score = np.empty((inputs.num_targets, inputs.phi.shape[1]))

    def attack(block: slice) -> None:
        phi, keep, own = inputs.block(block)
        terms = []
        for bit in lists:
            member = keep == bit
            if variance == "example":
                count, middle, spread = leave_out.list_moments(phi, member, inputs.targets)
                spread /= count[..., None]
                np.maximum(spread, VARIANCE_FLOOR, out=spread)
            else:
                spread = fixed[bit]
                if centre == "mean":
                    middle = leave_out.list_moments(phi, member, inputs.targets)[1]
            if centre == "median":
                middle = leave_out.list_medians(phi, member, inputs.targets)
            distance = np.subtract(own, middle)
            terms.append(
                _z(distance, spread) if form == "one_sided" else _log_normal(distance, spread)
            )
        score[:, block] = terms[0] - terms[1] if form == "online" else terms[0]
        if form == "density":
            score[:, block] *= -1

    for _ in over_blocks(attack, inputs.phi.shape[1], inputs.per_example):
        pass
    return score


def _z(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean over queries of distances in standard deviations; overwrites `distance`."""
    distance /= np.sqrt(variance)
    return distance.mean(-1)


def _log_normal(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean over queries of the log density at a distance from the centre; overwrites `distance`."""
    distance *= distance
    distance /= variance
    distance += np.log(variance)
    return -0.5 * (distance.mean(-1) + np.log(2 * np.pi))


def _fixed_variances(
    inputs: inputs_lib.Inputs, lists: tuple[bool, ...], variance: str
) -> dict[bool, np.ndarray]:
    """The variance shared by all examples: [targets, 1, queries] or [targets, 1, 1] for each
    list."""
    if variance == "example":
        return {}
    if variance == "grand":
        # The reference code computes one number, the in lists' when it has them, and uses it for
        # both.
        return dict.fromkeys(lists, _grand_variance(inputs, lists[0]))
    return {bit: _residual_variance(inputs, bit) for bit in lists}


def _residual_variance(inputs: inputs_lib.Inputs, bit: bool) -> np.ndarray:
    def sums(block: slice) -> tuple[np.ndarray, np.ndarray]:
        phi, keep, _ = inputs.block(block)
        count, _, ss = leave_out.list_moments(phi, keep == bit, inputs.targets)
        return ss.sum(1), np.maximum(count - 1, 0).sum(1)

    ss, freedom = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    if not freedom.all():
        raise UserError(
            f"variance=residual: no example has 2 {'in' if bit else 'out'} shadow scores left "
            "without the target and its partner: use more models (--num_models)"
        )
    return np.maximum(ss / freedom[:, None], VARIANCE_FLOOR)[:, None, :]


def _grand_variance(inputs: inputs_lib.Inputs, bit: bool) -> np.ndarray:
    num_queries = inputs.phi.shape[2]
    # Sums are taken about a point near the mean, so that the difference below keeps its digits.
    origin = inputs.phi[0].mean(dtype=np.float64)

    def sums(block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi, keep, _ = inputs.block(block)
        count, mean, ss = leave_out.list_moments(phi, keep == bit, inputs.targets)
        mean -= origin
        first = mean * count[..., None]
        return count.sum(1) * num_queries, first.sum((1, 2)), (ss + first * mean).sum((1, 2))

    count, first, second = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    return np.maximum(second / count - (first / count) ** 2, VARIANCE_FLOOR)[:, None, None]


def _require_lists(inputs: inputs_lib.Inputs, lists: tuple[bool, ...], variance: str) -> None:
    need = 2 if variance == "example" else 1
    gone = inputs.targets is not None  # each list loses the target or its partner
    num_in = inputs.keep.sum(0)
    left = {True: num_in - gone, False: len(inputs.keep) - num_in - gone}
    short = np.any([left[bit] < need for bit in lists], axis=0)
    if not short.any():
        return
    i = int(short.argmax())
    fixed_helps = need == 2 and all(left[bit].max() >= 2 for bit in lists)
    fixed = " or the fixed variance (lira_online_fixed and so on)" if fixed_helps else ""
    raise UserError(
        f"example {i} has {max(left[True][i], 0)} in and {max(left[False][i], 0)} out shadow "
        f"scores{' without the target and its partner' if gone else ''}, variance={variance} needs "
        f"{need} {'of each' if len(lists) == 2 else 'out'}: use more models (--num_models), "
        f"balanced masks (--masks=balanced){fixed}"
    )
