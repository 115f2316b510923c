"""Tables of attackers who know a defence, who do not, and who know half of the members as well."""

import math
from collections.abc import Mapping

import numpy as np

from lira_jax.audit.results import Results
from lira_jax.evaluation.estimate import Estimate, mean_estimate
from lira_jax.report.details import Table

_SHOWN = {"auc": "AUC", "tpr_at_1e-2": "TPR@1%", "tpr_at_1e-3": "TPR@0.1%"}


def adaptive_and_naive(adaptive: Results, naive: Results) -> Table:
    """One table of both attackers: a row an attack that either has made."""
    rows = []
    for name in dict.fromkeys([*adaptive.attacks, *naive.attacks]):
        cells = []
        for metric in (*_SHOWN, "decided"):
            cells += [_cell(results, name, metric) for results in (adaptive, naive)]
        rows.append([name, *cells])
    heads = [*_SHOWN.values(), "bal. acc. (shadow)"]
    return Table(
        "An attacker who knows the defence (adaptive) and one who does not (naive)",
        ["attack", *(f"{head}, {who}" for head in heads for who in ("adaptive", "naive"))],
        rows,
        "The shadow models of the first have the defence, those of the second have none (Song and "
        "Mittal 2021). Attacks that look at the target alone are the same. TPR and balanced "
        "accuracy, at thresholds chosen on shadow models, in percent.",
    )


def half_known(found: Mapping[str, np.ndarray]) -> Table:
    """The attacker who knows half of the members, mean over targets with its 95 % interval."""
    rows = []
    for name, values in found.items():
        mean = mean_estimate(values.tolist())
        ends = f"{100 * mean.low:.1f} to {100 * mean.high:.1f}" if mean.has_interval else "-"
        rows.append([name, f"{100 * mean.value:.1f}", ends])
    number = len(next(iter(found.values())))
    return Table(
        "An attacker who knows half of the target's members, balanced accuracy in percent",
        ["attack", "mean", "95 %"],
        rows,
        f"Of {number} target{'s' if number > 1 else ''}: thresholds, or a network, from a random "
        "half of the members and as many non-members, judged on the others (Song and Mittal 2021).",
    )


def _cell(results: Results, name: str, metric: str) -> str:
    attack = results.attacks.get(name)
    if attack is None:
        return "-"
    if metric == "decided":
        decided = attack.decisions and attack.decisions["1:1"]
        found = Estimate(decided.balanced_accuracy if decided else math.nan)
    else:
        found = attack.metrics[metric]
    if not found.is_known:
        return "-"
    if metric == "auc":
        return f"{found.value:.3f}"
    text = f"{100 * found.value:.2f}"
    if found.has_interval:
        text += f" [{100 * found.low:.2f}, {100 * found.high:.2f}]"
    return text
