"""Shadow models in a target's place: what gives thresholds to whoever has a single target."""

import dataclasses

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside, Outside

MOST = 16
"""Shadow models that are attacked, so that an attack which trains something for each ends."""


def shadow_targets(evidence: Evidence) -> Evidence | None:
    """Evidence against some of the shadow models, without the targets.

    The attacker knows whom his shadow models trained on. He attacks each with the others, and takes
    the thresholds that are best there; the target's own membership has no say. A shadow model has
    one or two shadows less than the target.

    Args:
      evidence: against the targets.

    Returns:
      None where no shadow trained on an example under attack, or all did.
    """
    rows = np.arange(len(evidence.keep))
    if not isinstance(evidence.targets, Outside):  # a target or its counterpart is a model itself
        rows = np.setdiff1d(rows, evidence.targets.models)
    spread = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int)
    attacked = rows[np.unique(spread)]
    kept = evidence.keep[attacked]
    if not kept.any() or kept.all():
        return None
    against = dataclasses.replace(evidence, targets=Inside(attacked))
    return against if len(rows) == len(evidence.keep) else against.models(rows)
