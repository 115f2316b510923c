"""BASE, the loss against its Bayes-optimal threshold.

Lassila et al. 2025, Practical Bayes-Optimal Membership Inference Attacks
(https://arxiv.org/abs/2505.24089).
"""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.confidence import list_sum, log_confidence


def base(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    online: bool = True,
) -> np.ndarray:
    """log p_y(target) - log(mean of p_y over the shadow models).

    With as many in as out shadows this is the logarithm of RMIA's ratio(x), see rmia.py.

    Args:
      phi: float [models, examples, queries], scaled logits; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      online: the mean is over all shadow models; otherwise over those that did not train on the
        example.

    Returns:
      float64 [targets, examples], the mean over queries; higher = more likely a member. NaN where
      an example has no shadow score in a list that the attack reads.

    Raises:
      UserError: shapes that disagree, a score that is NaN or infinite, or no example has a shadow
        score in each list that the attack reads.
    """
    inputs = inputs_lib.check(phi, keep, targets, observed)
    bits = (True, False) if online else (False,)  # the keep bit: in, out
    fewest = lists.EACH if online else lists.OUT
    return lists.on_scored(inputs, fewest, "base", lambda scored: _base(scored, bits))


def _base(inputs: inputs_lib.Inputs, bits: tuple[bool, ...]) -> np.ndarray:
    def attack(phi: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        p = np.exp(log_confidence(phi))
        total, count = np.zeros(phi.shape[1:]), np.zeros(phi.shape[1], int)
        for bit in bits:
            listed = list_sum(p, keep == bit)
            if inputs.targets is None:
                total, count = total + listed.total, count + listed.count
            else:
                which, loses = inputs.deleted(keep == bit)
                gone = np.take_along_axis(p, which[:, :, None], axis=0)
                total = total + listed.total_without(gone, loses[..., None])
                count = count + listed.count - loses
        mean = np.where(total > 0, total, np.nan) / np.maximum(count, 1)[..., None]
        return inputs_lib.query_mean(log_confidence(own) - np.log(mean))

    return inputs.scores(attack)
