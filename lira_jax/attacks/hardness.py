"""Attacks that compare the target's signal with a threshold of each example's own hardness.

A signal is minus the loss, or the scaled logit phi: anything that is higher for members.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists


def sablayrolles(
    signal: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
) -> np.ndarray:
    """Signal above the point half-way between the means of the in and the out list.

    Sablayrolles et al. 2019, White-box vs Black-box: Bayes Optimal Strategies for Membership
    Inference (https://arxiv.org/abs/1908.11229; the threshold of each sample, MAST).

    Args:
      signal: float [models, examples, queries], higher for members; [models, examples] is one
        query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], the signal of targets from outside the models
        instead.

    Returns:
      float64 [targets, examples], the mean over queries; higher = more likely a member. NaN where
      one of an example's lists is empty.

    Raises:
      UserError: shapes that disagree, a signal that is NaN or infinite, or no example has a shadow
        score in each list.
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

    Watson et al. 2022, On the Importance of Difficulty Calibration in Membership Inference Attacks
    (https://arxiv.org/abs/2111.08440).
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
        inputs_lib.Inputs.medians,
        (True, False),
        "offset",
        inputs_lib.check(signal, keep, targets, observed),
    )


def _mean(inputs: inputs_lib.Inputs, signal: np.ndarray, member: np.ndarray) -> np.ndarray:
    return inputs.moments(signal, member)[1]


def _above(
    centre: Callable, bits: tuple[bool, ...], name: str, inputs: inputs_lib.Inputs
) -> np.ndarray:
    """Mean over queries of the target's signal less the mean of the centres of some lists."""
    fewest = lists.EACH if len(bits) == 2 else lists.OUT
    return lists.on_scored(inputs, fewest, name, lambda scored: _difference(centre, bits, scored))


def _difference(centre: Callable, bits: tuple[bool, ...], inputs: inputs_lib.Inputs) -> np.ndarray:
    def attack(signal: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        threshold = sum(centre(inputs, signal, keep == bit) for bit in bits) / len(bits)
        return (own - threshold).mean(-1)

    return inputs.scores(attack)
