"""MERLIN, with the scale of its noise chosen on other models than the target."""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import pairs
from lira_jax.attacks.shared.pairs import TrainingSet


def merlin(
    shares: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    training_set: TrainingSet | None = None,
    limit: int = 50_000,
    seed: int = 0,
) -> np.ndarray:
    """How often noise on the input raises the target's loss, at the scale that tells most.

    Jayaraman et al. 2021, Revisiting Membership Inference Under Realistic Assumptions
    (https://arxiv.org/abs/2005.10881). Their scale is one number; Carlini et al. 2022 choose it
    carefully. Here it is, for each target, that of the largest AUC over pairs of a shadow model and
    an example, without the target and its partners (pairs.py).

    Args:
      shares: float [models, examples, scales], of the signal merlin.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows; all
        models by default.
      observed: float [targets, examples, scales], of targets from outside the models instead.
      training_set: what the scale is chosen on; None takes the models' shares and keep.
      limit: most pairs of a shadow model and an example that it is chosen on.
      seed: of the draw of these pairs.

    Returns:
      float64 [targets, examples], the shares at the chosen scale: equal counts are equal scores.

    Raises:
      UserError: shapes disagree, or a share is NaN.
    """
    inputs = inputs_lib.check(shares, keep, targets, observed)
    values = inputs.phi if training_set is None else np.asarray(training_set.values)
    members = inputs.keep if training_set is None else np.asarray(training_set.keep)

    def scale(target: int | None) -> int:
        models, examples = pairs.sample(members, target, limit, seed)
        return best_scale(values[models, examples], members[models, examples])

    if inputs.targets is None:
        chosen = [scale(None)] * inputs.num_targets
    else:
        chosen = [scale(int(target)) for target in inputs.targets]
    rows = [inputs.of_target(row)[:, column] for row, column in enumerate(chosen)]
    return np.stack(rows).astype(np.float64)


def best_scale(shares: np.ndarray, members: np.ndarray) -> int:
    """The column of the largest AUC, the first of equally good ones.

    Args:
      shares: float [pairs, scales].
      members: bool [pairs].
    """
    from scipy.stats import rankdata

    inside = int(members.sum())
    outside = len(members) - inside
    if not inside or not outside:
        return 0
    ranks = rankdata(shares, axis=0)[members].sum(0)  # ties take their mean rank
    return int(np.argmax((ranks - inside * (inside + 1) / 2) / (inside * outside)))
