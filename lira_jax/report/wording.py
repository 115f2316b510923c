"""Numbers and findings in words."""

import dataclasses
import math
from collections.abc import Mapping

from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.roc import TPR_AT

PERCENT = "\N{NO-BREAK SPACE}%"
FALSE_ALARMS = {metric: f"one false alarm in {round(1 / fpr):,}" for metric, fpr in TPR_AT.items()}
COLUMN = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    **{metric: f"TPR at {100 * fpr:g}{PERCENT} FPR" for metric, fpr in TPR_AT.items()},
}
HEADLINE = ("tpr_at_1e-3", "tpr_at_1e-2")


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer of an audit.

    Attributes:
      sentence: the answer with its 95 % interval.
      attack: the attack that is meant.
      metric: which of its metrics, a key of COLUMN.
      leaks: whether the interval lies above what guessing reaches.
    """

    sentence: str
    attack: str
    metric: str
    leaks: bool


def headline(attacks: Mapping[str, AttackResults]) -> Headline:
    """The best attack's TPR at 0.1 % FPR, the metric of the LiRA paper, else at 1 %, else its AUC.

    Lower FPRs are for the table: an interval that just reaches guessing there would hide a leak
      that is plain here.

    Args:
      attacks: of Results, not empty.
    """
    metric = next(
        (m for m in HEADLINE if any(a.metrics[m].is_known for a in attacks.values())), "auc"
    )
    known = {n: a.metrics[metric] for n, a in attacks.items() if a.metrics[metric].is_known}
    attack = max(known, key=lambda name: known[name].value)
    found = known[attack]
    if metric == "auc":
        leaks = found.low > 0.5
        return Headline(
            "There are too few non-members to resolve a false-positive rate of 1 %; the best "
            f"attack's area under the ROC is {found.value:.3f}{_auc_interval(found)}, "
            "where guessing has 0.5.",
            attack,
            metric,
            leaks,
        )
    fpr = TPR_AT[metric]
    leaks = found.low > fpr
    share, low, high = _percents_of(found)
    share = f"{share} of the training set"
    share += f" (95 % interval {low} to {high})" if found.has_interval else ""
    if leaks:
        return Headline(
            f"An attacker who accepts {FALSE_ALARMS[metric]} identifies {share}.",
            attack,
            metric,
            leaks,
        )
    return Headline(
        "No attack is reliably better than guessing for an attacker who accepts "
        f"{FALSE_ALARMS[metric]}: the best one identifies {share}, guessing "
        f"{100 * fpr:g}{PERCENT}.",
        attack,
        metric,
        leaks,
    )


def percents(values: list[float]) -> list[str]:
    """Fractions as percentages with two digits of the first that is not 0; nothing for NaN."""
    known = [abs(100 * v) for v in values if v and not math.isnan(v)]
    decimals = 1 if not known else min(6, max(1, 1 - math.floor(math.log10(known[0]))))
    return ["" if math.isnan(v) else f"{100 * v:.{decimals if v else 0}f}{PERCENT}" for v in values]


def cell(metric: str, found: Estimate | None) -> dict:
    """What a table shows of an estimate: text, interval, and the number that it is sorted by."""
    if found is None or not found.is_known:
        return {"text": "–", "interval": "", "sort": ""}
    if metric == "auc":
        text, *ends = [f"{v:.3f}" for v in (found.value, found.low, found.high)]
    else:
        text, *ends = _percents_of(found)
        ends = [end.removesuffix(PERCENT) for end in ends]
    return {
        "text": text,
        "interval": f"{ends[0]} to {ends[1]}" if found.has_interval else "",
        "sort": repr(float(found.value)),
    }


def _percents_of(found: Estimate) -> list[str]:
    return percents([found.value, found.low, found.high])


def _auc_interval(found: Estimate) -> str:
    return f" (95 % interval {found.low:.3f} to {found.high:.3f})" if found.has_interval else ""
