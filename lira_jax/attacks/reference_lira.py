"""LiRA exactly as its authors' code computes it (tensorflow/privacy, research/mi_lira_2021).

It differs from lira.py: no partner is deleted, instead all lists are truncated, in model order, to
the shortest among all examples; centres are medians; the fixed variance is that of all in scores
about their one mean; offline is a two-sided density. Two more differences are not imitated: our
scores are higher for members, and each target's shadows are all other models in the order of their
ids.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import over_blocks, sum_over_blocks
from lira_jax.errors import UserError

SD_OFFSET = 1e-30
"""What the reference code adds to each standard deviation."""

FORMS = ("online", "offline")


def reference_lira(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    form: str = "online",
    fixed: bool = False,
) -> np.ndarray:
    """Attack scores of the reference code; higher = more likely a member (it prints the negative).

    Each target is refitted by itself, so the time grows with targets times models.

    Args:
      phi: float [models, examples, queries], scaled logits; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows; all
        models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      form: "online": log N(phi; in) - log N(phi; out); "offline": -log N(phi; out); means over
        queries.
      fixed: one standard deviation for everything, that of all in (offline: out) scores of all
        examples and queries, instead of one for each example and query.

    Returns:
      float64 [targets, examples]. NaN where an example has no shadow score in a list that the
      attack reads, though the target be in that list; such examples shorten no list (there, the
      reference code has none).

    Raises:
      UserError: unknown form, shapes that disagree, a score that is NaN or infinite, or no example
        has a shadow score in each list that the attack reads.
    """
    if form not in FORMS:
        raise UserError(f"form={form}: it is one of {', '.join(FORMS)}")
    inputs = inputs_lib.check(phi, keep, targets, observed)
    inputs = dataclasses.replace(inputs, partner=True)  # an example has a score for all or none
    fewest = lists.EACH if form == "online" else lists.OUT
    return lists.on_scored(
        inputs, fewest, "reference_lira", lambda scored: _reference_lira(scored, form, fixed)
    )


def _reference_lira(inputs: inputs_lib.Inputs, form: str, fixed: bool) -> np.ndarray:
    bits = (True, False) if form == "online" else (False,)  # the keep bit: in, out
    sizes = {bit: _shortest(inputs, bit) for bit in bits}
    fixed_sd = _fixed_sds(inputs, bits[0], sizes[bits[0]]) if fixed else None
    score = np.empty((inputs.num_targets, inputs.phi.shape[1]))

    def attack(block: slice) -> None:
        own = inputs.block(block)[2]
        for t in range(inputs.num_targets):
            log_densities = []
            for bit in bits:
                scores = _truncated(inputs, block, t, bit, sizes[bit][t])
                sd = (np.std(scores, axis=1) if fixed_sd is None else fixed_sd[t]) + SD_OFFSET
                z = (own[t] - np.median(scores, axis=1)) / sd
                log_densities.append(-0.5 * (z * z + np.log(2 * np.pi)) - np.log(sd))
            ratio = log_densities[0] - log_densities[1] if form == "online" else -log_densities[0]
            score[t, block] = ratio.mean(-1)

    for _ in over_blocks(attack, inputs.phi.shape[1], inputs.per_example):
        pass
    return score


def _shortest(inputs: inputs_lib.Inputs, bit: bool) -> np.ndarray:
    """int [targets]: the shortest list of any example once the target is removed."""
    member = inputs.keep == bit
    count = member.sum(0)
    if inputs.targets is None:
        left = np.broadcast_to(count, (inputs.num_targets, len(count)))
    else:
        left = count - member[inputs.targets]
    return left.min(1)


def _truncated(inputs: inputs_lib.Inputs, block: slice, t: int, bit: bool, size: int) -> np.ndarray:
    """float64 [examples, size, queries]: each example's first shadow scores in model order."""
    phi, keep, _ = inputs.block(block)
    member = keep == bit
    if inputs.targets is not None:
        member[inputs.targets[t]] = False
    member &= np.cumsum(member, axis=0) <= size
    scores = phi.transpose(1, 0, 2)[member.T].astype(np.float64)
    return scores.reshape(phi.shape[1], size, phi.shape[2])


def _fixed_sds(inputs: inputs_lib.Inputs, bit: bool, sizes: np.ndarray) -> np.ndarray:
    """float64 [targets]: spread about their one mean of the truncated scores of all examples and
    queries."""
    # Sums are taken about a point near the mean, so that the difference below keeps its digits.
    origin = inputs.phi[0].mean(dtype=np.float64)

    def sums(block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, first, second = np.zeros((3, len(sizes)))
        for t, size in enumerate(sizes):
            x = _truncated(inputs, block, t, bit, size) - origin
            count[t], first[t], second[t] = x.size, x.sum(), (x * x).sum()
        return count, first, second

    count, first, second = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    return np.sqrt(np.maximum(second / count - (first / count) ** 2, 0))
