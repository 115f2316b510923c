"""LiRA with fewer queries of each example: Carlini et al. 2022, table III."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import QueryRow
from lira_jax.audit.variants import LIRA, note_left_out, row_of
from lira_jax.errors import UserError


def nested(saved: int) -> dict[int, np.ndarray]:
    """The smaller grids of queries inside a saved one.

    A grid is the plain image shifted by up to s pixels each way, the unshifted one first and the
    others row by row, and after these the mirror images of the same (data/augment.py). So that of 2
    queries, the plain image and its mirror image, is not the first two of a larger one: its second
    is where the mirror images begin. The paper has 1, 2 (s = 0), 18 (s = 1) and 162 (s = 4).

    Args:
      saved: how many queries are saved, A.

    Returns:
      Number of queries, ascending -> int [queries], which of the saved ones they are, in order: 1,
      the unshifted ones, and the shifts by up to 1, 2, ... pixels, up to all. Where the saved ones
      are no grid, as of other tools, the first and all.
    """
    found = {1: np.arange(1), saved: np.arange(saved)}
    for halves in (1, 2):
        side = math.isqrt(saved // halves)
        if side % 2 and halves * side**2 == saved:
            shifts = np.abs(np.indices((side, side)) - side // 2).max(0).ravel()
            centre = side**2 // 2
            order = np.r_[centre, np.delete(np.arange(side**2), centre)]
            largest = np.tile(shifts[order], halves)
            for s in range(side // 2):
                columns = np.flatnonzero(largest <= s)
                found[len(columns)] = columns
    return dict(sorted(found.items()))


def num_saved(evidence: Evidence) -> int:
    """How many queries of each example are saved."""
    return evidence.signals["phi"].shape[2]


def check_query_counts(
    evidence: Evidence, counts: Sequence[int], flag: str = "num_queries"
) -> None:
    """Checks that the run has these queries, before an hour is spent on what comes first.

    Args:
      evidence: of the run.
      counts: numbers of queries.
      flag: that gives them.

    Raises:
      UserError: a count is none of those that `nested` has.
    """
    has = nested(num_saved(evidence)) if counts else {}
    for count in counts:
        if count not in has:
            raise UserError(
                f"--{flag}={count}: models and targets have {max(has)} here: give "
                f"{', '.join(map(str, has))}, or score more first (lira-score --queries)"
            )


def number_of_queries(
    evidence: Evidence, counts: Sequence[int], table: Mapping[str, Attack] = ATTACKS
) -> tuple[QueryRow, ...]:
    """LiRA with some of the saved queries; with all of them it is the attack itself.

    One count after the other: no more is held than a copy of phi of so many queries and the scores
    of one attack.

    Args:
      evidence: with targets of known membership.
      counts: numbers of queries that `nested` has.
      table: the attacks by name.

    Returns:
      A row for each count and attack; without attacks that the evidence does not suffice for, as
      online ones where no shadow trained on an example, of which a note tells.

    Raises:
      UserError: as `check_query_counts`, or no attack can be made.
    """
    check_query_counts(evidence, counts)
    members, columns = evidence.members, nested(num_saved(evidence))
    assert members is not None, "the membership is known"
    found, left_out = [], {}
    for count in progress.each("queries", counts, "numbers"):
        whole = count == num_saved(evidence)
        asked = evidence if whole else evidence.queries(columns[count])
        for name in LIRA:
            try:
                scores = table[name].run(asked)
            except UserError as error:
                left_out[name] = error
                continue
            found.append(row_of(QueryRow, name, scores, members, num_queries=count))
    note_left_out("--num_queries", left_out, anything=bool(found))
    return tuple(found)
