import math

import numpy as np
import pytest

from lira_jax.evaluation.estimate import Estimate, Metric
from lira_jax.evaluation.summary import METRICS, Curve, Summary
from lira_jax.report.wording import FIXED, PERCENT, cell, headline, percents


def entry(**known):
    """What an attack finds, with the given (value, low, high) and nothing else known."""
    given = {n.replace("tpr_", "tpr_at_1e-"): Metric(*ends) for n, ends in known.items()}
    metrics = {**dict.fromkeys(METRICS, Metric(math.nan)), **given}
    return Summary(1, 10**5, 10**5, metrics, Curve((0.0, 1.0), (0.0, 1.0)))


def said(attacks):
    found = headline(attacks)
    return found.sentence.replace("\N{NO-BREAK SPACE}", " "), found.attack, found.leaks


def choice(attacks):
    return headline(attacks).choice.replace("\N{NO-BREAK SPACE}", " ")


def test_the_fixed_attack_at_one_false_alarm_in_a_thousand_is_the_answer():
    attacks = {
        "lucky": entry(auc=(0.9, 0.8, 0.95), tpr_2=(0.5, 0.4, 0.6), tpr_3=(0.1, 0.09, 0.11)),
        # Of the lowest FPR little is known; that must not hide what is known of 0.1 %.
        "lira_online": entry(
            auc=(0.6, 0.5, 0.7),
            tpr_2=(0.2, 0.1, 0.3),
            tpr_3=(0.0841, 0.079, 0.089),
            tpr_5=(7e-4, 0, 2e-3),
        ),
        "unresolved": entry(auc=(0.99, 0.98, 1.0)),
    }
    assert said(attacks) == (
        "An attacker who accepts one false alarm in 1,000 identifies 8.4 % of the training set "
        "(95 % interval 7.9 % to 8.9 %).",
        "lira_online",
        True,
    )
    assert choice(attacks) == (
        "lira_online was fixed beforehand, whatever the data show. In hindsight the best of 2 "
        "attacks is lucky by TPR at 0.1 % FPR, 10.0 % (95 % interval 9.0 % to 11.0 %): it was "
        "chosen on these same data, and its interval is not corrected for that."
    )


def test_an_attack_that_was_picked_on_the_data_is_never_named_without_saying_so():
    weak, strong = entry(auc=(0.6, 0.5, 0.7)), entry(auc=(0.7, 0.6, 0.8))
    assert headline({"entropy": weak, "phi": strong}).attack == "phi"
    assert choice({"entropy": weak, "phi": strong}) == (
        "phi is the best of 2 attacks by AUC, 0.700 (95 % interval 0.600 to 0.800). It was chosen "
        "on these same data: the interval is not corrected for that, and is too favourable to the "
        "attack."
    )
    assert choice({"loss": weak, "lira_offline": strong}) == (
        "lira_offline was fixed beforehand, whatever the data show; it is also the best of 2 "
        "attacks by AUC, 0.700 (95 % interval 0.600 to 0.800)."
    )
    assert choice({"phi": strong}) == "phi is the only attack that was run."


def test_the_order_of_the_fixed_attacks_is_fixed_whatever_they_find():
    found = {
        name: entry(auc=(v, v, v)) for name, v in zip(FIXED, np.linspace(0.6, 0.9, 6), strict=True)
    }
    assert headline(found).attack == FIXED[0]
    unresolved = {**found, FIXED[1]: entry(auc=(0.6, 0.5, 0.7), tpr_2=(0.1, 0.05, 0.2))}
    assert headline(unresolved).attack == FIXED[1]  # the others do not resolve the metric


def test_an_interval_that_holds_guessing_is_not_called_a_leak():
    sentence, attack, leaks = said(
        {"loss": entry(auc=(0.5, 0.4, 0.6), tpr_2=(0.012, 0.009, 0.015))}
    )
    assert sentence.startswith(
        "The attack loss is not reliably better than guessing for an attacker who accepts"
    )
    assert sentence.endswith(
        "it identifies 1.2 % of the training set (95 % interval 0.9 % to 1.5 %), guessing 1 %."
    )
    assert (attack, leaks) == ("loss", False)


def test_without_any_resolved_tpr_the_auc_is_the_answer():
    sentence, attack, leaks = said(
        {"a": entry(auc=(0.7, 0.55, 0.8)), "b": entry(auc=(0.6, 0.4, 0.8))}
    )
    assert "too few non-members" in sentence
    assert "0.700 (95 % interval 0.550 to 0.800)" in sentence
    assert (attack, leaks) == ("a", True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0841, 0.079, 0.089], ["8.4", "7.9", "8.9"]),
        ([0.000712, 0.0, math.nan], ["0.071", "0", ""]),
        ([0.0, 0.0, 0.000064], ["0", "0", "0.0064"]),
        ([1.0, 0.99, 1.0], ["100.0", "99.0", "100.0"]),
    ],
)
def test_percentages_show_two_digits_and_share_their_decimals(values, expected):
    assert percents(values) == [text and text + PERCENT for text in expected]


def test_an_unknown_value_is_a_dash_and_sorts_as_nothing():
    assert cell("tpr_at_1e-3", None) == {"text": "–", "interval": "", "sort": ""}
    assert cell("auc", Estimate(math.nan)) == cell("auc", None)
    assert cell("auc", Estimate(0.5, 0.4, 0.6)) == {
        "text": "0.500",
        "interval": "0.400 to 0.600",
        "sort": "0.5",
    }
    assert cell("auc", Estimate(0.5))["interval"] == ""
