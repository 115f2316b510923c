"""Attacks R and P against the interpolation of their authors' code, on noise, and at ties and
ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise

from lira_jax.attacks.reference_attacks import attack_p, attack_r
from lira_jax.attacks.shared import blocks
from lira_jax.attacks.shared.confidence import log_confidence
from lira_jax.errors import UserError


def _naive_r(loss, keep, own, target):
    """1 - the significance level at which the authors' linear interpolation rejects; ties
    half-way."""
    score = np.zeros(own.shape)
    with_partner = has_partner(keep)
    for (i, a), value in np.ndenumerate(own):
        outs = lists(keep[:, i], target, with_partner)[1]
        thresholds = np.sort(np.concatenate([loss[outs, i, a].astype(float), [0.0, 1000.0]]))
        levels = np.linspace(0, 1, len(thresholds))
        equal = levels[thresholds == value]
        level = (
            (equal[0] + equal[-1]) / 2
            if len(equal)
            else np.interp(float(value), thresholds, levels)
        )
        score[i, a] = 1 - level
    return score.mean(-1)


@st.composite
def _losses(draw, fewest=4):
    shape = draw(st.integers(fewest, 11)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    loss = rng.exponential(rng.exponential(3, (shape[1], 1)), shape)
    if draw(st.booleans()):
        loss = np.round(loss)  # ties, some of them with the smallest possible loss
    loss = loss.clip(0, 1000).astype(draw(st.sampled_from([np.float32, np.float64])))
    keep = draw(st.sampled_from([balanced, coin_flips]))(rng, *shape[:2])
    return loss, keep, rng.integers(shape[0], size=3)


@settings(max_examples=150)
@given(_losses())
def test_r_equals_refit_without_target_and_partner(losses):
    loss, keep, targets = losses
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ELEMENTS", 2 * len(loss) * loss.shape[2])  # several blocks
        got = attack_r(-loss, keep, targets)
    assert got.dtype == np.float64
    expected = [_naive_r(loss, keep, loss[t], t) for t in targets]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@settings(max_examples=50)
@given(_losses(fewest=6))
def test_r_on_an_outside_target_equals_fit_to_all_models(losses):
    loss, keep, _ = losses
    observed, loss, keep = loss[:2], loss[2:], keep[2:]
    keep[0] = False
    expected = [_naive_r(loss, keep, own, None) for own in observed]
    np.testing.assert_allclose(
        attack_r(-loss, keep, observed=-observed), expected, rtol=0, atol=1e-12
    )


def test_r_counts_the_out_models_whose_loss_is_larger():
    keep = np.zeros((4, 1), bool)
    signal = -np.array([[4.0], [3.0], [2.0], [1.0]])
    observed = -np.array([[1000.0], [3.0], [2.5], [1.0], [0.5], [0.0]])
    score = attack_r(signal, keep, observed=observed)
    np.testing.assert_allclose(score[:, 0], np.array([0, 2, 2.5, 4, 4.5, 5]) / 5, rtol=1e-15)


def test_r_rises_with_the_signal_also_beyond_all_out_models():
    rng = np.random.default_rng(1)
    keep = balanced(rng, 8, 30)
    signal = -rng.exponential(1, keep.shape)
    observed = -np.geomspace(900, 1e-9, 60)[:, None] * np.ones(30)
    score = attack_r(signal, keep, observed=observed)
    assert np.all(np.diff(score, axis=0) > 0)
    assert score.min() > 0
    assert score.max() < 1


def test_r_at_a_tie_is_half_way_up_the_step():
    keep = np.zeros((4, 1), bool)
    signal = np.array([-1.0, -2.0, -2.0, -3.0])[:, None]
    below, tied, above = attack_r(
        signal, keep, observed=np.array([[-2 - 1e-9], [-2.0], [-2 + 1e-9]])
    )[:, 0]
    assert tied == pytest.approx(2.5 / 5, abs=1e-15)
    assert (below + above) / 2 == pytest.approx(tied, abs=1e-8)
    assert above - below == pytest.approx(1 / 5, abs=1e-8)


def test_r_of_an_unbounded_signal_takes_its_own_ends():
    rng = np.random.default_rng(2)
    keep = balanced(rng, 8, 20)
    phi = rng.normal(0, 3, keep.shape)
    with pytest.raises(UserError, match=r"above high=0: give minus the loss"):
        attack_r(phi, keep)
    with pytest.raises(UserError, match="above high=0"):
        attack_r(-abs(phi), keep, observed=phi)
    score = attack_r(phi, keep, low=-100, high=100)
    assert score.min() > 0
    assert score.max() < 1
    ends = dict(low=phi.min(), high=phi.max())
    expected = attack_r(phi, keep, **ends)
    np.testing.assert_array_equal(attack_r(phi, keep, low=None, high=None), expected)


def test_r_of_losses_above_1000_takes_the_largest_for_the_end():
    phi, keep = -np.abs(np.random.default_rng(3).normal(0, 3000, (8, 20))), np.eye(8, 20) > 0
    np.testing.assert_array_equal(attack_r(phi, keep), attack_r(phi, keep, low=phi.min()))


@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_r_is_at_chance_on_noise(num_models):
    phi, keep = noise(num_models)
    assert_chance(attack_r(log_confidence(phi), keep), keep)


@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_p_is_at_chance_on_noise(num_models):
    phi, keep = noise(num_models)
    assert_chance(attack_p(phi), keep)


def test_members_score_higher_and_r_knows_hard_examples():
    rng = np.random.default_rng(3)
    keep = balanced(rng, 32, 400)
    signal = log_confidence(rng.normal(rng.normal(0, 5, 400), 1, keep.shape) + 1.5 * keep)
    assert auc(attack_p(signal), keep) > 0.55
    assert auc(attack_r(signal, keep), keep) > auc(attack_p(signal), keep) + 0.2


@settings(max_examples=100)
@given(
    st.integers(1, 4),
    st.integers(2, 30),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(["all", "own"]),
)
def test_p_equals_the_fraction_of_others_below(num_targets, num_examples, seed, ties, kind):
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 3, (num_targets, num_examples))
    signal = np.round(signal) if ties else signal
    population = np.ones(signal.shape, bool)
    if kind == "own":
        population = rng.random(signal.shape) < 0.5
        population[:, :2] = True
    got = attack_p(signal, None if kind == "all" else population)
    for (t, i), value in np.ndenumerate(signal):
        others = [signal[t, z] for z in range(num_examples) if population[t, z] and z != i]
        expected = np.mean([(z < value) + 0.5 * (z == value) for z in others])
        assert got[t, i] == pytest.approx(expected, abs=1e-12)


def test_p_orders_each_target_as_its_signal_and_makes_targets_comparable():
    rng = np.random.default_rng(4)
    signal = (
        rng.normal(0, 1, (3, 500)) * np.array([1, 5, 20])[:, None] + np.array([0, 3, -40])[:, None]
    )
    score = attack_p(signal)
    np.testing.assert_array_equal(score.argsort(1), signal.argsort(1))
    np.testing.assert_allclose(
        np.sort(score, axis=1), np.linspace(0, 1, 500) * np.ones((3, 1)), atol=1e-12
    )


def test_p_reads_the_plain_query():
    signal = np.random.default_rng(5).normal(size=(2, 9, 3))
    np.testing.assert_array_equal(attack_p(signal), attack_p(signal[:, :, 0]))


def test_one_population_serves_all_targets():
    signal = np.random.default_rng(6).normal(size=(2, 9))
    population = np.arange(9) % 2 == 0
    np.testing.assert_array_equal(
        attack_p(signal, population), attack_p(signal, np.stack([population] * 2))
    )


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (np.ones(8, bool), r"population has shape \(8,\)"),
        (np.arange(9) == 3, "fewer than two examples"),
    ],
)
def test_unusable_populations_are_refused(population, message):
    with pytest.raises(UserError, match=message):
        attack_p(np.zeros((2, 9)), population)


def test_r_of_an_example_without_out_models_is_nan():
    keep = balanced(np.random.default_rng(0), 4, 9)
    keep[:, 8] = True
    losses = -np.arange(1.0, 37).reshape(4, 9)
    score = attack_r(losses, keep)
    np.testing.assert_array_equal(score[:, :8], attack_r(losses[:, :8], keep[:, :8]))
    assert np.isnan(score[:, 8]).all()
    with pytest.raises(UserError, match=r"no example has 1 out .* as attack_r needs"):
        attack_r(losses[:, 8:], keep[:, 8:])
