"""What DP-SGD proves: epsilon of the batches that are really drawn, by Google's dp-accounting.

The accountant is that of privacy loss distributions (PLD; Doroshenko et al. 2022,
https://arxiv.org/abs/2207.04380), of the extra `dp`. Without it training runs, and epsilon is not
computed.
"""

import importlib.metadata
import importlib.util
import math
from typing import Any

import scipy

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment

SURPLUS = 1e-10
"""Largest probability that any batch of a training draws more examples than it has places for."""

_PACKAGE = "dp-accounting"


def capacity(batch_size: int, fewest: int, most: int, steps: int) -> int:
    """Places of a Poisson batch: the expected size and enough for chance.

    Args:
      batch_size: the expected one.
      fewest, most: members of any model.
      steps: of a training.

    Returns:
      The smallest multiple of 8, or `most` if that is less, which a training exceeds with
      probability SURPLUS at the most. Beyond it the batch leaves out the surplus at random.
    """
    tail = SURPLUS / steps
    largest = max(
        scipy.stats.binom.isf(tail, members, min(1, batch_size / members))
        for members in (fewest, most)
    )
    return min(most, -(-int(largest) // 8) * 8)


def epsilon(e: Experiment, fewest: int, steps: int) -> dict[str, Any]:
    """The (epsilon, delta) of ONE training, proved for adding or removing one of its members.

    Poisson: each step takes each member with probability q = batch_size / members; the surplus of a
    batch beyond its places adds steps (1 + e^epsilon) SURPLUS / steps to delta (Chua et al. 2024,
    https://arxiv.org/abs/2411.04205, on truncated batches).

    Shuffled: each member is in at most one batch of an epoch, so a training is no worse than
    `epochs` Gaussian mechanisms, without any gain from sampling (the member's gradient is replaced
    by 0, "zero-out"). Papers count shuffled batches as if they were Poisson's; epsilon_as_poisson
    is theirs, which is not proved (Chua et al. 2024, https://arxiv.org/abs/2403.17673).

    Args:
      e: the experiment, with --defence=dp_sgd.
      fewest: members of any model; its bound is the weakest.
      steps: of a training.

    Returns:
      What privacy.json holds. epsilon is None without dp-accounting or without noise; `why` says
      which.
    """
    found: dict[str, Any] = {
        "epsilon": None,
        "delta": e.dp_delta,
        "noise": e.dp_noise,
        "clip": e.dp_clip,
        "batches": e.dp_batches,
        "sampling_rate": e.batch_size / fewest,
        "steps": steps,
        "accountant": f"{_PACKAGE} {version()} PLD" if version() else None,
    }
    if e.dp_batches == "shuffled":
        found["epsilon_as_poisson"] = None
    if e.dp_noise == 0:
        found["why"] = "clipping without noise proves nothing"
    elif not version():
        found["why"] = f"{_PACKAGE} is not installed (pip install 'lira_jax[dp]')"
    else:
        as_poisson = of_poisson(e.dp_noise, e.batch_size / fewest, steps, e.dp_delta)
        if e.dp_batches == "shuffled":
            found["epsilon"] = of_gaussian(e.dp_noise / math.sqrt(e.epochs), e.dp_delta)
            found["epsilon_as_poisson"] = as_poisson
        else:
            found["epsilon"] = as_poisson
            found["delta_of_surplus"] = SURPLUS * (1 + math.exp(min(as_poisson, 700)))
    return found


def noise_for(e: Experiment, fewest: int, steps: int) -> float:
    """The least noise, to four decimals, whose epsilon is at most --dp_epsilon.

    Raises:
      UserError: dp-accounting is not installed.
    """
    if not version():
        raise UserError(
            f"--dp_epsilon={e.dp_epsilon:g}: the noise is found by dp-accounting, which is not "
            "installed; pip install 'lira_jax[dp]', or give --dp_noise"
        )

    def proved(noise: float) -> float:
        if e.dp_batches == "shuffled":
            return of_gaussian(noise / math.sqrt(e.epochs), e.dp_delta)
        return of_poisson(noise, e.batch_size / fewest, steps, e.dp_delta)

    low, high = 0.0, 1.0  # in steps of 1e-4
    while proved(high) > e.dp_epsilon:
        low, high = high, 2 * high
    while high - low > 1.5e-4:
        middle = round((low + high) / 2, 4)
        low, high = (middle, high) if proved(middle) > e.dp_epsilon else (low, middle)
    return high


def version() -> str:
    """Of dp-accounting; empty where it is not installed."""
    if importlib.util.find_spec("dp_accounting") is None:
        return ""
    return importlib.metadata.version(_PACKAGE)


def of_poisson(noise: float, rate: float, steps: int, delta: float) -> float:
    """Epsilon of `steps` Gaussian mechanisms on Poisson samples, adding or removing an example."""
    from dp_accounting import dp_event

    one = dp_event.GaussianDpEvent(noise)
    if rate < 1:
        one = dp_event.PoissonSampledDpEvent(rate, one)
    return _epsilon(dp_event.SelfComposedDpEvent(one, steps), noise, delta)


def of_gaussian(noise: float, delta: float) -> float:
    """Epsilon of one Gaussian mechanism; of k with noise s, it is that of one with s / sqrt(k)."""
    from dp_accounting import dp_event

    return _epsilon(dp_event.GaussianDpEvent(noise), noise, delta)


def _epsilon(event, noise: float, delta: float) -> float:
    import dp_accounting
    from dp_accounting import pld

    # Losses of little noise are large: a grid as fine as usual would not fit into memory. A coarser
    # one rounds up, so the bound stays one.
    grid = 1e-4 * max(1.0, noise**-2)
    accountant = pld.PLDAccountant(
        dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=grid
    )
    return float(accountant.compose(event).get_epsilon(delta))
