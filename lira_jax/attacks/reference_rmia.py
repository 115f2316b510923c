"""RMIA exactly as its authors' code computes it (privacytrustlab/ml_privacy_meter, 2024_rmia).

https://github.com/privacytrustlab/ml_privacy_meter/tree/master/research/2024_rmia, main.py with the
settings of its configurations for CIFAR-10, signal sm_taylor_softmax_relative. It differs from
rmia.py:

- The confidence is the soft-margin Taylor softmax at temperature 2 whose polynomial, asked for
  order 4, stops at the cubic term. It is negative for unlikely classes, so that a confidence can
  be negative or above 1.
- p(x) is a mean of which 20 % of the shadow scores are trimmed at each end, in and out lists
  together. No partner is deleted; instead all lists are cut, in model order, to the shortest.
- The z are the target's non-members, and an example beats one in a majority of the queries.
- At the end one is taken off a count, "to avoid overlapping cases": of non-members alone, and as
  the score is negated there, it adds one. A score of c beaten z of n becomes (c + 1) / (n - 1) for
  non-members, and stays c / n for members. So a score tells a little of the membership that it is
  to find: where many examples beat no z, non-members are ahead of members.

Our scores are higher for members, as those that it takes the ROC of, and each target's shadows are
all other models in the order of their ids.
"""

import numpy as np

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.soft_margin import MARGIN, taylor_confidence
from lira_jax.errors import UserError

ORDER = 3
"""Of the polynomial that the code has for order 4."""

PAIRS = 2**16
"""Pairs of x and z that are compared at a time: their votes stay in a core's cache."""


def reference_confidence(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 2.0
) -> np.ndarray:
    """The confidence of the authors' code, float64 [models, examples], from logits [models,
    examples, classes]."""
    return taylor_confidence(logits, labels, temperature, MARGIN, ORDER)


def reference_rmia(
    p: np.ndarray,
    keep: np.ndarray,
    targets: np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    members: np.ndarray,
    online: bool = True,
    gamma: float = 2.0,
    a: float = 0.3,
    trim: float = 0.2,
    adjust: bool = True,
) -> np.ndarray:
    """Attack scores of the authors' code; higher = more likely a member.

    All pairs of x and z are compared for each target and query.

    Args:
      p: float [models, examples, queries], `reference_confidence`; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows; all
        models by default.
      observed: float [targets, examples, queries], p of targets from outside the models instead;
        with targets too, these are the models with the same training sets, and no shadows.
      members: bool [targets, examples], the targets' membership.
      online: whether p(x) is of in and out models; otherwise of out models, as in rmia.py.
      gamma: the factor by which x has to be above z.
      a: of the offline attack.
      trim: share of the shadow scores that is left out at each end, rounded down to whole scores.
      adjust: whether non-members' scores are changed at the end.

    Returns:
      float64 [targets, examples]. NaN where an example has no shadow score in a list that the
      attack reads, though the target be in that list (there, the authors' code has none); such
      examples shorten no list and are not among the z.

    Raises:
      UserError: shapes that disagree, no example has a shadow score in each list that the attack
        reads, or a target has fewer than two non-members.
    """
    p = inputs_lib.by_query(p)
    own = None if observed is None else inputs_lib.by_query(observed)
    # Confidences can be infinite here, which the check refuses of scores: it sees the shapes alone.
    seen = None if own is None else np.broadcast_to(0.0, own.shape)
    inputs = inputs_lib.check(np.broadcast_to(0.0, p.shape), keep, targets, seen)
    scored = _scored(inputs, online)
    if not scored.any():
        kinds = "1 in and 1 out" if online else "1 out"
        raise UserError(f"no example has {kinds} shadow scores, as rmia needs: use more models")
    members = np.asarray(members, bool)[:, scored]
    p, member = p[:, scored], inputs.keep[:, scored]
    own = p[inputs.targets] if own is None else own[:, scored]
    score = np.full((inputs.num_targets, len(scored)), np.nan)

    def attack(block: slice) -> None:
        for t in range(*block.indices(inputs.num_targets)):
            shadow = np.ones(len(p), bool)
            if inputs.targets is not None:
                shadow[inputs.targets[t]] = False
            score[t, scored] = _score(
                own[t], p, member, shadow, members[t], online, gamma, a, trim, adjust
            )

    for _ in over_blocks(attack, inputs.num_targets, p.size):
        pass
    return score


def _scored(inputs: inputs_lib.Inputs, online: bool) -> np.ndarray:
    """Which examples have a score in each list, whoever the target, bool [examples]."""
    fewest = lists.EACH if online else lists.OUT
    return np.all(fewest.met(inputs), axis=0)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def _score(own, p, member, shadow, members, online, gamma, a, trim, adjust) -> np.ndarray:
    """Scores of one target, [examples]; shadow says which of the models are its, bool [models]."""
    usual = _usual(p, member, shadow, online, trim)
    ratio = own / (usual if online else (1 + a) / 2 * usual + (1 - a) / 2)
    inverse = 1 / ratio[~members]
    number, num_queries = inverse.shape
    if number < 2:
        raise UserError(
            f"the target has {number} non-members with shadow scores: z are two or more"
        )
    score = np.empty(len(ratio))
    rows = max(1, PAIRS // number)
    for start in range(0, len(ratio), rows):
        x = ratio[start : start + rows]
        votes = np.zeros((len(x), number), np.min_scalar_type(num_queries))
        for query in range(num_queries):
            votes += x[:, query, None] * inverse[:, query] > gamma
        score[start : start + rows] = (votes > num_queries // 2).mean(1)
    if adjust:
        score[~members] = (score[~members] * number + 1) / (number - 1)
    return score


def _usual(
    p: np.ndarray, member: np.ndarray, shadow: np.ndarray, online: bool, trim: float
) -> np.ndarray:
    """Trimmed means over the first models of each list, [examples, queries]."""
    kinds = [kind & shadow[:, None] for kind in ((member, ~member) if online else (~member,))]
    size = min(int(kind.sum(0).min()) for kind in kinds)
    first = [kind & (np.cumsum(kind, axis=0) <= size) for kind in kinds]
    num_examples, num_queries = p.shape[1:]
    listed = [p.transpose(1, 0, 2)[f.T].reshape(num_examples, size, num_queries) for f in first]
    together = np.sort(np.concatenate(listed, axis=1), axis=1)
    cut = int(trim * together.shape[1])
    return together[:, cut : together.shape[1] - cut].mean(1)
