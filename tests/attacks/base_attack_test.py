"""BASE against naive refits, on noise, and against a likelihood it is the logarithm of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise
from scipy.special import log_expit, logsumexp

from lira_jax.attacks.base_attack import base
from lira_jax.attacks.shared import blocks
from lira_jax.errors import UserError


def _naive(phi, keep, own, target, online):
    """Scores of one target; target None is one from outside."""
    score = np.zeros(own.shape)
    with_partner = has_partner(keep)
    for (i, a), value in np.ndenumerate(own):
        ins, outs = lists(keep[:, i], target, with_partner)
        shadows = log_expit(phi[ins + outs if online else outs, i, a].astype(np.float64))
        score[i, a] = log_expit(np.float64(value)) - (logsumexp(shadows) - np.log(len(shadows)))
    return score.mean(-1)


@settings(max_examples=80)
@given(
    st.integers(4, 11),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.sampled_from(["<f4", "<f8"]),
    st.sampled_from([balanced, coin_flips]),
    st.booleans(),
    st.sampled_from([1, 10, 200]),
)
def test_equals_refit_without_target_and_partner(
    num_models, num_examples, num_queries, seed, dtype, masks, online, spread
):
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    phi = (
        rng.normal(0, spread, (num_models, num_examples, num_queries)).clip(-600, 600).astype(dtype)
    )
    targets = rng.integers(num_models, size=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ELEMENTS", 2 * num_models * num_queries)  # several blocks
        got = base(phi, keep, targets, online=online)
    assert got.dtype == np.float64
    expected = [_naive(phi, keep, phi[t], t, online) for t in targets]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("online", [True, False])
def test_outside_target_equals_fit_to_all_models(online):
    rng = np.random.default_rng(1)
    keep = balanced(rng, 7, 9)
    phi, observed = rng.normal(0, 5, (7, 9, 2)), rng.normal(0, 5, (2, 9, 2))
    expected = [_naive(phi, keep, own, None, online) for own in observed]
    np.testing.assert_allclose(
        base(phi, keep, observed=observed, online=online), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_is_attacked_at_chance(num_models, online):
    phi, keep = noise(num_models)
    assert_chance(base(phi, keep, online=online), keep)


@pytest.mark.parametrize("online", [True, False])
def test_members_score_higher_and_shadows_help(online):
    rng = np.random.default_rng(2)
    keep = balanced(rng, 32, 400)
    phi = rng.normal(rng.normal(0, 5, 400), 1, keep.shape) + 1.5 * keep
    assert auc(base(phi, keep, online=online), keep) > auc(phi, keep) + 0.1


def test_one_confident_model_leaves_no_trace_in_its_own_threshold():
    """Its confidence is 1e20 times that of the others: subtracted from the sum it would leave
    rounding."""
    phi = np.full((8, 1), -46.0)
    phi[0] = 10.0
    keep = (np.arange(8) < 4)[:, None]
    assert base(phi, keep, [0])[0, 0] == pytest.approx(log_expit(10.0) + 46.0, rel=1e-14)
    assert base(phi, keep, [4], online=False)[0, 0] == pytest.approx(0, abs=1e-14)


def test_confidences_that_underflow_compare_as_equal():
    keep = (np.arange(8) < 4)[:, None]
    score = base(np.full((8, 1), -5000.0, np.float32), keep)
    np.testing.assert_allclose(score, 0, atol=1e-12)


def test_an_example_with_an_empty_list_has_no_score():
    rng = np.random.default_rng(0)
    keep = balanced(rng, 4, 9)
    keep[:, 8] = [False, True, True, True]
    phi = rng.normal(size=(4, 9))
    for online in (True, False):
        score = base(phi, keep, online=online)
        np.testing.assert_array_equal(score[:, :8], base(phi[:, :8], keep[:, :8], online=online))
        assert np.isnan(score[:, 8]).all()
    with pytest.raises(UserError, match=r"no example has 1 out .* as base needs"):
        base(phi[:, 8:], keep[:, 8:], online=False)
