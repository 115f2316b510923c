"""What each component of LiRA adds: Carlini et al. 2022, table II."""

from lira_jax import progress
from lira_jax.attacks import thresholds
from lira_jax.attacks.kinds import Run, on_plain
from lira_jax.attacks.lira import lira
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS
from lira_jax.errors import UserError
from lira_jax.evaluation.summary import Row, Summary, evaluate

ROWS: tuple[tuple[str, Run], ...] = (
    # One threshold for all examples
    ("LOSS attack", ATTACKS["loss"].run),
    ("+ logit scaling", ATTACKS["phi"].run),
    ("+ multiple queries", ATTACKS["phi_mean"].run),
    # Offline
    ("LOSS attack", ATTACKS["loss"].run),
    ("+ per-example thresholds (out only)", ATTACKS["watson_loss"].run),
    ("+ logit scaling", ATTACKS["watson_phi"].run),
    ("+ Gaussian likelihood", on_plain(lira, form="one_sided")),
    ("+ multiple queries (offline LiRA)", ATTACKS["lira_offline"].run),
    # Online
    ("LOSS attack", ATTACKS["loss"].run),
    ("+ per-example thresholds (in, out)", ATTACKS["sablayrolles_loss"].run),
    ("+ logit scaling", ATTACKS["sablayrolles_phi"].run),
    ("+ Gaussian likelihood", on_plain(lira)),
    ("+ multiple queries (online LiRA)", ATTACKS["lira_online"].run),
    # Not in the paper's table: it claims that Gaussians help only where the logit is scaled.
    (
        "Gaussian without logit scaling (out only)",
        on_plain(lira, thresholds.loss, form="one_sided"),
    ),
    ("Gaussian without logit scaling (in, out)", on_plain(lira, thresholds.loss)),
)
"""The 13 rows of the table, in its order, and two more cells."""


def ablation(evidence: Evidence) -> tuple[Row, ...]:
    """The rows, in order; those that the evidence does not suffice for are left out, with a note.

    Args:
      evidence: with targets of known membership.
    """
    members = evidence.members
    assert members is not None, "the membership is known"
    known: dict[Run, Summary] = {}
    rows: list[Row] = []
    left_out: dict[str, UserError] = {}
    for name, run in progress.each("ablation", ROWS, "rows"):
        try:
            if run not in known:
                known[run] = evaluate(run(evidence), members)
            rows.append(known[run].row(name))
        except UserError as error:
            left_out[name] = error
    for name, why in left_out.items():
        progress.note(f"left out the ablation's row '{name}': {why}")
    return tuple(rows)
