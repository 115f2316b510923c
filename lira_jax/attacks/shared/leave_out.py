"""Statistics of the shadow scores of all targets at once, by deletion.

An attack on target t fits, for each example, the scores of the shadow models that trained on it
(the in list) and of those that did not (the out list). Every model is a target in turn, with the
others as its shadows. Refitting costs models times the work of one target; here the statistics of
all models are computed once and each target is deleted from them.

Where every example is in equally many training sets (balanced masks), deleting the target alone is
biased: a member's in list becomes one shorter than its out list, a non-member's the other way
round, and the noisier fit lowers its likelihood. On scores of pure noise LiRA then has an AUC of
.43 at 8 models and .49 at 16. So a partner goes too, the next model with the opposite membership:
each list loses exactly one score, whoever the target.

Where the models drew their training sets independently (coin flips), it is the other way round. An
example that many models trained on has more members among its targets. What the others drew does
not tell whether the target is one of them; without its partner, their lists' lengths do. On pure
noise LiRA then has an AUC of .54 at 8 models and .53 at 16, other attacks up to .65. So there the
target goes alone. `with_partner` tells from the masks which it is.
"""

import dataclasses

import numpy as np
import scipy


@dataclasses.dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared residuals about the mean, of the in and of the out list.

    Counts are int [targets, examples], or [1, examples] where they are the same for all targets,
    the rest float64 [targets, examples, queries]. An empty list has mean NaN and sum of squares 0.
    """

    in_count: np.ndarray
    in_mean: np.ndarray
    in_ss: np.ndarray
    out_count: np.ndarray
    out_mean: np.ndarray
    out_ss: np.ndarray


def next_member(member: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The first model at or after the target, cyclic in model order, that is in the list.

    Args:
      member: bool [models, examples], which models' scores form the list of an example.
      targets: int [targets], model indices.

    Returns:
      int [targets, examples]; the target itself where it is in the list, -1 where the list is
      empty.
    """
    num_models, num_examples = member.shape
    flat = member.T.ravel()  # example by example
    index = np.flatnonzero(flat)
    if not index.size:
        return np.full((len(targets), num_examples), -1)
    # How many members there are before a model, in its example and in those before it, is the place
    # of the next member among them all; past an example's last, the search begins anew at its
    # first.
    ahead: np.ndarray = np.cumsum(flat, dtype=np.int32 if flat.size < 2**31 else np.int64)
    ahead -= flat
    ahead = ahead.reshape(num_examples, num_models).take(targets, axis=1)
    count = member.sum(0)
    end = np.cumsum(count)
    np.copyto(ahead, (end - count)[:, None], where=ahead == end[:, None])
    found = (index % num_models).take(ahead, mode="clip")
    if not count.all():
        found[count == 0] = -1
    return np.ascontiguousarray(found.T)


def partners(keep: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The model deleted together with each target: the next one of the opposite membership.

    Args:
      keep: bool [models, examples].
      targets: int [targets], model indices.

    Returns:
      int [targets, examples]; -1 where every model has the target's membership.
    """
    return np.where(keep[targets], next_member(~keep, targets), next_member(keep, targets))


def with_partner(keep: np.ndarray) -> bool:
    """Whether a partner should go with each target, so that the lists' lengths do not tell of it.

    It should where the number of models that trained on an example is more like a constant than
    like that of independent draws: in its variance, or in how often it takes its most frequent
    value. In between, as for m of the
    M models of a balanced run, either rule leaves something to tell: given the lists' lengths, the
    share of members among targets has a variance of D / (4 m) with the partner and of about (1 -
    D)^2 / (4 m D) without, where D = (M - m) / (M - 1) is that ratio of variances.

    Args:
      keep: bool [models, examples].
    """
    num_in, size, num_examples = keep.sum(0), keep.sum(1), keep.shape[1]
    frequency = np.bincount(num_in) / len(num_in)
    mode = int(frequency.argmax())
    alike = 2 * frequency[mode] > 1 + scipy.stats.binom.pmf(mode, len(keep), keep.mean())
    # Both variances times the examples squared: whole numbers, so that rounding decides nothing.
    variance = num_examples * np.sum(num_in**2) - np.sum(num_in) ** 2
    return bool(alike or 2 * variance <= np.sum(size * (num_examples - size)))


def deleted(
    member: np.ndarray, targets: np.ndarray, partner: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """What each list loses for each target.

    Args:
      member: bool [models, examples], which models' scores form the list of an example.
      targets: int [targets], model indices.
      partner: whether a partner goes with each target.

    Returns:
      models int [targets, examples], whose score is deleted; and whether there is one, bool
      [targets, examples], or [1, examples] where it is the same for all targets.
    """
    lost = loses(member, targets, partner)
    if partner:
        return next_member(member, targets), lost
    return np.broadcast_to(targets[:, None], lost.shape), lost


def loses(member: np.ndarray, targets: np.ndarray, partner: bool = True) -> np.ndarray:
    """Whether a list loses a score for each target, bool [targets, examples], or [1, examples]
    where it is the same for all targets; arguments as for `deleted`."""
    return np.any(member, axis=0, keepdims=True) if partner else member[targets]


def list_moments(
    phi: np.ndarray, member: np.ndarray, targets: np.ndarray | None, partner: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and sum of squared residuals of one list, as `moments` gives them for both.

    Removing x from c scores of mean m and sum of squares s leaves mean m - (x - m) / (c - 1) and
    sum of squares s - (x - m)^2 c / (c - 1) (Welford 1962, run backwards).

    Args:
      phi: float [models, examples, queries].
      member: bool [models, examples], keep for the in list and ~keep for the out list.
      targets: int [targets], model indices; None deletes nothing and gives one row.
      partner: whether a partner goes with each target.

    Returns:
      count int [targets, examples], or [1, examples] where it is the same for all targets; mean and
      sum of squares float64 [targets, examples, queries].
    """
    num_models, num_examples, num_queries = phi.shape
    x = phi.reshape(num_models, -1).astype(np.float64)
    # Sums are taken about a centre near the scores: what is added to all of them costs no digits.
    centre = x.mean(0)
    x -= centre
    weight = np.repeat(member.astype(np.float64), num_queries, axis=1)
    count = member.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.einsum("mk,mk->k", weight, x) / np.repeat(count, num_queries)
        residual = np.subtract(x, mean)
        residual *= weight
        shape = (1, num_examples, num_queries)
        ss = np.einsum("mk,mk->k", residual, residual).reshape(shape)
        mean, centre = mean.reshape(shape), centre.reshape(shape)
        if targets is None:
            return count[None], mean + centre, np.fmax(ss, 0)

        which, lost = deleted(member, targets, partner)
        left = count - lost
        gone = _rows(x.reshape(phi.shape), which)
        gone -= mean
        if not partner:
            gone *= lost[..., None]  # a score at the mean changes nothing
        count, left = _per_query(count[None], num_queries), _per_query(left, num_queries)
        mean_left = gone / -left
        mean_left += mean + centre
        gone *= gone
        gone *= -(count / left)
        gone += ss
    ss_left = np.fmax(gone, 0, out=gone)  # rounding can leave less than 0, an empty list NaN
    return left[..., 0], mean_left, ss_left


def moments(
    phi: np.ndarray, keep: np.ndarray, targets: np.ndarray | None = None, partner: bool = True
) -> Moments:
    """Moments of the in and out lists of each target, without the target and its partner.

    Args:
      phi: float [models, examples, queries], a block of examples that fits the cache several times.
      keep: bool [models, examples].
      targets: int [targets], model indices; None for a target from outside: nothing is deleted and
        the one row of the result holds for any target.
      partner: whether a partner goes with each target.

    Returns:
      Equal, up to the rounding of float64, to the moments of lists from which the scores of the
      target and its partner were removed.
    """
    return Moments(
        *list_moments(phi, keep, targets, partner), *list_moments(phi, ~keep, targets, partner)
    )


def list_medians(
    phi: np.ndarray, member: np.ndarray, targets: np.ndarray | None, partner: bool = True
) -> np.ndarray:
    """Median of one list, as `medians` gives it for both.

    In sorted order, deleting a score moves those above it down by one: the k-th score left is the
    k-th of all if the deleted score is larger than that one, and otherwise the one after it.

    Args:
      phi: float [models, examples, queries].
      member: bool [models, examples], keep for the in list and ~keep for the out list.
      targets: int [targets], model indices; None deletes nothing and gives one row.
      partner: whether a partner goes with each target.

    Returns:
      float64 [targets, examples, queries]; NaN for an empty list.
    """
    if targets is not None and not partner:
        # Of a target outside the list nothing is deleted; for the others as if each were inside.
        whole = list_medians(phi, member, None)
        inside = member[targets][..., None]
        return np.where(inside, _medians(phi, member, np.where(inside, phi[targets], 0)), whole)
    if targets is None:
        return _medians(phi, member, None)
    return _medians(phi, member, _rows(phi, next_member(member, targets)))


def _medians(phi: np.ndarray, member: np.ndarray, gone: np.ndarray | None) -> np.ndarray:
    """Medians of lists without one score each, gone [targets, examples, queries]; None deletes
    nothing."""
    num_models = len(phi)
    ordered = np.where(member.T[:, None, :], phi.transpose(1, 2, 0), np.inf)
    ordered.sort(axis=-1)
    count = member.sum(0)
    left = count if gone is None else count - 1

    def at(k):
        return np.take_along_axis(ordered, np.clip(k, 0, num_models - 1)[:, None, None], axis=-1)[
            ..., 0
        ]

    def left_at(k):
        return at(k)[None] if gone is None else np.where(gone > at(k), at(k), at(k + 1))

    median = left_at((left - 1) // 2).astype(np.float64)
    median += left_at(left // 2)
    median /= 2
    median[:, left <= 0] = np.nan
    return median


def medians(
    phi: np.ndarray, keep: np.ndarray, targets: np.ndarray | None = None, partner: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Medians of the in and out lists of each target, without the target and its partner.

    Args:
      phi: float [models, examples, queries].
      keep: bool [models, examples].
      targets: int [targets], model indices; None for a target from outside, see `moments`.
      partner: whether a partner goes with each target.

    Returns:
      in and out medians, float64 [targets, examples, queries].
    """
    return (
        list_medians(phi, keep, targets, partner),
        list_medians(phi, ~keep, targets, partner),
    )


def _per_query(count: np.ndarray, num_queries: int) -> np.ndarray:
    """A number of each list, [..., examples], for each query: what is divided by it is faster so
    than by one number for a few queries at a time."""
    return np.repeat(count[..., None], num_queries, axis=-1)


def _rows(x: np.ndarray, models: np.ndarray) -> np.ndarray:
    """x[models[t, i], i] for x [models, examples, queries] -> a copy [targets, examples,
    queries]."""
    _, num_examples, num_queries = x.shape
    flat = models * num_examples + np.arange(num_examples)  # model -1 is the last
    return x.reshape(-1, num_queries).take(flat, axis=0)
