"""LiRA on other statistics than phi: Carlini et al. 2022, figure 8."""

from collections.abc import Mapping

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import StatisticRow
from lira_jax.audit.variants import note_left_out, row_of
from lira_jax.errors import UserError

STATISTICS = ("confidence", "log_confidence", "naive_logit", "phi", "hinge")
"""The statistics of the figure by their signals: p_y, log p_y, log p_y - log(1 - p_y) in float32,
the same in its stable form, and z_y less the largest other logit."""

FORMS = ("lira_online", "lira_offline")


def statistic_choices(
    evidence: Evidence, table: Mapping[str, Attack] = ATTACKS
) -> tuple[StatisticRow, ...]:
    """LiRA on each statistic of the plain query, one after the other.

    Args:
      evidence: with targets of known membership.
      table: the attacks by name.

    Returns:
      A row for each statistic and attack; without those that the evidence does not suffice for, of
      which a note tells: hinge and naive_logit need logits, online attacks shadow models that
      trained on an example.

    Raises:
      UserError: no row can be made.
    """
    members, plain = evidence.members, evidence.queries(slice(1))
    assert members is not None, "the membership is known"
    found, left_out = [], {}
    choices = [(statistic, name) for statistic in STATISTICS for name in FORMS]
    for statistic, name in progress.each("statistics", choices, "attacks"):
        attack = table[name]
        assert attack.run_on is not None, "LiRA makes sense on any scalar signal"
        try:
            scores = attack.run_on(statistic)(plain)
        except UserError as error:
            left_out[f"{name}@{statistic}"] = error
            continue
        found.append(row_of(StatisticRow, name, scores, members, statistic=statistic))
    note_left_out("--statistics", left_out, anything=bool(found))
    return tuple(found)
