"""Numbers and findings in words."""

import dataclasses
import math

from lira_jax.evaluation.roc import TPR_AT

PERCENT = "\N{NO-BREAK SPACE}%"
FALSE_ALARMS = {figure: f"one false alarm in {round(1 / fpr):,}" for figure, fpr in TPR_AT.items()}
COLUMN = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    **{figure: f"TPR at {100 * fpr:g}{PERCENT} FPR" for figure, fpr in TPR_AT.items()},
}
HEADLINE = ("tpr_at_1e-3", "tpr_at_1e-2")


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer of an audit.

    Attributes:
      sentence: the answer with its 95 % interval.
      attack: the attack that is meant.
      figure: which of its figures, a key of COLUMN.
      leaks: whether the interval lies above what guessing reaches.
    """

    sentence: str
    attack: str
    figure: str
    leaks: bool


def headline(attacks: dict[str, dict]) -> Headline:
    """The best attack's TPR at 0.1 % FPR, the figure of the LiRA paper, else at 1 %, else its AUC.

    Lower FPRs are for the table: an interval that just reaches guessing there would hide a leak
      that is plain here.

    Args:
      attacks: "attacks" of results.json, not empty.
    """
    figure = next(
        (f for f in HEADLINE if any(e[f]["value"] is not None for e in attacks.values())), "auc"
    )
    known = {
        name: entry[figure] for name, entry in attacks.items() if entry[figure]["value"] is not None
    }
    attack = max(known, key=lambda name: known[name]["value"])
    value, low, high = (known[attack][end] for end in ("value", "low", "high"))
    if figure == "auc":
        leaks = low is not None and low > 0.5
        return Headline(
            "There are too few non-members to resolve a false-positive rate of 1 %; the best "
            f"attack's area under the ROC is {value:.3f}{_interval(low, high, '{:.3f}'.format)}, "
            "where guessing has 0.5.",
            attack,
            figure,
            leaks,
        )
    fpr = TPR_AT[figure]
    leaks = low is not None and low > fpr
    share = (
        f"{percents([value, low, high])[0]} of the training set{percent_interval(value, low, high)}"
    )
    if leaks:
        return Headline(
            f"An attacker who accepts {FALSE_ALARMS[figure]} identifies {share}.",
            attack,
            figure,
            leaks,
        )
    return Headline(
        "No attack is reliably better than guessing for an attacker who accepts "
        f"{FALSE_ALARMS[figure]}: the best one identifies {share}, guessing "
        f"{100 * fpr:g}{PERCENT}.",
        attack,
        figure,
        leaks,
    )


def percents(values: list[float | None]) -> list[str]:
    """Fractions as percentages with one number of decimals, two digits of the first that is not
    0."""
    known = [abs(100 * v) for v in values if v]
    decimals = 1 if not known else min(6, max(1, 1 - math.floor(math.log10(known[0]))))
    return ["" if v is None else f"{100 * v:.{decimals if v else 0}f}{PERCENT}" for v in values]


def percent_interval(value: float, low: float | None, high: float | None) -> str:
    """ " (95 % interval 7.9 % to 8.9 %)", or nothing where it is unknown."""
    _, low_text, high_text = percents([value, low, high])
    return f" (95 % interval {low_text} to {high_text})" if low_text and high_text else ""


def _interval(low: float | None, high: float | None, text) -> str:
    return "" if low is None or high is None else f" (95 % interval {text(low)} to {text(high)})"


def cell(
    figure: str, value: float | None, low: float | None = None, high: float | None = None
) -> dict:
    """What a table shows of a figure: text, interval, and the number that it is sorted by."""
    if value is None:
        return {"text": "–", "interval": "", "sort": ""}
    if figure == "auc":
        text, ends = f"{value:.3f}", [f"{end:.3f}" for end in (low, high) if end is not None]
    else:
        text, *ends = percents([value, low, high])
        ends = [end.removesuffix(PERCENT) for end in ends if end]
    return {
        "text": text,
        "interval": f"{ends[0]} to {ends[1]}" if len(ends) == 2 else "",
        "sort": repr(float(value)),
    }
