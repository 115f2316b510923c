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

TILE = 1024
"""Examples on a side of a tile of the distance matrix: 4 MiB in float32, large enough that the
products outweigh the gathering of their two sides."""

LARGEST_LOGIT = 1e30
"""Sums of larger ones may exceed float32."""

BLOCK_BYTES = 2**25
"""Of the logits of some models that are gathered at a time, for each side of a tile."""

_ROUNDING = 1e-5  # of the bound, in float32

_STREAM = 0x6E656172  # of the examples that others are compared with


def count_neighbours(logits: np.ndarray, distance: float, most: int | None = None) -> np.ndarray:
    """Counts, for each example, the other examples with similar outputs.

    An example is described by the logits of all models, concatenated; those of a model are taken
    about their mean, because a constant added to all of them says nothing.

    Time grows as examples^2 x classes for the bound, and as models x classes for each pair that it
    leaves open. With `most`, an example that has so many neighbours is compared with no others;
    as neighbours are looked for among the examples of one class first, all but the attacked ones
    are done with soon. Memory beyond the logits is 2 x BLOCK_BYTES and some tiles.

    Args:
      logits: float [models, examples, classes].
      distance: two examples are neighbours if the cosine distance of their descriptions is below
        this.
      most: counts are exact below this, and at least this otherwise; None for exact counts.

    Returns:
      int [examples].
    """
    num_examples, least = logits.shape[1], np.float32(1 - distance)
    most = num_examples if most is None else most
    length, bound = _bounds(logits)
    order = np.lexsort((bound.max(1), bound[:, :-1].argmax(1)))  # neighbours mostly come together
    tiles = [order[start : start + TILE] for start in range(0, num_examples, TILE)]
    count = np.zeros(num_examples, int)
    for first, rows in enumerate(tiles):
        for columns in (*tiles[first:], *tiles[:first]):
            rows = rows[count[rows] < most]
            if not len(rows):
                break
            maybe = bound[rows] @ bound[columns].T > least - _ROUNDING
            some, others = rows[maybe.any(1)], columns[maybe.any(0)]
            if len(some):
                near = _cosine(logits, length, some, others) > least
                near[some[:, None] == others] = False
                count[some] += near.sum(1)
    return count


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


def _cosine(
    logits: np.ndarray, length: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """float32 [rows, columns] of those examples."""
    product = np.zeros((len(rows), len(columns)), np.float32)
    for x, y in zip(_by_models(logits, rows), _by_models(logits, columns), strict=True):
        x, y = _divide(x, length[rows, None, None]), _divide(y, length[columns, None, None])
        product += x.reshape(len(x), -1) @ y.reshape(len(y), -1).T
    return product


def _by_models(logits: np.ndarray, examples: np.ndarray) -> Iterator[np.ndarray]:
    """The logits of some examples about their means, float32 [examples, models, classes], a few
    models at a time; float64 if they are so large that float32 cannot hold their sum."""
    num_models, _, num_classes = logits.shape
    size = max(1, BLOCK_BYTES // (4 * TILE * num_classes))
    for start in range(0, num_models, size):
        x = logits[start : start + size, examples].astype(np.float32).transpose(1, 0, 2)
        if np.abs(x).max() > LARGEST_LOGIT:
            x = x.astype(np.float64)
        yield x - x.mean(-1, keepdims=True)


def _divide(x: np.ndarray, length: np.ndarray) -> np.ndarray:
    """x / length; 0 where the length is 0, for outputs that have no direction."""
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)
