"""Attacks by the names that a user gives, and on other signals than their own."""

import dataclasses

import numpy as np
import pytest
from attacks.table_test import evidence
from scipy import stats

from lira_jax.attacks.selection import named, on_signals
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.table import ATTACKS
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc

LISTS = [
    *(n for n in ATTACKS if n.startswith(("lira_", "bavaria_"))),
    "sablayrolles",
    "watson",
    "offset",
    "attack_r",
    "class_threshold",
    "threshold",
]


@pytest.mark.parametrize("base", LISTS)
@pytest.mark.parametrize("signal", ["hinge", "confidence", "mine"])
def test_attacks_on_lists_take_any_scalar_signal(base, signal):
    e = evidence(16, 300, gap=2.0, seed=6)
    mine = np.stack([e.signals["phi"][:, :, 0] ** 3] * 2, -1)
    e = dataclasses.replace(
        e, signals=Signals({**{n: e.signals[n] for n in ("phi", "logits")}, "mine": mine}, e.labels)
    )
    attack = on_signals([f"{base}@{signal}"], ATTACKS)[f"{base}@{signal}"]
    assert attack.needs == (signal,)
    scores = attack.run(e)
    assert scores.shape == (16, 300)
    assert np.isfinite(scores).all()
    if "density" not in base:
        assert auc(roc(scores.ravel(), e.members.ravel())) > 0.55


@pytest.mark.parametrize(
    "base",
    [
        *("lira_online", "lira_offline_fixed", "lira_moderated", "lira_offline_predicted"),
        *("bavaria_t", "watson", "offset", "attack_r", "class_threshold"),
    ],
)
def test_noise_is_at_chance_on_another_signal(base):
    areas = []
    for seed in range(10):
        e = evidence(8, 500, gap=0.0, seed=seed)
        scores = on_signals([f"{base}@hinge"], ATTACKS)[f"{base}@hinge"].run(e)
        areas.append(auc(roc(scores.ravel(), e.members.ravel())))
    error = max(np.std(areas, ddof=1), np.sqrt(1 / 6 / 2000))
    assert abs(np.mean(areas) - 0.5) < stats.t.ppf(1 - 3e-5, 9) * error / np.sqrt(10)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("lira_online", "lira_online"),
        ("lira_moderated", "lira_moderated"),
        ("watson", "watson_phi"),
        ("offset", "offset"),
        ("threshold", "phi"),
    ],
)
def test_on_phi_they_are_the_attacks_of_the_table(base, name):
    e = evidence(8, 100, gap=1.0)
    found = on_signals([f"{base}@phi"], ATTACKS)[f"{base}@phi"]
    np.testing.assert_array_equal(found.run(e), ATTACKS[name].run(e))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rmia_online@hinge", "--attacks=rmia_online@hinge: rmia_online reads no other signal"),
        ("lira_onlin@hinge", "--attacks=lira_onlin@hinge: did you mean lira_online@hinge"),
    ],
)
def test_an_attack_that_takes_no_other_signal_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        on_signals([name], ATTACKS)


def test_a_signal_of_several_numbers_is_refused():
    e = evidence(8, 50, gap=1.0)
    for base in ("lira_online", "watson", "threshold"):
        with pytest.raises(UserError, match="logits is not one number an example"):
            on_signals([f"{base}@logits"], ATTACKS)[f"{base}@logits"].run(e)


def test_names_come_in_the_tables_order():
    assert named("loss, lira_online") == ["lira_online", "loss"]
    assert named("loss,watson@hinge") == ["loss", "watson@hinge"]
    fast = named("fast")
    assert {"lira_online", "loss"} <= set(fast)
    assert not any(ATTACKS[name].slow for name in fast)
    assert set(fast) < set(named("all"))
    with pytest.raises(UserError, match="--attacks=lira_onlin: did you mean lira_online"):
        named("loss,lira_onlin")
