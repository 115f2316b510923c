"""In which order tools have the queries of an example, the augmented copies that are scored."""

import math

import numpy as np

from lira_jax.errors import bad_choice

ORDERS = {"ours": None, "tf_privacy": False, "lira_analysis": True}
"""Order of queries -> whether its grid of shifts is transposed; None for our own.

Ours: [x, mirrored x], of each the plain crop first, then the shifts (dy, dx) row by row.
tf_privacy: for img in [x, mirrored x]: for dy: for dx; the plain crop is in the middle of its half.
lira_analysis: for img in [x, mirrored x]: for dx: for dy.
"""


def check_order(flag: str, order: str) -> str:
    """Returns the name of an order.

    Raises:
      UserError: there is none of that name.
    """
    if order not in ORDERS:
        raise bad_choice(flag, order, ORDERS)
    return order


def grid_order(queries: int, order: str = "tf_privacy") -> np.ndarray | None:
    """Where this project's queries are among those of a tool: ours = theirs[:, grid_order(A)].

    Args:
      queries: how many, A.
      order: one of ORDERS.

    Returns:
      int [queries], a permutation; None if that is not the size of a grid of shifts, with mirrored
      images or without.
    """
    transposed = ORDERS[order]
    for halves in (1, 2):
        side = math.isqrt(queries // halves)
        if side % 2 and halves * side**2 == queries:
            if transposed is None:
                return np.arange(queries)
            shifts = np.arange(side**2).reshape(side, side)
            theirs = (shifts.T if transposed else shifts).ravel()
            centre = side**2 // 2
            half = theirs[np.r_[centre, np.delete(np.arange(side**2), centre)]]
            return np.concatenate([half + side**2 * h for h in range(halves)])
    return None


def in_our_order(array: np.ndarray, order: str, axis: int = 1) -> np.ndarray:
    """An array with its queries in our order; as it is where they are no grid."""
    if order == "ours":
        return array
    permutation = grid_order(array.shape[axis], order)
    return array if permutation is None else np.take(array, permutation, axis)


def likely_order(theirs: np.ndarray, ours: np.ndarray, said: str) -> str | None:
    """The order that queries were in, if they look like those of another order than is said.

    A shift moves phi of an example in much the same way under all models.

    Args:
      theirs: float [examples, queries], phi, brought into our order from the one that is said.
      ours: the same of other models.
      said: one of ORDERS.

    Returns:
      One of ORDERS; None if the order that is said fits, or none does.
    """
    permutation = grid_order(theirs.shape[1], said)
    if permutation is None or len(permutation) < 9:  # fewer are in one order everywhere
        return None
    given = theirs[:, np.argsort(permutation)]
    fits = {order: _alike(in_our_order(given, order), ours) for order in ORDERS}
    best = max(fits, key=fits.__getitem__)
    return best if fits[best] > max(0.3, fits[said] + 0.05) else None


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the differences between an example's queries."""
    differences = [(a - a.mean(1, keepdims=True)).ravel() for a in (one, other)]
    norms = [np.linalg.norm(d) for d in differences]
    return float(differences[0] @ differences[1] / np.prod(norms)) if all(norms) else 0.0
