"""What RMIA compares: the target's confidence in an example, and what models have in general.

Zarifzadeh et al. 2024 (https://arxiv.org/abs/2312.03262) estimate the second, p(x), by means over
shadow models; their code trims these means. Both are taken by deletion, for one target at a time.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import leave_out
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.confidence import ListSum, list_sum, log_confidence
from lira_jax.attacks.shared.trimmed import TrimmedSum, trimmed_sum

_Sum = TypeVar("_Sum", ListSum, TrimmedSum)

Confidences = tuple[np.ndarray, np.ndarray]
"""log p_y of one target and log p(x), both float64 [examples, queries]; NaN where there is none."""


def of_lists(
    inputs: inputs_lib.Inputs, online: bool, a: float, trim: float
) -> Callable[[int], Confidences]:
    """The confidences of a target, by the means of its lists."""
    bits = (True, False) if online else (False,)  # the keep bit: in, out
    sums = {bit: _sums(inputs, bit) for bit in bits}
    partner = _partners(inputs)

    def confidences(t: int) -> Confidences:
        own, means = _shadow_means(inputs, sums, partner, t)
        mean_in = means[True] if online else a * means[False] + 1 - a
        return own, np.log((mean_in + means[False]) / 2)

    return confidences


def of_trimmed(
    inputs: inputs_lib.Inputs, online: bool, a: float, trim: float
) -> Callable[[int], Confidences]:
    """The same by trimmed means: online of both lists together, offline of the out list."""
    targets, partner = inputs.targets, _partners(inputs)
    listed = np.ones_like(inputs.keep) if online else ~inputs.keep
    # From both lists go the target and its partner; from one, whichever of the two is in it.
    most = 0 if targets is None else 1 if partner is None or not online else 2
    sums = {most: _trimmed(inputs, listed, trim, most)}
    if targets is not None and partner is None and not online:
        sums[0] = _trimmed(inputs, listed, trim, 0)  # for targets that are not in the list

    def mean(t: int) -> np.ndarray:
        if targets is None:
            return sums[0].mean()
        own = np.exp(log_confidence(inputs.phi[targets[t]]))
        if online and partner is None:
            return sums[1].mean(own)
        out = ~inputs.keep[targets[t]][:, None]
        if partner is None:
            return np.where(out, sums[1].mean(own), sums[0].mean())
        others = np.exp(log_confidence(inputs.phi[partner[t], np.arange(len(own))]))
        if online:
            return sums[2].mean(own, others)
        return sums[1].mean(np.where(out, own, others))

    def confidences(t: int) -> Confidences:
        usual = mean(t)
        own = log_confidence(inputs.of_target(t))
        return own, np.log(usual if online else ((1 + a) * usual + 1 - a) / 2)

    return confidences


def _trimmed(inputs: inputs_lib.Inputs, listed: np.ndarray, trim: float, gone: int) -> TrimmedSum:
    """Trimmed sums of p_y over the models listed for each example."""

    def sums(block: slice) -> TrimmedSum:
        p = np.exp(log_confidence(inputs.phi[:, block]))
        return trimmed_sum(p, listed[:, block], trim, gone)

    return _joined(over_blocks(sums, inputs.phi.shape[1], inputs.per_example))


def _sums(inputs: inputs_lib.Inputs, bit: bool) -> ListSum:
    """Sums of p_y over the in or the out lists of all examples."""

    def sums(block: slice) -> ListSum:
        phi, keep, _ = inputs.block(block)
        return list_sum(np.exp(log_confidence(phi)), keep == bit)

    return _joined(over_blocks(sums, inputs.phi.shape[1], inputs.per_example))


def _joined(parts: Iterable[_Sum]) -> _Sum:
    """Sums of successive blocks of examples as one."""
    parts = list(parts)
    names = [field.name for field in dataclasses.fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


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
