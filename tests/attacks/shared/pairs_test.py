import numpy as np
import pytest

from lira_jax.attacks.shared import leave_out, pairs
from lira_jax.data import masks


def test_every_example_is_in_and_out_equally_often_whatever_the_targets_membership():
    keep = masks.draw("balanced", 8, 500, seed=1)
    models, examples = pairs.sample(keep, 3, 10**9)
    label = keep[models, examples]
    assert (models != 3).all()
    assert len(set(zip(models.tolist(), examples.tolist(), strict=True))) == 6 * 500
    for bit in (True, False):
        np.testing.assert_array_equal(np.bincount(examples[label == bit], minlength=500), 3)


def test_the_pairs_left_out_are_the_target_and_its_partners():
    keep = masks.draw("balanced", 7, 60, pkeep=3 / 7, seed=3)
    for target in range(7):
        models, examples = pairs.sample(keep, target, 10**9)
        left = np.zeros(keep.shape, bool)
        left[models, examples] = True
        expected = np.ones(keep.shape, bool)
        expected[target] = False
        for i, partner in enumerate(leave_out.partners(keep, np.array([target]))[0]):
            if partner >= 0:
                expected[partner, i] = False
        np.testing.assert_array_equal(left, expected)


def naive(keep, target, limit, seed):
    """The draw by a list of all pairs that are left."""
    generator = np.random.default_rng([seed, pairs._STREAM, 0 if target is None else target + 1])
    allowed = np.ones(keep.shape, bool)
    if target is not None:
        allowed[target] = False
        if leave_out.with_partner(keep):
            for i, model in enumerate(leave_out.partners(keep, np.array([target]))[0]):
                allowed[model, i] &= model < 0
    flat = np.flatnonzero(allowed)
    if limit < len(flat):
        flat = generator.choice(flat, limit, replace=False, shuffle=True)
    else:
        flat = generator.permutation(flat)
    return np.unravel_index(flat, keep.shape)


@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
@pytest.mark.parametrize("limit", [1, 77, 12000, 10**9])  # numpy draws few and many otherwise
def test_the_draw_is_that_from_a_list_of_all_pairs(kind, limit):
    keep = masks.draw(kind, 9 if kind == "bernoulli" else 8, 3000, seed=4)
    for target in (None, 0, 5):
        expected = naive(keep, target, limit, 6)
        np.testing.assert_array_equal(pairs.sample(keep, target, limit, 6), expected)
        models, examples = pairs.sample(keep, target, limit, 6, in_order=True)
        flat = np.sort(np.ravel_multi_index(expected, keep.shape))
        np.testing.assert_array_equal(models * 3000 + examples, flat)


def test_of_coin_flips_the_target_alone_is_left_out():
    keep = masks.draw("bernoulli", 7, 60, seed=3)
    models, examples = pairs.sample(keep, 2, 10**9)
    assert (models != 2).all()
    assert len(set(zip(models.tolist(), examples.tolist(), strict=True))) == 6 * 60


def test_an_outside_target_leaves_nothing_out():
    keep = masks.draw("balanced", 4, 50)
    models, _ = pairs.sample(keep, None, 10**9)
    assert len(models) == 200


@pytest.mark.parametrize("target", [0, None])
def test_a_limited_draw_is_uniform_without_repeats(target):
    keep = masks.draw("balanced", 4, 100, seed=2)
    counts = np.zeros(keep.shape)
    for seed in range(400):
        sampled = pairs.sample(keep, target, 50, seed)
        assert len(sampled[0]) == 50
        counts[sampled] += 1
    assert counts.max() <= 400
    possible = counts[counts > 0]
    assert len(possible) == (400 if target is None else 200)
    expected = 400 * 50 / len(possible)
    assert abs(possible - expected).max() < 6 * np.sqrt(expected)


def test_draws_repeat_and_targets_differ():
    keep = masks.draw("balanced", 4, 100)
    first, again, other = (pairs.sample(keep, t, 40, seed=5) for t in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first[1] != other[1])


@pytest.mark.parametrize("target", [None, 2])
def test_few_shadow_models_are_the_next_ones_without_the_target(target):
    keep = masks.draw("balanced", 8, 300, seed=2)
    assert pairs.few_shadows(8, target, 0, 0) is pairs.few_shadows(8, target, 0, 8) is None
    only = pairs.few_shadows(8, target, 5, 7)
    if target is not None:
        assert only is None  # these are all
        only = pairs.few_shadows(8, 6, 0, 3)
        assert only.tolist() == [7, 0, 1]
    models, examples = pairs.sample(keep, target, 10**9, only=np.array([3, 4]))
    everyone = pairs.sample(keep, target, 10**9, in_order=True)
    rows = np.isin(everyone[0], [3, 4])
    found = np.sort(models * 300 + examples)
    np.testing.assert_array_equal(found, everyone[0][rows] * 300 + everyone[1][rows])
