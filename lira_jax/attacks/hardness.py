"""Attacks that compare the target's signal with a threshold of each example's own hardness.

A signal is minus the loss, or the scaled logit phi: anything that is higher for members.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import leave_out, lists


def sablayrolles(
    signal: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
) -> np.ndarray:
    """Signal above the point half-way between the means of the in and the out list.

    Sablayrolles et al. 2019, White-box vs Black-box: Bayes Optimal Strategies for Membership
    Inference (the threshold of each sample, MAST).

    Args:
      signal: float [models, examples, queries], higher for members; [models, examples] is one
        query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], the signal of targets from outside the models
        instead.

    Returns:
      float64 [targets, examples], the mean over queries; higher = more likely a member.

    Raises:
      UserError: shapes that disagree, a signal that is NaN or infinite, or an example without a
        shadow score in one of its lists.
    """
    return _above(
        _mean, (True, False), "sablayrolles", inputs_lib.check(signal, keep, targets, observed)
    )


def watson(
    signal: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
) -> np.ndarray:
    """Signal above the mean of the out list: difficulty calibration, an offline attack.

    Watson et al. 2022, On the Importance of Difficulty Calibration in Membership Inference Attacks.
    Arguments, result and errors as `sablayrolles`, but only the out list must not be empty.
    """
    return _above(_mean, (False,), "watson", inputs_lib.check(signal, keep, targets, observed))


def offset(
    signal: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
) -> np.ndarray:
    """Signal above the point half-way between the medians of the in and the out list.

    The offset attack of the tensorflow_privacy library, whose signal is phi. Arguments, result and
    errors as `sablayrolles`.
    """
    return _above(
        leave_out.list_medians,
        (True, False),
        "offset",
        inputs_lib.check(signal, keep, targets, observed),
    )


def _mean(signal: np.ndarray, member: np.ndarray, targets: np.ndarray | None) -> np.ndarray:
    return leave_out.list_moments(signal, member, targets)[1]


def _above(
    centre: Callable, bits: tuple[bool, ...], name: str, inputs: inputs_lib.Inputs
) -> np.ndarray:
    """Mean over queries of the target's signal less the mean of the centres of some lists."""
    lists.require(inputs, bits, name)

    def attack(signal: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        threshold = sum(centre(signal, keep == bit, inputs.targets) for bit in bits) / len(bits)
        return (own - threshold).mean(-1)

    return inputs.scores(attack)
