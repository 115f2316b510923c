"""WBC: windows of tokens that the target knows better than models that did not see the text."""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import over_blocks

WINDOWS = (2, 3, 4, 6, 9, 13, 18, 25, 32, 40)
"""Tokens of a window."""


def window_comparison(
    log_p: np.ndarray,
    num_tokens: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
) -> np.ndarray:
    """The share of a text's windows whose loss is lower for the target than for its reference.

    Chen et al. 2026, Window-based Membership Inference Attacks Against Fine-tuned Large Language
    Models (https://arxiv.org/abs/2601.02751): windows of each size slide over the text a token at a
    time, and the shares of all sizes that fit into it are averaged. Their reference is the model
    before it was fine-tuned; here a token's reference loss is the mean over the out models.

    Args:
      log_p: float [models, examples, tokens], of each token given those before it; what stands
        after the last counts for nothing.
      num_tokens: int [examples], at least 2.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, tokens], of targets from outside the models instead.

    Returns:
      float64 [targets, examples], in [0, 1]; higher = more likely a member. NaN where an example
      has no out model.

    Raises:
      UserError: shapes that disagree, log p that is NaN or infinite, or no example has an out
        model.
    """
    inputs = inputs_lib.check(log_p, keep, targets, observed)
    scored = lists.OUT.met(inputs)
    if not scored.any():
        raise lists.too_few(inputs, lists.OUT, "wbc")
    shape = (inputs.num_targets, inputs.phi.shape[1])
    score = np.empty(shape)

    def fill(block: slice) -> None:
        shadows, members, own = inputs.block(block)
        reference = inputs.moments(shadows, ~members)[1]
        score[:, block] = _mean_share(own - reference, np.asarray(num_tokens)[block])

    for _ in over_blocks(fill, shape[1], inputs.per_example):
        pass
    return np.where(scored, score, np.nan)


def _mean_share(gain: np.ndarray, num_tokens: np.ndarray) -> np.ndarray:
    """Of [targets, examples, tokens], the mean over sizes of the share of windows above 0."""
    length = gain.shape[-1]
    sums = np.zeros((*gain.shape[:-1], length + 1))
    np.cumsum(gain, axis=-1, out=sums[..., 1:])
    total, sizes = np.zeros(gain.shape[:-1]), np.zeros(len(num_tokens))
    for size in WINDOWS:
        windows = num_tokens - size + 1  # of each text
        if windows.max() < 1:
            break
        votes = sums[..., size:] > sums[..., :-size]
        votes &= np.arange(length - size + 1) < windows[:, None]
        total += votes.sum(-1) / np.maximum(windows, 1)
        sizes += windows > 0
    return total / sizes
