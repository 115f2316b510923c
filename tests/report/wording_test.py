import math

import pytest

from lira_jax.evaluation.estimate import Estimate, Metric
from lira_jax.evaluation.summary import METRICS, Curve, Summary
from lira_jax.report.wording import PERCENT, cell, headline, percents


def entry(**known):
    """What an attack finds, with the given (value, low, high) and nothing else known."""
    given = {n.replace("tpr_", "tpr_at_1e-"): Metric(*ends) for n, ends in known.items()}
    metrics = {**dict.fromkeys(METRICS, Metric(math.nan)), **given}
    return Summary(1, 10**5, 10**5, metrics, Curve((0.0, 1.0), (0.0, 1.0)))


def said(attacks):
    found = headline(attacks)
    return found.sentence.replace("\N{NO-BREAK SPACE}", " "), found.attack, found.leaks


def test_the_best_attack_at_one_false_alarm_in_a_thousand_is_the_answer():
    attacks = {
        "weak": entry(auc=(0.9, 0.8, 0.95), tpr_2=(0.5, 0.4, 0.6), tpr_3=(0.01, 0.008, 0.02)),
        # Of the lowest FPR little is known; that must not hide what is known of 0.1 %.
        "strong": entry(
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
        "strong",
        True,
    )


def test_an_interval_that_holds_guessing_is_not_called_a_leak():
    sentence, attack, leaks = said(
        {"loss": entry(auc=(0.5, 0.4, 0.6), tpr_2=(0.012, 0.009, 0.015))}
    )
    assert sentence.startswith(
        "No attack is reliably better than guessing for an attacker who accepts"
    )
    assert sentence.endswith(
        "the best one identifies 1.2 % of the training set (95 % interval 0.9 % to 1.5 %), "
        "guessing 1 %."
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
