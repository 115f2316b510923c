"""LiRA with fewer shadow models: Carlini et al. 2022, figures 9 and 17."""

from collections.abc import Mapping, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Outside
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit import fewer_shadows
from lira_jax.audit.results import ShadowRow
from lira_jax.audit.variants import LIRA, row_of
from lira_jax.errors import UserError

MOST_CURVE_TARGETS = 16


def why_none(evidence: Evidence) -> str:
    """Why no curve can be made of this evidence, whatever the counts; empty if one can."""
    if _most(evidence) < 4:
        besides = "" if _outside(evidence) else " besides the target"
        return (
            f"it needs two models in and two out of every example{besides}, of "
            f"{len(evidence.keep)} models here; train more"
        )
    return ""


def check_counts(evidence: Evidence, counts: Sequence[int]) -> None:
    """Checks that the curve can be made, before an hour is spent on what comes first.

    Raises:
      UserError: no curve can be made; a count is odd, more than the masks allow, or below 4: one
        score of a kind has no spread.
    """
    if counts and (why := why_none(evidence)):
        raise UserError(f"--num_shadows: {why}")
    most = _most(evidence)
    for count in counts:
        if count % 2 or not 4 <= count <= most:
            raise UserError(
                f"--num_shadows={count}: give even numbers from 4 to {most}, as the masks allow"
            )


def number_of_shadows(
    evidence: Evidence, counts: Sequence[int], table: Mapping[str, Attack] = ATTACKS
) -> tuple[ShadowRow, ...]:
    """LiRA with random subsets of the shadow models.

    No more is held than a copy of the signals of one target's shadows and the scores of one count.

    Args:
      evidence: with targets of known membership, models of the run or others. At most 16 targets
        are attacked, evenly spread.
      counts: even numbers of shadows, half of them in and half out for every example. Examples
        that have too few for the largest are left out of all, with a note.
      table: the attacks by name.

    Raises:
      UserError: as `check_counts`.
    """
    check_counts(evidence, counts)
    enough = fewer_shadows.enough(evidence.keep, max(counts), outside=_outside(evidence))
    if not enough.all():
        progress.note(
            f"--num_shadows={max(counts)}: {np.count_nonzero(~enough)} of {len(enough)} examples "
            "have too few models in or out; they are left out of the curve"
        )
        evidence = evidence.select(enough)
    members, number = evidence.members, evidence.targets.number
    assert members is not None, "the membership is known"
    spread = np.linspace(0, number - 1, min(MOST_CURVE_TARGETS, number))
    rows = np.unique(spread.round().astype(int))
    found = []
    with progress.bar("shadows", len(counts) * len(rows), "attacks", leave=False, delay=1) as bar:
        for count in counts:
            scores: dict[str, list[np.ndarray]] = {name: [] for name in LIRA}
            for row in rows:
                few = fewer_shadows.restrict(evidence, int(row), count)
                for name in LIRA:
                    scores[name].append(table[name].run(few)[0])
                bar.update()
            for name in LIRA:
                few_scores = np.stack(scores[name])
                found.append(row_of(ShadowRow, name, few_scores, members[rows], num_shadows=count))
    return tuple(found)


def _outside(evidence: Evidence) -> bool:
    """Whether no model is left out for a target."""
    return isinstance(evidence.targets, Outside)


def _most(evidence: Evidence) -> int:
    return fewer_shadows.most(evidence.keep, outside=_outside(evidence))
