"""The attack of Long et al. against scipy, one target and example at a time, and on noise."""

import numpy as np
import pytest
from attacks.shared import smoothed_share_test
from null_scores import assert_chance, auc, balanced, noise
from scipy.spatial.distance import cdist

from lira_jax.attacks import long
from lira_jax.attacks.long import long_attack, long_fraction
from lira_jax.attacks.shared import blocks
from lira_jax.errors import UserError

ALL = dict(distance=0.1, neighbours=np.inf)  # attacks every example


@pytest.mark.parametrize("neighbours", [0, 0.5, 1, 1.3, 7, 40, np.inf])
@pytest.mark.parametrize("pkeep", [0, 0.1, 0.5])
def test_the_examples_that_are_attacked_are_those_of_a_full_count(neighbours, pkeep):
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1, (3, 12, 4))[:, rng.integers(0, 12, 75)]
    logits += rng.normal(0, 0.3, logits.shape)
    features = (logits - logits.mean(-1, keepdims=True)).transpose(1, 0, 2).reshape(75, -1)
    near = (cdist(features, features, "cosine") < 0.2).sum(1) - 1
    got = long._alone(logits, np.float64(pkeep), 0.2, neighbours)
    np.testing.assert_array_equal(got, near * pkeep < neighbours)


def test_only_examples_with_few_neighbours_expected_in_a_training_set_are_attacked():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 0.1, (8, 12, 30))
    logits[:, :4] += rng.normal(0, 1, 30)  # 3 neighbours each, half of them in a training set
    logits[:, 4:7] += rng.normal(0, 1, 30)  # 2 neighbours each
    logits[:, 7:] += rng.normal(0, 1, (5, 30))  # none
    keep = balanced(rng, 8, 12)
    phi = np.where(keep, 5.0, 0) + rng.normal(0, 0.1, (8, 12))
    for neighbours, attacked in ((0.5, range(7, 12)), (1.25, range(4, 12)), (2, range(12))):
        score = long_attack(phi, logits, keep, neighbours=neighbours)
        np.testing.assert_array_equal(np.flatnonzero(score.any(0)), attacked)
        assert np.all(score[keep] >= 0)


def test_members_score_higher_the_lower_their_loss():
    rng = np.random.default_rng(4)
    phi = rng.normal(0, 1, (16, 5))
    keep = balanced(rng, 16, 5)
    observed = np.linspace(-1, 30, 50)[:, None] + np.zeros(5)
    score = long_attack(phi, rng.normal(size=(16, 5, 3)), keep, observed=observed, **ALL)
    assert np.all(np.diff(score, axis=0) >= 0)
    assert np.all(
        np.diff(score[observed[:, 0] > phi.max()], axis=0) > 0
    )  # no tie below all shadows' losses


def test_examples_that_were_learnt_by_heart_are_found():
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 0.1, (32, 400, 30)) + rng.normal(0, 1, 30)
    logits[:, :60] += rng.normal(
        0, 3, (60, 30)
    )  # these are like no other, and only their loss is lower in a member
    keep = balanced(rng, 32, 400)
    phi = rng.normal(0, 1, (32, 400))
    phi[:, :60] += 3 * keep[:, :60]
    score = long_attack(phi, logits, keep)
    np.testing.assert_array_equal(np.flatnonzero(score.any(0)), range(60))
    assert auc(score[:, :60], keep[:, :60]) > 0.9


@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_gives_chance(num_models):
    phi, keep = noise(num_models)
    phi, keep = phi[:, :12000], keep[:, :12000]
    logits = np.random.default_rng(num_models).normal(size=(*keep.shape, 2))
    assert_chance(long_attack(phi, logits, keep, **ALL), keep)


def test_which_examples_are_attacked_says_nothing_of_a_non_member():
    """A non-member's rank among n out shadows is uniform on 0..n though all models' outputs choose
    the examples."""
    rng = np.random.default_rng(6)
    num_models, num_examples = 8, 3000
    keep = balanced(rng, num_models, num_examples)
    # The members' outputs, and only they, point away from all others': the choice depends on what
    # is to be inferred.
    logits = np.array([4.0, 0, 0]) + rng.normal(0, 1.2, (num_models, num_examples, 3)) * (
        1 + keep[:, :, None]
    )
    phi = logits[:, :, 0] - np.logaddexp(logits[:, :, 1], logits[:, :, 2])
    score = long_attack(phi, logits, keep, distance=0.3, neighbours=100)
    attacked = score.any(0)
    assert 0.05 < attacked.mean() < 0.95
    p = np.exp(-score[:, attacked])[~keep[:, attacked]]
    num_out = num_models // 2 - 1
    rank = np.ceil(
        np.round(p * num_out, 9)
    )  # p in ((k - 1) / n, k / n] lies between the (k - 1)-th and k-th loss
    share = np.array([np.mean(rank <= k) for k in range(1, num_out + 1)])
    expected = np.arange(1, num_out + 1) / (num_out + 1)
    expected[-1] = 1  # above all losses p is 1 too
    # The ranks of one example's out shadows hang together: its models are one observation.
    np.testing.assert_allclose(share, expected, atol=4 * np.sqrt(0.25 / attacked.sum()))


def test_outside_targets_are_judged_by_all_models():
    rng = np.random.default_rng(7)
    phi, keep = rng.normal(0, 1, (9, 20)), balanced(rng, 8, 20)
    loss = np.logaddexp(0, -phi)
    score = long_attack(
        phi[:8], rng.normal(size=(8, 20, 3)), keep, observed=phi[8:, :, None], **ALL
    )
    np.testing.assert_allclose(
        np.exp(-score), smoothed_share_test.naive(loss[:8], keep, loss[8:], None), rtol=1e-9
    )


def test_only_the_plain_query_counts_and_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(8)
    phi, logits, keep = (
        rng.normal(size=(8, 30, 2)),
        rng.normal(size=(8, 30, 3)),
        balanced(rng, 8, 30),
    )
    expected = long_attack(phi[:, :, 0], logits, keep, **ALL)
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 50)
    np.testing.assert_array_equal(long_attack(phi, logits, keep, **ALL), expected)
    np.testing.assert_array_equal(long_attack(phi, logits, keep, [5, 2], **ALL), expected[[5, 2]])


def test_extreme_losses_give_finite_scores():
    rng = np.random.default_rng(9)
    keep = balanced(rng, 8, 40)
    phi = rng.choice([-900.0, -1, 0, 40, 80, 900], (8, 40)).astype(np.float32)
    score = long_attack(phi, rng.normal(size=(8, 40, 3)), keep, **ALL)
    assert np.isfinite(score).all()
    assert score.min() == 0


def test_an_example_that_every_shadow_trained_on_has_no_score():
    rng = np.random.default_rng(10)
    phi, logits, keep = rng.normal(size=(4, 6)), rng.normal(size=(4, 6, 3)), balanced(rng, 4, 6)
    keep[:, 3] = [False, True, True, True]
    options = dict(distance=1e-6, neighbours=0.4)
    scores = long_attack(phi, logits, keep, **options)
    np.testing.assert_array_equal(np.isnan(scores), np.arange(6) == 3 * np.ones((4, 1)))
    # It is a neighbour all the same: which examples are attacked does not depend on it.
    rest = np.arange(6) != 3
    assert (scores[:, rest] > 0).any()
    twin = logits.copy()
    twin[:, 2] = twin[:, 3]
    assert (long_attack(phi, twin, keep, **options)[:, 2] == 0).all()
    whole = long_attack(phi, logits, keep, observed=phi)  # nothing is left out
    assert np.isfinite(whole).all()
    with pytest.raises(UserError, match=r"no example has 1 out shadow scores .* as long needs"):
        long_attack(phi, logits, np.ones((4, 6), bool))
    with pytest.raises(UserError, match=r"logits has shape \(4, 6\): give"):
        long_attack(phi, phi, keep)


def test_the_fraction_with_the_farthest_nearest_neighbour_is_attacked_by_the_same_p_value():
    rng = np.random.default_rng(11)
    phi, keep = rng.normal(size=(8, 40)), balanced(rng, 8, 40)
    logits = rng.normal(0, 0.1, (8, 40, 30)) + rng.normal(0, 1, 30)
    logits[:, 30:] += rng.normal(0, 1, (10, 30)) * np.arange(1, 11)[:, None]
    everybody = long_attack(phi, logits, keep, **ALL)
    features = (logits - logits.mean(-1, keepdims=True)).transpose(1, 0, 2).reshape(40, -1)
    distance = cdist(features, features, "cosine") + 9 * np.eye(40)
    order = np.argsort(-distance.min(1))
    for fraction, number in ((0.05, 2), (0.09, 4), (0.15, 6), (1, 40)):  # pairs are at one distance
        expected = np.zeros_like(everybody)
        expected[:, order[:number]] = everybody[:, order[:number]]
        found = long_fraction(phi, logits, keep, fraction=fraction)
        np.testing.assert_array_equal(found, expected)
    same = np.ones((8, 40, 3))  # of examples at one distance the first are taken
    attacked = long_fraction(phi, same, keep, fraction=0.5).any(0)
    np.testing.assert_array_equal(attacked, everybody.any(0) & (np.arange(40) < 20))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, np.nan])
def test_what_is_no_fraction_is_refused(fraction):
    with pytest.raises(UserError, match="give a number above 0 and at most 1"):
        long_fraction(np.zeros((4, 6)), np.zeros((4, 6, 3)), np.eye(4, 6) > 0, fraction=fraction)
