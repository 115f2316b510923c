"""RMIA against its definition in loops over pairs, on noise, and against BASE."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise
from scipy.special import expit

from lira_jax.attacks.base_attack import base
from lira_jax.attacks.rmia import rmia
from lira_jax.attacks.shared import blocks
from lira_jax.errors import UserError


def _trimmed(p, trim):
    """Sorts and leaves out the share at each end, rounded down."""
    cut = int(trim * len(p))
    return np.mean(np.sort(p)[cut : len(p) - cut])


def _ratios(phi, keep, own, target, online, a, trim=0.0):
    """ratio(x) of one target, [examples, queries]; target None is one from outside."""
    ratio = np.zeros(own.shape)
    with_partner = has_partner(keep)
    for (i, query), value in np.ndenumerate(own):
        ins, outs = lists(keep[:, i], target, with_partner)
        p_in, p_out = (expit(phi[models, i, query].astype(float)) for models in (ins, outs))
        mean_out = _trimmed(p_out, trim)
        if online and trim:
            p = _trimmed(np.concatenate([p_in, p_out]), trim)
        elif online:
            p = (np.mean(p_in) + mean_out) / 2
        else:
            p = (1 + a) / 2 * mean_out + (1 - a) / 2
        ratio[i, query] = expit(float(value)) / p
    return ratio


def _fraction_beaten(ratio, population, gamma, combine):
    num_queries = ratio.shape[1]
    score = np.zeros(len(ratio))
    for x in range(len(ratio)):
        for z in population:
            votes = sum(ratio[x, q] / ratio[z, q] > gamma for q in range(num_queries))
            score[x] += votes / num_queries if combine == "mean" else votes > num_queries / 2
    return score / len(population)


@pytest.mark.parametrize("combine", ["mean", "vote"])
@settings(max_examples=40)
@given(
    st.integers(4, 9),
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(0, 2**32),
    st.sampled_from(["<f4", "<f8"]),
    st.sampled_from([balanced, coin_flips]),
    st.booleans(),
    st.sampled_from([1.0, 1.3, 2.0]),
    st.sampled_from([0.0, 0.2, 0.45]),
    st.booleans(),
)
def test_equals_the_definition_on_all_pairs(
    combine, num_models, num_examples, num_queries, seed, dtype, masks, online, gamma, trim, told
):
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    phi = rng.normal(0, 3, (num_models, num_examples, num_queries)).astype(dtype)
    targets = rng.integers(num_models, size=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ELEMENTS", 2 * num_models * num_queries)  # several blocks
        known = keep[targets] if told and not keep[targets].all(1).any() else None
        options = dict(online=online, gamma=gamma, combine=combine, trim=trim, members=known)
        got = rmia(phi, keep, targets, **options)
    assert got.dtype == np.float64
    for t, score in zip(targets, got, strict=True):
        ratio = _ratios(phi, keep, phi[t], t, online, 0.3, trim)
        z = range(num_examples) if known is None else np.flatnonzero(~keep[t])
        np.testing.assert_allclose(
            score, _fraction_beaten(ratio, z, gamma, combine), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(("a", "trim"), [(0.0, 0.0), (0.7, 0.0), (1.0, 0.0), (0.7, 0.2)])
def test_outside_target_equals_fit_to_all_models(online, a, trim):
    rng = np.random.default_rng(1)
    keep = balanced(rng, 7, 9)
    phi, observed = rng.normal(0, 5, (7, 9, 2)), rng.normal(0, 5, (2, 9, 2))
    got = rmia(phi, keep, observed=observed, online=online, a=a, trim=trim)
    for own, score in zip(observed, got, strict=True):
        ratio = _ratios(phi, keep, own, None, online, a, trim)
        np.testing.assert_allclose(
            score, _fraction_beaten(ratio, range(9), 2.0, "mean"), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize(
    "options",
    [
        *(dict(), dict(online=False), dict(population=500), dict(gamma=1.0)),
        *(dict(trim=0.2), dict(online=False, trim=0.2)),
    ],
)
@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_is_attacked_at_chance(num_models, options):
    phi, keep = noise(num_models)
    assert_chance(rmia(phi, keep, **options), keep)


@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_z_that_are_nonmembers_tell_nothing_of_noise(num_models):
    """A target compares members and non-members with the same z, though these are non-members."""
    phi, keep = noise(num_models)
    assert_chance(rmia(phi, keep, members=keep, trim=0.2), keep)


def test_the_order_of_models_does_not_matter():
    rng = np.random.default_rng(9)
    phi, order = rng.normal(0, 3, (9, 40, 2)), rng.permutation(9)
    coins = coin_flips(rng, 9, 40)  # no partner is deleted there
    for options in (dict(), dict(trim=0.2), dict(trim=0.2, online=False)):
        for combine in ("mean", "vote"):
            score = rmia(phi, coins, members=coins, combine=combine, **options)
            moved = coins[order]
            again = rmia(phi[order], moved, members=moved, combine=combine, **options)
            np.testing.assert_allclose(again, score[order], rtol=0, atol=1e-12)
    # A partner is the next model of the other membership, cyclic: turning the models is the same.
    keep = balanced(rng, 9, 40)
    turned = np.roll(keep, 3, axis=0)
    np.testing.assert_allclose(
        rmia(np.roll(phi, 3, axis=0), turned, members=turned, trim=0.2),
        np.roll(rmia(phi, keep, members=keep, trim=0.2), 3, axis=0),
        rtol=0,
        atol=1e-12,
    )


def test_z_that_are_nonmembers_are_drawn_among_them():
    rng = np.random.default_rng(10)
    keep = balanced(rng, 8, 50)
    phi = rng.normal(0, 3, keep.shape)
    score = rmia(phi, keep, members=keep, population=10)
    np.testing.assert_allclose(score * 10, np.round(score * 10), atol=1e-12)
    whole = rmia(phi, keep, members=keep)
    np.testing.assert_array_equal(rmia(phi, keep, members=keep, population=50), whole)
    assert np.any(whole != rmia(phi, keep))


def test_a_vote_on_noise_is_at_chance():
    phi, keep = noise(16)
    queries = phi[:, :4000, None] + np.random.default_rng(0).normal(0, 0.3, (16, 4000, 3))
    assert_chance(rmia(queries, keep[:, :4000], population=300, combine="vote"), keep[:, :4000])


@pytest.mark.parametrize(
    "options", [dict(), dict(online=False), dict(combine="vote", population=100)]
)
def test_members_score_higher_and_shadows_help(options):
    rng = np.random.default_rng(2)
    keep = balanced(rng, 32, 400)
    phi = rng.normal(rng.normal(0, 5, (400, 1)), 1, (32, 400, 3)) + 1.5 * keep[..., None]
    assert auc(rmia(phi, keep, **options), keep) > auc(phi[..., 0], keep) + 0.1


def test_score_rises_with_base_and_differs_where_ratios_differ_by_gamma():
    """Balanced and online, ratio(x) is what BASE takes the logarithm of."""
    rng = np.random.default_rng(3)
    keep = balanced(rng, 16, 300)
    phi = rng.normal(0, 3, keep.shape)
    score, log_ratio = rmia(phi, keep), base(phi, keep)
    for s, r in zip(score, log_ratio, strict=True):
        order = np.argsort(r)
        assert np.all(np.diff(s[order]) >= 0)
        # Where r_i > r_j + log 2, i beats j and all that j beats.
        assert np.all((s[:, None] > s) | (r[:, None] <= r + np.log(2)))


def test_no_example_beats_itself_or_its_equal():
    keep = np.repeat([[True], [False]], 4, axis=0) & np.ones((8, 5), bool)
    assert np.all(rmia(np.full((8, 5), 1.5), keep, gamma=1.0) == 0)
    assert np.all(rmia(np.full((8, 5, 2), 1.5), keep, gamma=1.0, combine="vote") == 0)


def test_a_tied_vote_is_lost():
    keep = np.array([[True], [False]]) & np.ones((2, 2), bool)
    phi = np.zeros((2, 2, 2))
    observed = np.array(
        [[[5.0, -5.0], [-5.0, 5.0]]]
    )  # each example beats the other in one of two queries
    assert np.all(rmia(phi, keep, observed=observed, combine="vote") == 0)
    assert np.all(rmia(phi, keep, observed=observed, combine="mean") == 0.25)


def test_population_is_drawn_without_regard_to_membership():
    """The same z for every target: membership, which differs between targets, has no part in the
    draw."""
    rng = np.random.default_rng(4)
    keep = balanced(rng, 8, 50)
    phi = rng.normal(0, 3, keep.shape)
    same = rmia(phi, ~keep, population=10, seed=1)  # in and out change places, p(x) stays
    np.testing.assert_array_equal(rmia(phi, keep, population=10, seed=1), same)
    assert np.any(rmia(phi, keep, population=10, seed=2) != same)
    np.testing.assert_allclose(same * 10, np.round(same * 10), atol=1e-12)
    np.testing.assert_array_equal(rmia(phi, keep, population=50), rmia(phi, keep))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(combine="median"), "combine=median: it is one of mean, vote"),
        (dict(gamma=0.5), "gamma=0.5: give at least 1"),
        (dict(a=1.5), "a=1.5: give 0 to 1"),
        (dict(gamma=np.nan), "gamma=nan: give at least 1"),
        (dict(trim=0.5), "trim=0.5: give 0 to less than 0.5"),
        (dict(members=np.ones((8, 5), bool)), r"members has shape \(8, 5\): give .*\(8, 6\)"),
        (dict(members=np.ones((8, 6), bool)), "none is left for z"),
        (dict(population=0), "population=0: give 1 to 6"),
        (dict(population=7), "population=7: give 1 to 6"),
        (
            dict(keep=np.ones((8, 6), bool), online=False),
            "no example has 1 out shadow scores .* as rmia needs",
        ),
    ],
)
def test_unusable_options_are_refused_in_one_line(options, message):
    rng = np.random.default_rng(7)
    arguments = dict(phi=rng.normal(size=(8, 6)), keep=balanced(rng, 8, 6)) | options
    with pytest.raises(UserError, match=message):
        rmia(**arguments)


@pytest.mark.parametrize(
    "options", [dict(), dict(online=False), dict(combine="vote"), dict(trim=0.2)]
)
def test_examples_with_empty_lists_are_neither_judged_nor_compared_with(options):
    rng = np.random.default_rng(8)
    phi, keep = rng.normal(size=(8, 30, 3)), balanced(rng, 8, 30)
    keep[:, 4], keep[:, 9] = True, np.arange(8) < 7
    rest = np.isin(np.arange(30), (4, 9), invert=True)
    score = rmia(phi, keep, **options)
    np.testing.assert_array_equal(score[:, rest], rmia(phi[:, rest], keep[:, rest], **options))
    assert np.isnan(score[:, ~rest]).all()
    assert np.isfinite(rmia(phi, keep, population=30, **options)[:, rest]).all()
