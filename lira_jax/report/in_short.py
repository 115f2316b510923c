"""The answer for one who has to decide: what was found, how sure it is, and what to do about it."""

from collections.abc import Mapping

from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.roc import TPR_AT
from lira_jax.report.wording import PERCENT, Headline, cell

SIMPLEST = "loss"
"""What the answer is compared with beside guessing: the attack that needs no shadow models."""

_OVERFIT = 0.05
"""A gap between the accuracies on members and on non-members that is worth mending first."""


def in_short(
    attacks: Mapping[str, AttackResults],
    headline: Headline,
    accuracy: Mapping[str, float],
    num_models: int,
) -> list[tuple[str, str]]:
    """(what is asked, the answer in a sentence or two), in the order in which one asks.

    Args:
      attacks: of Results.
      headline: of these.
      accuracy: mean accuracy on "members" and "non-members", where they are known.
      num_models: shadow models that were used.
    """
    return [
        ("What was found", _finding(headline)),
        ("How sure that is", _certainty(attacks[headline.attack], headline, num_models)),
        ("Compared with what", _comparison(attacks, headline)),
        ("What to do", _advice(headline, accuracy)),
    ]


def _finding(headline: Headline) -> str:
    if headline.leaks:
        return (
            "Models of this recipe give away who was in their training set, to somebody who can "
            "ask them about an example that he has."
        )
    return "This attack found no leak that stands out from chance. That is no proof of safety."


def _certainty(answer: AttackResults, headline: Headline, num_models: int) -> str:
    found = answer.metrics[headline.metric]
    sure = "There is no interval"
    if found.has_interval:
        shown = cell(headline.metric, found)
        what = "The area" if headline.metric == "auc" else "The share that is found"
        sure = f"{what} is {shown['text']}, 95 % interval {shown['interval']}"
    over = "one target model" if answer.num_targets == 1 else f"{answer.num_targets} target models"
    few = " With so few models a stronger result is likely." if num_models < 16 else ""
    return (
        f"{sure}, over {over}. It is a lower bound: it says what this attack finds with "
        f"{num_models} models.{few}"
    )


def _comparison(attacks: Mapping[str, AttackResults], headline: Headline) -> str:
    chance = 0.5 if headline.metric == "auc" else TPR_AT[headline.metric]
    shown = "0.5" if headline.metric == "auc" else f"{100 * chance:g}{PERCENT}"
    text = f"Guessing reaches {shown}."
    simple = attacks.get(SIMPLEST)
    if simple and headline.attack != SIMPLEST and simple.metrics[headline.metric].is_known:
        found = cell(headline.metric, simple.metrics[headline.metric])
        sure = f" (95 % interval {found['interval']})" if found["interval"] else ""
        reached = f"{found['text']}{sure}"
        text += f" A threshold on the loss, which needs no shadow models, reaches {reached}."
    return text


def _advice(headline: Headline, accuracy: Mapping[str, float]) -> str:
    if not headline.leaks:
        return (
            "Before a release, repeat with more models (--num_models) and with the recipe and all "
            "the data that will be used, and look at the most exposed examples below: an average "
            "may hide a few."
        )
    text = "Do not release the model as if its training set were secret. "
    gap = accuracy.get("members", 0.0) - accuracy.get("non-members", 0.0)
    if gap > _OVERFIT:
        text += (
            f"It is right on {100 * gap:.1f} percentage points more of its members than of others: "
            "train for fewer epochs, on more data or with augmentation first. "
        )
    return text + (
        "Look at who is exposed below; to leave them out exposes others in their place (Carlini et "
        "al. 2022, The Privacy Onion Effect). Differential privacy (--defence=dp_sgd "
        "--dp_epsilon=8) bounds what any attack finds. Then audit again, and compare at equal "
        "accuracy (lira-report --compare)."
    )
