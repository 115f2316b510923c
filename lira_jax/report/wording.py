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
CALIBRATED = f"calibrated TPR at 1{PERCENT}"
"""TPR with a threshold for each example, of the statistic that the attack judges by."""
HEADLINE = ("tpr_at_1e-3", "tpr_at_1e-2")


FIXED = (
    *("lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed"),
    *("class_modified_entropy", "loss"),
)
"""The first of these that was run gives the answer: none is picked by its own result. The last two
are for a single shadow model and for a target without any."""


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer of an audit.

    Attributes:
      sentence: the answer with its 95 % interval.
      attack: the attack that is meant.
      metric: which of its metrics, a key of COLUMN.
      leaks: whether the interval lies above what guessing reaches.
      choice: a sentence that says how the attack was chosen, and which is the best in hindsight.
    """

    sentence: str
    attack: str
    metric: str
    leaks: bool
    choice: str


def headline(attacks: Mapping[str, AttackResults]) -> Headline:
    """TPR at 0.1 % FPR of the attack that is fixed beforehand, else at 1 %, else its AUC.

    The first is the metric of the LiRA paper.
    Lower FPRs are for the table: an interval that just reaches guessing there would hide a leak
    that is plain here.

    Args:
      attacks: of Results, not empty.
    """
    metric = next(
        (m for m in HEADLINE if any(a.metrics[m].is_known for a in attacks.values())), "auc"
    )
    known = {n: a.metrics[metric] for n, a in attacks.items() if a.metrics[metric].is_known}
    attack = next((name for name in FIXED if name in known), _best(known))
    found, choice = known[attack], _choice(attack, known, metric)
    if metric == "auc":
        leaks = found.low > 0.5
        return Headline(
            "There are too few non-members to resolve a false-positive rate of 1 %; the area under "
            f"the ROC of {attack} is {found.value:.3f}{_auc_interval(found)}, "
            "where guessing has 0.5.",
            attack,
            metric,
            leaks,
            choice,
        )
    fpr = TPR_AT[metric]
    leaks = found.low > fpr
    share = f"{_share(found)} of the training set"
    share += _interval(found)
    if leaks:
        return Headline(
            f"An attacker who accepts {FALSE_ALARMS[metric]} identifies {share}.",
            attack,
            metric,
            leaks,
            choice,
        )
    return Headline(
        f"The attack {attack} is not reliably better than guessing for an attacker who accepts "
        f"{FALSE_ALARMS[metric]}: it identifies {share}, guessing {100 * fpr:g}{PERCENT}.",
        attack,
        metric,
        leaks,
        choice,
    )


def _choice(attack: str, known: Mapping[str, Estimate], metric: str) -> str:
    """How the attack was chosen, and which is the best in hindsight."""
    if len(known) == 1:
        return f"{attack} is the only attack that was run."
    best, number = _best(known), len(known)
    value = known[best]
    figure = f"{value.value:.3f}" if metric == "auc" else _share(value)
    interval = _auc_interval(value) if metric == "auc" else _interval(value)
    measured = f"by {COLUMN[metric]}, {figure}{interval}"
    if attack not in FIXED:
        return (
            f"{attack} is the best of {number} attacks {measured}. It was chosen on these same "
            "data: the interval is not corrected for that, and is too favourable to the attack."
        )
    if best == attack:
        return (
            f"{attack} was fixed beforehand, whatever the data show; it is also the best of "
            f"{number} attacks {measured}."
        )
    return (
        f"{attack} was fixed beforehand, whatever the data show. In hindsight the best of {number} "
        f"attacks is {best} {measured}: it was chosen on these same data, and its interval is not "
        "corrected for that."
    )


def _best(known: Mapping[str, Estimate]) -> str:
    return max(known, key=lambda name: known[name].value)


def _share(found: Estimate) -> str:
    return _percents_of(found)[0]


def _interval(found: Estimate) -> str:
    _, low, high = _percents_of(found)
    return f" (95 % interval {low} to {high})" if found.has_interval else ""


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
