"""The attacks of Long et al. on the few examples that have hardly a neighbour.

Long et al. 2018, Understanding Membership Inferences on Well-Generalized Learning Models
(arXiv 1802.04889), and 2020, A Pragmatic Approach to Membership Inferences on Machine Learning
Models (EuroS&P). An example unlike all others moves a model that trains on it the most. Only such
examples are attacked, by testing whether the target's loss could come from a model that did not
train on them.
"""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.neighbours import count_neighbours, nearest_distance
from lira_jax.attacks.shared.smoothed_share import smoothed_share
from lira_jax.errors import UserError

LEAST_LOSS = 1e-100
"""Smaller losses count as this: it lies above 0, where the distribution function starts, and its
square is still a normal float64."""

REFERENCES = 2000
"""Examples that each is compared with to find the one most like it; of a smaller pool all."""


def long_attack(
    phi: np.ndarray,
    logits: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    distance: float = 0.1,
    neighbours: float = 1.0,
) -> np.ndarray:
    """Minus the log p-value of the target's loss among losses of shadows that did not train on the
    example.

    An example is attacked if a training set is expected to hold fewer than `neighbours` others
    whose shadow outputs are within `distance` of its own. All models count in this choice, a target
    too: it is the same choice for every target and treats all models alike, so that a target that
    did not train on an example still ranks anywhere among its out shadows with the same
    probability. Where models disagree and examples are many, an example can be attacked though it
    has neighbours: each is compared with a bounded number of others (`count_neighbours`).

    Args:
      phi: float [models, examples, queries] or [models, examples]; query 0, the plain one, gives
        the loss.
      logits: float [models, examples, classes], of the plain examples.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries] or [targets, examples], phi of targets from
        outside instead: all models are their shadows.
      distance: cosine distance below which two examples are neighbours, 0 to 2. The papers choose
        it for each data set, so that a small part of the examples is attacked.
      neighbours: expected neighbours in a training set below which an example is attacked.

    Returns:
      float64 [targets, examples], -log p; 0, as for p = 1, where no attack is made. Higher = more
      likely a member. NaN where an example has no out shadow.

    Raises:
      UserError: shapes that disagree, a score that is NaN or infinite, or no example has an out
        shadow.
    """
    inputs, logits = _checked(phi, logits, keep, targets, observed)
    alone = _alone(logits, inputs.keep.mean(), distance, neighbours)
    return _on(alone, inputs, "long")


def long_fraction(
    phi: np.ndarray,
    logits: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    fraction: float = 0.1,
    references: int = REFERENCES,
) -> np.ndarray:
    """The same p-value for the fraction of the examples whose nearest neighbour is farthest.

    This is the attack as Carlini et al. 2022 (https://arxiv.org/abs/2112.03570) run it in table I.
    The part of the examples that is attacked is given, where `long_attack` is given a distance that
    must be found anew for each data set; and its time grows linearly with the examples. All models
    count in the choice, as there.

    Args:
      phi, logits, keep, targets, observed: as `long_attack` takes them.
      fraction: of the examples, above 0 and at most 1. No more than this fraction of the members
        can be found, so the balanced accuracies of the paper's table I, 53.5 and 54.5 % on CIFAR-10
        and CIFAR-100, take at least 7 and 9 %; the default is the next round number.
      references: other examples among which the nearest neighbour is looked for.

    Returns:
      float64 [targets, examples], -log p; 0, as for p = 1, where no attack is made. Higher = more
      likely a member. NaN where an example has no out shadow.

    Raises:
      UserError: as `long_attack`, or the fraction is not one.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"fraction={fraction}: give a number above 0 and at most 1")
    inputs, logits = _checked(phi, logits, keep, targets, observed)
    return _on(_farthest(logits, fraction, references), inputs, "long_fraction")


def _checked(
    phi: np.ndarray,
    logits: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None,
    observed: np.ndarray | None,
) -> tuple[inputs_lib.Inputs, np.ndarray]:
    """The plain query of phi with its masks and targets, and the logits."""
    if observed is not None:
        observed = inputs_lib.by_query(observed)[:, :, :1]
    inputs = inputs_lib.check(inputs_lib.by_query(phi)[:, :, :1], keep, targets, observed)
    logits = np.asarray(logits)
    if logits.ndim != 3:
        raise UserError(f"logits has shape {logits.shape}: give [models, examples, classes]")
    inputs_lib.check(logits, keep)
    return inputs, logits


def _on(alone: np.ndarray, inputs: inputs_lib.Inputs, name: str) -> np.ndarray:
    """The attack on the examples that are alone, bool [examples], as far as they have a score."""
    alone = alone[lists.OUT.met(inputs).any(0)]
    return lists.on_scored(inputs, lists.OUT, name, lambda scored: _long(scored, alone))


def _farthest(logits: np.ndarray, fraction: float, references: int) -> np.ndarray:
    """bool [examples], the fraction, rounded up, whose nearest neighbour is farthest.

    Of examples at one distance the first are taken.
    """
    chosen = np.zeros(logits.shape[1], bool)
    far = nearest_distance(logits, references)
    chosen[np.argsort(-far, kind="stable")[: int(np.ceil(fraction * len(far)))]] = True
    return chosen


def _long(inputs: inputs_lib.Inputs, alone: np.ndarray) -> np.ndarray:
    """The attack on the examples that are alone, bool [examples]; 0 for the others."""
    score = np.zeros((inputs.num_targets, len(alone)))

    def attack(block: slice) -> None:
        chosen = np.flatnonzero(alone[block]) + block.start
        if len(chosen):
            phi, keep, own = inputs.block(chosen)
            score[:, chosen] = -np.log(
                smoothed_share(_loss(phi), keep, inputs.targets, _loss(own), inputs.partner)
            )

    for _ in over_blocks(attack, len(alone), inputs.per_example):
        pass
    return score


def _alone(
    logits: np.ndarray, share: np.floating, distance: float, neighbours: float
) -> np.ndarray:
    """bool [examples], whether a training set with this share of the examples is expected to hold
    fewer neighbours than that."""
    others = logits.shape[1] - 1
    if not 0 < neighbours <= others * share:  # none have fewer, or all have
        return np.full(others + 1, neighbours > 0)
    most = int(np.ceil(neighbours / share)) + 1
    return count_neighbours(logits, distance, most) * share < neighbours


def _loss(phi: np.ndarray) -> np.ndarray:
    """Cross-entropy of the plain query from phi [models, examples, 1]."""
    return np.maximum(np.logaddexp(0, -phi[:, :, 0].astype(np.float64)), LEAST_LOSS)
