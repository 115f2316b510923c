"""A first look at a run of which some models are finished: one attack on these alone."""

from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.selection import table_of
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.audit.attacks import run_attacks
from lira_jax.errors import UserError
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.runs import data as run_data
from lira_jax.runs import evidence
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL

ATTACK = "lira_online_fixed"
"""The one that needs the fewest shadow models of those that answer an audit (wording.FIXED)."""


def preview(run: RunDirectory, models: Sequence[int]) -> dict[str, AttackResults]:
    """What `ATTACK` finds where each of some models is a target and the others its shadows.

    Nothing is written: the whole run's results are another thing.

    Args:
      models: ids, scored.

    Returns:
      The attack's results under its name, as `run_attacks` gives them.

    Raises:
      UserError: a dump is missing or damaged, or these models do not suffice, as where most of them
        have diverged.
    """
    labels = run.read(POOL.labels, (None,))
    keep = run.read(KEEP, (None, len(labels)))[list(models)]
    signals = evidence.saved_signals(run, POOL, list(models), labels)
    found = [evidence.diagnose_outputs(signals, row, own) for row, own in enumerate(keep)]
    usable = np.array([row for row, one in enumerate(found) if not one.diverged], int)
    if len(usable) < 2:
        diverged = len(found) - len(usable)
        raise UserError(f"{diverged} of the first {len(found)} models have diverged")
    everyone = Evidence(labels, keep, signals, Inside(np.arange(len(keep))))
    apart = run_data.reference(run, len(labels))
    if apart is not None:  # the audit does not judge them either
        everyone = everyone.select(~apart)
    return run_attacks(
        everyone.models(usable),
        table_of([ATTACK]),
        [ATTACK],
        lambda name, scores: None,
        skip_failures=False,
    )
