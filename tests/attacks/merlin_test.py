"""MERLIN's scale is the best of other models, whatever the target's own membership."""

import numpy as np
import pytest
from null_scores import balanced
from sklearn.metrics import roc_auc_score

from lira_jax.attacks.merlin import best_scale, merlin
from lira_jax.attacks.pair_kinds import merlin_line
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.errors import UserError


def shares(rng, keep, gaps):
    """Counts of 100, a scale each for some gaps between members and non-members."""
    chance = 0.5 + np.array(gaps) * np.where(keep[..., None], 0.5, -0.5)
    return rng.binomial(100, chance) / 100


def test_the_scale_is_that_of_the_largest_auc_with_ties():
    rng = np.random.default_rng(0)
    members = rng.random(300) < 0.3
    found = rng.binomial(5, np.where(members[:, None], [0.5, 0.5, 0.55], 0.45)) / 5
    areas = [roc_auc_score(members, column) for column in found.T]
    assert best_scale(found, members) == int(np.argmax(areas))
    assert best_scale(found[members], members[members]) == 0


def test_every_target_gets_its_shares_at_the_scale_that_tells_most_of_others():
    rng = np.random.default_rng(1)
    keep = balanced(rng, 8, 100)
    values = shares(rng, keep, [0, 0.2, 0.05])
    np.testing.assert_array_equal(merlin(values, keep), values[..., 1])
    np.testing.assert_array_equal(merlin(values, keep, targets=[3]), values[3:4, :, 1])
    own = shares(rng, keep[:1], [0.9, 0, 0])  # of an outside target it is not known what tells
    np.testing.assert_array_equal(merlin(values, keep, observed=own), own[..., 1])


def test_the_targets_own_membership_chooses_nothing():
    """One model tells all by scale 0, the others by scale 2."""
    rng = np.random.default_rng(2)
    keep = balanced(rng, 8, 100)
    values = shares(rng, keep, [0, 0, 0.2])
    values[5, :, 0] = keep[5]
    np.testing.assert_array_equal(merlin(values, keep)[5], values[5, :, 2])


def test_nothing_is_found_where_there_is_nothing():
    rng = np.random.default_rng(3)
    areas = []
    for _ in range(20):
        keep = balanced(rng, 8, 100)
        scores = merlin(shares(rng, keep, [0, 0, 0]), keep)
        areas.append(roc_auc_score(keep.ravel(), scores.ravel()))
    assert abs(np.mean(areas) - 0.5) < 4 * np.std(areas, ddof=1) / np.sqrt(20)


def test_a_run_without_the_signal_is_told_how_to_score_it():
    rng = np.random.default_rng(4)
    keep = balanced(rng, 4, 10)
    phi = rng.normal(size=(4, 10, 1))
    e = Evidence.of_arrays(np.zeros(10, int), keep, Inside(np.arange(4)), phi=phi)
    with pytest.raises(UserError, match=r"signal merlin, .*lira-score --signals=phi,merlin"):
        merlin_line("", "").run(e)
