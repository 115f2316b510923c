"""Per-example hardness against naive refits, on noise, and where it must beat a global
threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise

from lira_jax.attacks.hardness import offset, sablayrolles, watson
from lira_jax.attacks.shared import blocks
from lira_jax.errors import UserError

ATTACKS = {
    sablayrolles: lambda own, ins, outs: own - (np.mean(ins) + np.mean(outs)) / 2,
    watson: lambda own, ins, outs: own - np.mean(outs),
    offset: lambda own, ins, outs: own - (np.median(ins) + np.median(outs)) / 2,
}


def _naive(attack, signal, keep, own, target):
    """Scores of one target; target None is one from outside."""
    score = np.zeros(own.shape)
    with_partner = has_partner(keep)
    for (i, a), value in np.ndenumerate(own):
        ins, outs = lists(keep[:, i], target, with_partner)
        score[i, a] = ATTACKS[attack](
            float(value), signal[ins, i, a].astype(float), signal[outs, i, a].astype(float)
        )
    return score.mean(-1)


@pytest.mark.parametrize("attack", ATTACKS)
@settings(max_examples=40)
@given(
    st.integers(4, 11),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.sampled_from(["<f4", "<f8"]),
    st.sampled_from([balanced, coin_flips]),
)
def test_equals_refit_without_target_and_partner(
    attack, num_models, num_examples, num_queries, seed, dtype, masks
):
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    signal = rng.normal(
        rng.normal(0, 10, (num_examples, 1)), 1, (num_models, num_examples, num_queries)
    ).astype(dtype)
    targets = rng.integers(num_models, size=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ELEMENTS", 2 * num_models * num_queries)  # several blocks
        got = attack(signal, keep, targets)
    assert got.dtype == np.float64
    expected = [_naive(attack, signal, keep, signal[t], t) for t in targets]
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("attack", ATTACKS)
def test_outside_target_equals_fit_to_all_models(attack):
    rng = np.random.default_rng(1)
    keep = balanced(rng, 7, 9)
    signal, observed = rng.normal(size=(7, 9, 2)), rng.normal(size=(2, 9, 2))
    expected = [_naive(attack, signal, keep, own, None) for own in observed]
    np.testing.assert_allclose(attack(signal, keep, observed=observed), expected, atol=1e-12)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_is_attacked_at_chance(attack, num_models):
    signal, keep = noise(num_models)
    assert_chance(attack(signal, keep), keep)


@pytest.mark.parametrize("attack", ATTACKS)
def test_members_score_higher_and_hardness_helps(attack):
    rng = np.random.default_rng(2)
    keep = balanced(rng, 32, 400)
    signal = rng.normal(rng.normal(0, 5, 400), 1, keep.shape) + 1.5 * keep
    assert auc(attack(signal, keep), keep) > 0.82 > auc(signal, keep) + 0.2


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_constant_added_to_an_example_changes_nothing(attack):
    rng = np.random.default_rng(3)
    keep = balanced(rng, 12, 30)
    signal = rng.normal(size=keep.shape)
    np.testing.assert_allclose(
        attack(signal + rng.normal(0, 100, 30), keep), attack(signal, keep), atol=1e-11
    )


def test_the_threshold_of_watson_is_blind_to_members():
    rng = np.random.default_rng(4)
    keep = balanced(rng, 8, 20)
    signal, observed = rng.normal(size=keep.shape), rng.normal(size=(1, 20))
    np.testing.assert_allclose(
        watson(signal + 50 * keep, keep, observed=observed),
        watson(signal, keep, observed=observed),
        atol=1e-12,
    )
    assert np.all(sablayrolles(signal + 50 * keep, keep, observed=observed) < -20)


def test_an_example_with_an_empty_list_has_no_score():
    rng = np.random.default_rng(0)
    keep = balanced(rng, 4, 9)
    keep[:, 8] = [False, True, True, True]
    signal = rng.normal(size=(4, 9))
    for attack in (watson, offset, sablayrolles):
        score = attack(signal, keep)
        np.testing.assert_array_equal(score[:, :8], attack(signal[:, :8], keep[:, :8]))
        assert np.isnan(score[:, 8]).all()
    with pytest.raises(UserError, match=r"no example has 1 out .* as watson needs: use more"):
        watson(signal[:, 8:], keep[:, 8:])
    with pytest.raises(UserError, match=r"no example has 1 in and 1 out .* as offset needs"):
        offset(signal[:, 8:], keep[:, 8:])
    assert np.isfinite(sablayrolles(signal, keep, observed=signal)).all()  # nothing is left out
    keep[:, 8] = False
    assert np.isfinite(watson(signal, keep)).all()
