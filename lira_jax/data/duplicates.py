"""Examples that equal an earlier one.

A copy that is out of a training set while its twin is in makes the membership bit false: the model
did see that example.
"""

import numpy as np

from lira_jax.data.normalize import span

_ROWS_AT_ONCE = 256
_COARSE = 1e-3  # rounding of a column to float32, as a part of its range, that is worth a word


def find(x: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds examples that equal an earlier one, before the cast to float32 or only after it.

    Args:
      x: [N, ...].
      raw: the same before the cast.

    Returns:
      Two arrays of int64, ascending: every copy but the first, and those that differ from all
      earlier examples in raw, but not in x.
    """
    number, first = np.arange(len(x)), _first_equals(x)
    if not _rounds(x, raw):
        return np.flatnonzero(first != number), number[:0]
    exact = number.copy()
    alike = np.flatnonzero(np.bincount(first, minlength=len(x))[first] > 1)
    if len(alike):
        exact[alike] = alike[_first_equals(raw[alike])]
    return np.flatnonzero(exact != number), np.flatnonzero((exact == number) & (first != number))


def duplicates(x: np.ndarray) -> np.ndarray:
    """Finds every copy but the first of equal examples: int64, ascending."""
    return find(x, x)[0]


def _first_equals(x: np.ndarray) -> np.ndarray:
    """int64 [N]: of each example, the first that equals it, perhaps itself."""
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    if rows.dtype.kind == "f":
        rows = rows + rows.dtype.type(0)  # -0.0 equals 0.0, but its bytes do not
    distinct: dict[int, list[int]] = {}
    first = np.arange(len(rows))
    for i, row in enumerate(rows):
        candidates = distinct.setdefault(hash(row.tobytes()), [])
        equal = next((j for j in candidates if np.array_equal(rows[j], row)), None)
        if equal is None:
            candidates.append(i)
        else:
            first[i] = equal
    return first


def _rounds(x: np.ndarray, raw: np.ndarray) -> bool:
    """Whether values of raw may have become others in x."""
    return x.dtype == np.float32 and not np.can_cast(raw.dtype, np.float32)


def rounding(x: np.ndarray, raw: np.ndarray, merged: int) -> str | None:
    """What the cast to float32 has done to the examples, in words, if it matters.

    Args:
      x: float32 [N, ..., C], the examples.
      raw: [N, ..., C], the same before the cast.
      merged: how many examples `find` has found to be equal only after it.

    Returns:
      How many examples differ from an earlier one that they equal in float32, and the column (or
      channel) that loses most; None if there are none and no column is rounded by a thousandth of
      its range.
    """
    if not _rounds(x, raw):
        return None
    error = np.zeros(raw.shape[1:])
    for start in range(0, len(raw), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        np.maximum(error, np.abs(raw[rows] - x[rows].astype(np.float64)).max(0), out=error)
    columns, cast = (array.reshape(-1, raw.shape[-1]) for array in (raw, x))
    error, high, low = (
        reduce(array.reshape(-1, raw.shape[-1]), 0)
        for reduce, array in ((np.max, error), (np.max, raw.max(0)), (np.min, raw.min(0)))
    )
    extent = high.astype(np.float64) - low
    coarse = error / np.where(extent > 0, extent, 1)
    worst = coarse.argmax()
    if not merged and coarse[worst] < _COARSE:
        return None
    before, after = (len(np.unique(array[:, worst])) for array in (columns, cast))
    fix = "; subtract its smallest value and save it again" if coarse[worst] >= _COARSE else ""
    what = f"{merged} of {len(x)} examples differ from earlier ones only before" if merged else ""
    return (
        f"{what or 'precision is lost in'} the cast to float32: column {worst} of x, "
        f"{span(columns[:, worst])}, keeps {after} of its {before} values{fix}"
    )
