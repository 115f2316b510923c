"""What each component of LiRA adds: Carlini et al. 2022, table II."""

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ABLATION
from lira_jax.evaluation.summary import Row, evaluate


def ablation(evidence: Evidence) -> tuple[Row, ...]:
    """The 13 rows of the table, in order.

    Args:
      evidence: with targets of known membership.
    """
    members = evidence.members
    assert members is not None, "the membership is known"
    known = {}
    for _, run in progress.each("ablation", ABLATION, "rows"):
        if run not in known:
            known[run] = evaluate(run(evidence), members)
    return tuple(known[run].row(name) for name, run in ABLATION)
