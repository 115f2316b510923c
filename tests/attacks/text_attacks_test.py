"""Attacks on text: members are higher, null data are at chance, and others run on text too."""

import functools

import numpy as np
import pytest
from scipy import stats

from lira_jax.attacks.selection import FOR_TEXT, OF_TEXT, named, table_of
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Fact, Signals
from lira_jax.attacks.shared.targets import Inside
from lira_jax.attacks.table import ATTACKS
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc

ON_TEXT = [name for name, attack in ATTACKS.items() if attack.text]
TOKENS = 24


@functools.cache
def evidence(num_models, num_examples, gap, seed=0):
    """Tokens with a difficulty of their own; members' are likelier by `gap`."""
    rng = np.random.default_rng(seed)
    keep = masks.draw("balanced", num_models, num_examples, seed=seed)
    lengths = rng.integers(2, TOKENS + 1, num_examples).astype(np.int32)
    within = np.arange(TOKENS) < lengths[:, None]
    logit = rng.normal(size=(num_examples, TOKENS)) + rng.normal(
        size=(num_models, num_examples, TOKENS)
    )
    logit += gap * keep[:, :, None]
    log_p = np.where(within, -np.logaddexp(0, -logit), 0)
    mean = -log_p.sum(-1) / lengths
    labels = np.zeros(num_examples, np.int32)
    signals = Signals(
        {
            "phi": (-mean - np.log(-np.expm1(-mean)))[..., None].astype(np.float32),
            "token_losses": log_p[:, :, None].astype(np.float32),
            "token_z": np.where(within, logit, 0)[:, :, None].astype(np.float32),
            "num_tokens": Fact(lengths, num_models),
            "zlib_bytes": Fact(lengths + rng.integers(8, 12, num_examples), num_models),
        },
        labels,
    )
    return Evidence(labels, keep, signals, Inside(np.arange(num_models)))


@pytest.mark.parametrize("name", ON_TEXT)
def test_higher_is_more_likely_a_member(name):
    e = evidence(8, 200, gap=1.0)
    scores = ATTACKS[name].run(e)
    assert scores.shape == (8, 200)
    assert auc(roc(scores.ravel(), e.members.ravel())) > 0.6


@pytest.mark.parametrize("name", ON_TEXT)
@pytest.mark.parametrize("num_models", [4, 16])
def test_noise_is_at_chance(name, num_models):
    areas = []
    for seed in range(10):
        e = evidence(num_models, 2000 // num_models, gap=0.0, seed=seed)
        areas.append(auc(roc(ATTACKS[name].run(e).ravel(), e.members.ravel())))
    error = max(np.std(areas, ddof=1), np.sqrt(1 / 6 / 1000))
    assert abs(np.mean(areas) - 0.5) < stats.t.ppf(1 - 3e-5, 9) * error / np.sqrt(10)


def test_rmia_as_of_text_tells_apart_what_its_defaults_tie():
    """Mean losses of 2 nats that members have a little lower, as trained language models do."""
    rng = np.random.default_rng(0)
    keep = masks.draw("balanced", 16, 400, seed=0)
    loss = rng.normal(2, 0.2, 400) - 0.17 * keep + rng.normal(0, 0.06, keep.shape)
    phi = (-loss - np.log(-np.expm1(-loss)))[..., None]
    targets = Inside(np.arange(16))
    e = Evidence.of_arrays(np.zeros(400, np.int32), keep, targets, phi=phi)

    def area(name):
        return auc(roc(table_of([name])[name].run(e).ravel(), keep.ravel()))

    for plain, of_text in FOR_TEXT.items():
        assert area(of_text) > 0.9
        assert area(plain) < 0.8


def test_some_examples_have_the_scores_that_they_have_among_all():
    e, some = evidence(8, 200, gap=1.0), np.arange(3, 90, 4)
    for name in ON_TEXT:
        np.testing.assert_allclose(
            ATTACKS[name].run(e.select(some)), ATTACKS[name].run(e)[:, some], rtol=1e-12
        )


def test_all_and_fast_have_them_for_models_of_text_alone():
    assert not {*ON_TEXT} & {*named("all")}
    saved_by_default = {n for n in ON_TEXT if {*ATTACKS[n].needs} <= OF_TEXT}
    of_text, instead = {*named("fast", of_text=True)}, {*FOR_TEXT.values()}
    assert of_text - {*named("fast")} == saved_by_default | instead
    assert {*named("fast")} - of_text == {*FOR_TEXT}
    assert {*named("fast", "rmia", of_text=True)} >= {*FOR_TEXT}  # the authors' code as it is
    assert named("min_k_plus") == ["min_k_plus"]


def test_an_attack_on_scores_runs_and_one_on_classes_says_that_it_cannot():
    e = evidence(8, 200, gap=1.0)
    names = named("fast", of_text=True)
    attacks = table_of(names)
    for name in names:
        attack = attacks[name]
        if "logits" in attack.needs:
            with pytest.raises(UserError, match="which models of text do not have"):
                attack.run(e)
        else:
            assert np.isfinite(attack.run(e)).all()
