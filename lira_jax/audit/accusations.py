"""Who is accused, where nobody knows who is a member: accusations.csv."""

from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.audit.calibrated import accused
from lira_jax.runs import layout
from lira_jax.runs.evidence import Loaded


def tables(loaded: Loaded, attacks: Sequence[Attack], fdr: float) -> dict[str, str]:
    """The text of accusations.csv by its name, with notes of how many are accused.

    Args:
      loaded: what is attacked.
      attacks: those that were run.
      fdr: the bound on the expected share of false accusations of a target.

    Returns:
      Empty where no attack judges by a statistic that has p-values.
    """
    found = accused(loaded.evidence, attacks, fdr)
    if not found:
        progress.note(
            f"--fdr={fdr:g} accuses nobody: no attack here judges by a statistic that has "
            "p-values; add one that does, such as --attacks=lira_online"
        )
        return {}
    ids = np.arange(len(loaded.evidence.labels))
    if loaded.examples is not None:
        ids = np.flatnonzero(loaded.examples)
    lines = ["statistic,target,example,p_value"]
    for name, (who, p) in found.items():
        lines += [
            f"{name},{row},{ids[example]},{p[row, example]:.6g}"
            for row, example in np.argwhere(who)
        ]
        progress.note(
            f"{name}: {int(who.sum())} of {int((~np.isnan(p)).sum())} examples are accused, of "
            f"whom at most {100 * fdr:g} % are expected to be accused wrongly"
        )
    return {layout.ACCUSATIONS: "\n".join(lines) + "\n"}
