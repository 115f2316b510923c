"""What the parts of an audit share that vary LiRA: its shadows, queries or statistic."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from lira_jax import progress
from lira_jax.errors import UserError
from lira_jax.evaluation.summary import CurveRow, evaluate

Row = TypeVar("Row", bound=CurveRow)

LIRA = ("lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed")
"""The attacks that are made with fewer shadow models and with fewer queries."""

POINTS = 250
"""Of a variant's ROC, so that dozens of them take less room than the attacks themselves."""


def row_of(
    kind: Callable[..., Row], attack: str, scores: np.ndarray, members: np.ndarray, **about
) -> Row:
    """What a variant of an attack finds, with its ROC.

    Args:
      kind: of row.
      attack: its name.
      scores: float [targets, examples].
      members: bool [targets, examples].
      about: the variant, fields of the row.
    """
    summary = evaluate(scores, members, roc_points=POINTS)
    return kind(**vars(summary.row(attack)), **about, roc=summary.roc)


def note_left_out(part: str, left_out: Mapping[str, UserError], *, anything: bool) -> None:
    """Tells of the variants that cannot be made.

    Args:
      part: the flag that asks for the part.
      left_out: variant -> what is wrong.
      anything: whether another variant could be made.

    Raises:
      UserError: none could: the first of what is wrong.
    """
    if left_out and not anything:
        raise next(iter(left_out.values()))
    for name, why in left_out.items():
        progress.note(f"left out {name} of {part}: {why}")
