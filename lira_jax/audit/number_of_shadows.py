"""LiRA with fewer shadow models: Carlini et al. 2022, figure 9."""

from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit import fewer_shadows
from lira_jax.audit.results import ShadowRow
from lira_jax.errors import UserError
from lira_jax.evaluation.summary import evaluate

CURVE_ATTACKS = ("lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed")
MOST_CURVE_TARGETS = 16


def why_none(evidence: Evidence) -> str:
    """Why no curve can be made of this evidence, whatever the counts; empty if one can."""
    if not isinstance(evidence.targets, Inside):
        return "it needs targets that are models of the run, by the same recipe as the shadows"
    if fewer_shadows.most(evidence.keep) < 4:
        return (
            "it needs two models in and two out of every example besides the target, of "
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
    most = fewer_shadows.most(evidence.keep)
    for count in counts:
        if count % 2 or not 4 <= count <= most:
            raise UserError(
                f"--num_shadows={count}: give even numbers from 4 to {most}, as the masks allow"
            )


def number_of_shadows(evidence: Evidence, counts: Sequence[int]) -> tuple[ShadowRow, ...]:
    """LiRA with random subsets of the shadow models.

    Args:
      evidence: whose targets are among its models. At most 16 targets are attacked, evenly spread
        over the models.
      counts: even numbers of shadows, half of them in and half out for every example. Examples
        that have too few for the largest are left out of all, with a note.

    Raises:
      UserError: as `check_counts`.
    """
    check_counts(evidence, counts)
    enough = fewer_shadows.enough(evidence.keep, max(counts))
    if not enough.all():
        progress.note(
            f"--num_shadows={max(counts)}: {np.count_nonzero(~enough)} of {len(enough)} examples "
            "have too few models in or out; they are left out of the curve"
        )
        evidence = evidence.select(enough)
    assert isinstance(evidence.targets, Inside), "check_counts refuses others"
    everyone = evidence.targets.models
    spread = np.linspace(0, len(everyone) - 1, min(MOST_CURVE_TARGETS, len(everyone)))
    targets = everyone[np.unique(spread.round().astype(int))]
    found, members = [], evidence.keep[targets]
    for count in progress.each("shadows", counts, "numbers"):
        few = [fewer_shadows.restrict(evidence, int(t), count) for t in targets]
        for name in CURVE_ATTACKS:
            scores = np.concatenate([ATTACKS[name].run(e) for e in few])
            row = evaluate(scores, members).row(name)
            found.append(ShadowRow(**vars(row), num_shadows=count))
    return tuple(found)
