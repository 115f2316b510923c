"""Examples whose outputs are like those of another one: how many, and how far off the next one.

The distance is the cosine distance of what all models say of two examples, each a unit vector of
models x classes numbers. Let s be such a vector's part along the mean over models, and r the length
of the rest. Then (Cauchy and Schwarz)

    cos(i, j)  <=  s_i . s_j + r_i r_j,

a product of as many numbers as there are classes, and one. Models agree, so r is small, and most
pairs of examples that are no neighbours are seen not to be without a look at single models.
"""

from collections.abc import Iterator

import numpy as np
import scipy

TILE = 1024
"""Examples on a side of a tile of the distance matrix: 4 MiB in float32, large enough that the
products outweigh the gathering of their two sides."""

LARGEST_LOGIT = 1e30
"""Sums of larger ones may exceed float32."""

BLOCK_BYTES = 2**25
"""Of the logits of some models that are gathered at a time, for each side of a tile."""

CANDIDATES = 256
"""Others that an example is compared with at most, to find its neighbours."""

DIMENSIONS = 6
"""Of what a tree looks for them by: the bound is lower in more, but a tree is of no help there."""

_ROUNDING = 1e-5  # of the bound, in float32

_STREAM = 0x6E656172  # of the examples that others are compared with


def count_neighbours(
    logits: np.ndarray, distance: float, most: int, candidates: int = CANDIDATES
) -> np.ndarray:
    """Counts, for each example, the other examples with similar outputs, up to a few.

    An example is described by the logits of all models, concatenated; those of a model are taken
    about their mean, because a constant added to all of them says nothing.

    A tree finds the others that the bound leaves open, the most promising first, and their cosines
    are computed until `most` neighbours are found or none is left open. Then the count is exact.
    It can be too small where an example has more others left open than `candidates`, of which
    hardly any is a neighbour; models that disagree leave many open. If this is so of no more
    examples than `candidates`, they are compared with everybody, and all counts are exact.

    Time grows as examples x candidates x models x classes at most, beside the search in the tree.
    Memory beyond the logits is some BLOCK_BYTES, and examples x classes.

    Args:
      logits: float [models, examples, classes].
      distance: two examples are neighbours if the cosine distance of their descriptions is below
        this.
      most: what is counted up to, at least 1.
      candidates: how many others an example is compared with; no fewer than 2 `most`.

    Returns:
      int [examples], 0 to `most`.
    """
    num_examples, least = logits.shape[1], np.float32(1 - distance)
    length, bound = _bounds(logits)
    points = _points(bound)
    tree, radius = scipy.spatial.cKDTree(points), np.sqrt(2 * max(distance + _ROUNDING, 0))
    count = np.zeros(num_examples, int)
    candidates = min(max(candidates, 2 * most), num_examples - 1)
    undecided, number = tree.indices, min(2 * most, candidates)  # in the tree's order: by place
    while number and len(undecided):
        left = []
        for start in range(0, len(undecided), TILE):
            rows = undecided[start : start + TILE]
            _, other = tree.query(points[rows], number + 1, distance_upper_bound=radius)
            other = np.where(other < num_examples, other, rows[:, None])  # itself for none
            count[rows] = (_cosines_of(logits, length, rows, other) > least).sum(1)
            seen = (other != rows[:, None]).sum(1)
            left.append(rows[(count[rows] < most) & (seen >= number)])
        undecided = np.concatenate(left)
        number = 0 if number == candidates else min(4 * number, candidates)
    if len(undecided) <= candidates < num_examples - 1:
        count[undecided] = 0
        for start in range(0, num_examples if len(undecided) else 0, TILE):
            columns = np.arange(start, min(start + TILE, num_examples))
            near = _cosine(logits, length, undecided, columns) > least
            count[undecided] += (near & (undecided[:, None] != columns)).sum(1)
    return np.minimum(count, most)


def nearest_distance(logits: np.ndarray, references: int) -> np.ndarray:
    """The cosine distance of each example to the most similar of some others.

    An example is described as in `count_neighbours`. Each is compared with as many others, which
    are the same random ones for all: time grows as examples x references x models x classes, linear
    in the examples. Long et al. 2020 too look for neighbours in a reference data set.

    Args:
      logits: float [models, examples, classes], of at least two examples.
      references: how many others; all others if there are no more.

    Returns:
      float32 [examples], 0 to 2; 1 of outputs that have no direction.
    """
    num_examples = logits.shape[1]
    length, _ = _bounds(logits)
    sample = np.random.default_rng(_STREAM).permutation(num_examples)[: references + 1]
    found = np.empty(num_examples, np.float32)
    for start in range(0, num_examples, TILE):
        rows = np.arange(start, min(start + TILE, num_examples))
        near = _cosine(logits, length, rows, sample)
        itself = rows[:, None] == sample
        itself[~itself.any(1), -1] = True  # so that an example of the sample has no fewer
        near[itself] = -np.inf
        found[rows] = 1 - near.max(1)
    return np.clip(found, 0, 2)


def _bounds(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each description its length, float32 [examples]; and (s, r), float32 [examples, classes +
    1], whose products with others' are no less than the cosines."""
    num_models, num_examples, num_classes = logits.shape
    square, total = np.zeros(num_examples), np.zeros((num_examples, num_classes))
    for start in range(0, num_examples, TILE):
        tile = np.arange(start, min(start + TILE, num_examples))
        for x in _by_models(logits, tile):
            square[tile] += np.square(x, dtype=np.float64).sum((1, 2))
            total[tile] += x.sum(1, dtype=np.float64)
    length = np.sqrt(square)
    along = _divide(total, np.sqrt(num_models) * length[:, None])
    rest = np.sqrt(np.maximum((length > 0) - np.square(along).sum(1), 0))
    if length.max() <= np.finfo(np.float32).max:
        length = length.astype(np.float32)
    return length, np.column_stack([along, rest]).astype(np.float32)


def _points(bound: np.ndarray) -> np.ndarray:
    """Points whose distance is a bound, too: cos(i, j) <= 1 - |p_i - p_j|^2 / 2.

    (s, r) has length 1, so its products are distances. Of many classes the directions in which s
    varies most remain, and r is the length of the rest: few dimensions, for the tree's sake. One
    more tells equal points apart, which a tree cannot divide; it is too short to matter.

    Args:
      bound: float32 [examples, classes + 1], of `_bounds`.

    Returns:
      float64 [examples, dimensions].
    """
    bound = bound.astype(np.float64)
    along = bound[:, :-1]
    if along.shape[1] > DIMENSIONS:
        _, directions = np.linalg.eigh(along.T @ along)
        along = along @ directions[:, -DIMENSIONS:]
    square = np.square(bound).sum(1)  # 1, or 0 of outputs that have no direction
    rest = np.sqrt(np.maximum(square - np.square(along).sum(1), 0))
    apart = np.random.default_rng(_STREAM).uniform(0, np.sqrt(_ROUNDING / 4), len(bound))
    return np.column_stack([along, rest, apart])


def _cosines_of(
    logits: np.ndarray, length: np.ndarray, rows: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """float32 [rows, candidates] of each of some examples with its own candidates, int of that
    shape; -infinity where one is the example itself."""
    members, at = np.unique(np.column_stack([rows, other]), return_inverse=True)
    at = at.reshape(len(rows), -1)
    product = np.zeros(other.shape, np.float32)
    for x in _by_models(logits, members, len(members)):
        x = _divide(x, length[members, None, None]).reshape(len(members), -1)
        few = max(1, BLOCK_BYTES // (x.itemsize * other.shape[1] * x.shape[1]))
        for start in range(0, len(rows), few):
            some = at[start : start + few]
            product[start : start + few] += (x[some[:, 1:]] @ x[some[:, 0], :, None])[..., 0]
    product[other == rows[:, None]] = -np.inf
    return product


def _cosine(
    logits: np.ndarray, length: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """float32 [rows, columns] of those examples."""
    product = np.zeros((len(rows), len(columns)), np.float32)
    for x, y in zip(_by_models(logits, rows), _by_models(logits, columns), strict=True):
        x, y = _divide(x, length[rows, None, None]), _divide(y, length[columns, None, None])
        product += x.reshape(len(x), -1) @ y.reshape(len(y), -1).T
    return product


def _by_models(logits: np.ndarray, examples: np.ndarray, at_once: int = 0) -> Iterator[np.ndarray]:
    """The logits of some examples about their means, float32 [examples, models, classes]; float64
    if they are so large that float32 cannot hold their sum.

    They are of a few models at a time, of as many as BLOCK_BYTES hold of a tile of examples, or of
    `at_once` if that is more.
    """
    num_models, _, num_classes = logits.shape
    size = max(1, BLOCK_BYTES // (4 * max(TILE, at_once) * num_classes))
    for start in range(0, num_models, size):
        x = logits[start : start + size, examples].astype(np.float32).transpose(1, 0, 2)
        if np.abs(x).max() > LARGEST_LOGIT:
            x = x.astype(np.float64)
        yield x - x.mean(-1, keepdims=True)


def _divide(x: np.ndarray, length: np.ndarray) -> np.ndarray:
    """x / length; 0 where the length is 0, for outputs that have no direction."""
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)
