"""Scores of targets on examples, sorted once for all that is said of an attack.

Whatever is said depends on the order of the scores alone, but for the values of thresholds. So each
score gives way to its rank among all of them, a whole number of 32 bits: those sort in a tenth of
the time, and a group of the pairs is sorted again rather than looked up in an order of all.
"""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from lira_jax.errors import UserError
from lira_jax.evaluation.roc import Roc, of_sorted

_BLOCK = 2**16


@dataclasses.dataclass(frozen=True)
class Ranked:
    """The pairs of an attack, (target, example), by rank.

    Attributes:
      ranks: unsigned [targets, examples], how many distinct scores are lower; 0 where there is
        none.
      members: bool [targets, examples], true where the target trained on the example.
      counted: bool [targets, examples], the pairs that count: all have a score.
      values: [distinct], the distinct scores, ascending: values[rank] is the score.
    """

    ranks: np.ndarray
    members: np.ndarray
    counted: np.ndarray
    values: np.ndarray

    @classmethod
    def of(
        cls, scores: np.ndarray, members: np.ndarray, where: np.ndarray | None = None
    ) -> "Ranked":
        """Sorts scores.

        Args:
          scores: [targets, examples], higher = more likely a member; NaN is no score, and such a
            pair does not count.
          members: bool [targets, examples].
          where: bool [targets, examples], the pairs that count; None counts all.

        Raises:
          UserError: shapes differ.
        """
        scores, members = np.asarray(scores), np.asarray(members, bool)
        where = np.ones(scores.shape, bool) if where is None else np.asarray(where, bool)
        if scores.ndim != 2 or scores.shape != members.shape or scores.shape != where.shape:
            raise UserError(
                f"attack scores {scores.shape}, members {members.shape} and pairs that count "
                f"{where.shape}: give three arrays [targets, examples]"
            )
        counted = where & ~np.isnan(scores)
        if counted.all():
            ranks, values = _ranks(scores.ravel())
            return cls(ranks.reshape(scores.shape), members, counted, values)
        known, values = _ranks(scores[counted])
        ranks = np.zeros(scores.shape, known.dtype)
        ranks[counted] = known
        return cls(ranks, members, counted, values)

    @property
    def num_targets(self) -> int:
        """Targets, with pairs that count or without."""
        return len(self.ranks)

    @property
    def inside(self) -> np.ndarray:
        """bool [targets, examples], the members that count."""
        return self.counted & self.members

    @property
    def outside(self) -> np.ndarray:
        """bool [targets, examples], the non-members that count."""
        return self.counted & ~self.members

    def among(self, where: np.ndarray) -> "Ranked":
        """The pairs that are in a group too, bool [targets, examples]."""
        return dataclasses.replace(self, counted=self.counted & where)

    def examples(self, where: np.ndarray) -> "Ranked":
        """The pairs of some examples, bool [examples]."""
        which = np.flatnonzero(where)
        arrays = (self.ranks, self.members, self.counted)
        ranks, members, counted = (array.take(which, axis=1) for array in arrays)
        return Ranked(ranks, members, counted, self.values)

    def both_kinds(self) -> bool:
        """Whether there are members and non-members among the pairs."""
        return bool(self.inside.any() and self.outside.any())

    @functools.cached_property
    def rows(self) -> "tuple[Pairs, ...]":
        """The pairs of each target, sorted."""
        return tuple(
            Pairs.of(r[c], m[c])
            for r, m, c in zip(self.ranks, self.members, self.counted, strict=True)
        )

    def all(self) -> "Pairs":
        """The pairs of all targets, sorted."""
        if self.counted.all():
            return Pairs.of(self.ranks.ravel(), self.members.ravel())
        return Pairs.of(self.ranks[self.counted], self.members[self.counted])

    def rank_of(self, threshold: float | np.ndarray) -> np.ndarray:
        """The rank r for which `rank >= r` decides as `score >= threshold` does; NaN for NaN."""
        rank = np.searchsorted(self.values, threshold)
        return np.where(np.isnan(threshold), np.nan, rank)

    def at_least(self, limits: np.ndarray) -> np.ndarray:
        """Which pairs that count reach their target's limit, bool [targets, examples].

        Args:
          limits: ranks, float [targets]; NaN is reached by none.
        """
        found = self.counted.copy()
        for row, ranks, limit in zip(found, self.ranks, limits, strict=True):
            row &= ranks >= self.ranks.dtype.type(limit) if limit <= self.values.size else False
        return found


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs in the order of their scores, of one target or of several.

    Attributes:
      codes: unsigned [pairs], ascending: twice the rank, and 1 more of a member.
    """

    codes: np.ndarray

    @classmethod
    def of(cls, ranks: np.ndarray, members: np.ndarray) -> "Pairs":
        """Sorts pairs.

        Args:
          ranks: unsigned [pairs].
          members: bool [pairs].
        """
        codes = ranks << ranks.dtype.type(1)
        codes |= members
        codes.sort()
        return cls(codes)

    @property
    def size(self) -> int:
        """Pairs."""
        return self.codes.size

    @property
    def ranks(self) -> np.ndarray:
        """[pairs], ascending."""
        return self.codes >> self.codes.dtype.type(1)

    @property
    def is_member(self) -> np.ndarray:
        """bool [pairs], in the same order."""
        return (self.codes & self.codes.dtype.type(1)).astype(bool)

    @functools.cached_property
    def inside(self) -> np.ndarray:
        """Ranks of the members, ascending."""
        return self.ranks[self.is_member]

    @functools.cached_property
    def outside(self) -> np.ndarray:
        """Ranks of the non-members, ascending."""
        return self.ranks[~self.is_member]

    def curve(self) -> Roc:
        """The ROC curve; its thresholds are ranks.

        Raises:
          UserError: there are no members or no non-members.
        """
        above = self.ranks[-1:] + self.codes.dtype.type(1)
        return of_sorted(self.ranks[::-1], self.is_member[::-1], above)


def _ranks(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of scores, without NaN, among the distinct ones; and these, ascending."""
    kind = np.uint32 if scores.size < 2**31 else np.uint64  # one bit is for the membership
    values = np.sort(scores)
    differ = values[1:] != values[:-1]
    ascending = np.zeros(scores.size, kind)
    np.cumsum(differ, dtype=kind, out=ascending[1:])
    if not differ.all():
        values = values[np.append(True, differ)[: values.size]]
    ranks = np.empty(scores.size, kind)
    ranks[order(scores)] = ascending
    return ranks, values


def order(scores: np.ndarray) -> np.ndarray:
    """What sorts scores in ascending order; of equal ones in any order.

    Faster than np.argsort by a factor of three where there are millions: positions and the leading
    bits of the scores fit into one number, numbers sort fast by themselves, and the few scores of
    one beginning are set right afterwards.

    Args:
      scores: float [pairs] without NaN.

    Returns:
      int64 [pairs].
    """
    if scores.size < _BLOCK:
        return np.argsort(scores)
    scores = scores.astype(np.float64, copy=False)
    low, high = (int(_sortable(np.array(end))) for end in (scores.min(), scores.max()))
    position_bits = (scores.size - 1).bit_length()
    dropped = max(0, (high - low).bit_length() + position_bits - 64)
    keys = np.empty(scores.size, np.uint64)
    for block in _blocks(scores.size):
        bits = (_sortable(scores[block]) - np.int64(low)).view(np.uint64)  # modulo 2^64
        bits >>= np.uint64(dropped)
        bits <<= np.uint64(position_bits)
        bits |= np.arange(block.start, block.start + bits.size, dtype=np.uint64)
        keys[block] = bits
    keys.sort()
    found = (keys & np.uint64(2**position_bits - 1)).view(np.int64)
    keys >>= np.uint64(position_bits)
    same = keys[1:] == keys[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    own = scores[found[tied]]
    if np.any(own[1:] < own[:-1]):
        found[tied] = found[tied[np.argsort(own)]]
    return found


def _sortable(scores: np.ndarray) -> np.ndarray:
    """int64 that are in the order of float64 scores; -0 is as 0."""
    bits = (scores + 0.0).view(np.int64)
    return bits ^ ((bits >> np.int64(63)) & np.int64(2**63 - 1))


def _blocks(size: int) -> Iterator[slice]:
    for start in range(0, size, _BLOCK):
        yield slice(start, min(start + _BLOCK, size))
