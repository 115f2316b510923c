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
    one or two shadows less than the target. With a single shadow model, attacks that look at the
    target's output alone have the threshold that is best on its own members and non-members (Song
    and Mittal 2021, section 3.1; Hintersdorf et al. 2022, section 4).

    Several targets that are models of the run, or have the training sets of some, give one another
    thresholds. Of targets from outside nobody knows the membership, so they do not.

    Args:
      evidence: against the targets.

    Returns:
      None where targets give one another thresholds, where no shadow trained on an example that is
      known, or all trained on all of them.
    """
    rows = np.arange(len(evidence.keep))
    if not isinstance(evidence.targets, Outside):  # a target or its counterpart is a model itself
        if evidence.targets.number > 1:
            return None
        rows = np.setdiff1d(rows, evidence.targets.models)
    evidence = evidence.attack_training or evidence
    spread = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int)
    attacked = rows[np.unique(spread)]
    kept = evidence.keep[attacked]
    if not kept.any() or kept.all():
        return None
    against = dataclasses.replace(evidence, targets=Inside(attacked))
    return against if len(rows) == len(evidence.keep) else against.models(rows)
