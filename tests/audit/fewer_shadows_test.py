import numpy as np
import pytest

from lira_jax.attacks.lira import lira
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.audit import fewer_shadows
from lira_jax.data import masks
from lira_jax.evaluation.roc import auc, roc


def test_half_of_the_shadows_are_in_and_the_target_is_not_among_them():
    keep = masks.draw("bernoulli", 12, 200, seed=0)
    assert fewer_shadows.most(keep) == 10
    for num_shadows in range(2, 11, 2):
        enough = fewer_shadows.enough(keep, num_shadows)
        left = np.minimum(keep.sum(0), (~keep).sum(0)) - 1
        np.testing.assert_array_equal(enough, left >= num_shadows // 2)
        own = keep[:, enough]
        chosen = fewer_shadows.choose(own, 3, num_shadows)
        assert chosen.shape == (num_shadows, enough.sum())
        assert (chosen != 3).all()
        assert all(len(set(column)) == num_shadows for column in chosen.T)
        member = own[chosen, np.arange(enough.sum())]
        assert member[: num_shadows // 2].all()
        assert not member[num_shadows // 2 :].any()


def test_every_other_model_is_chosen_equally_often():
    keep = masks.draw("balanced", 8, 6000, seed=1)
    chosen = fewer_shadows.choose(keep, 0, 2)
    counts = np.bincount(chosen.ravel(), minlength=8)
    assert counts[0] == 0
    assert abs(counts[1:] - 12000 / 7).max() < 5 * np.sqrt(12000 / 7)


def test_all_but_one_of_balanced_masks_can_be_had():
    assert fewer_shadows.most(masks.draw("balanced", 8, 50)) == 6


@pytest.mark.parametrize("num_shadows", [4, 6])
def test_noise_stays_at_chance(num_shadows):
    rng = np.random.default_rng(2)
    keep = masks.draw("balanced", 8, 4000, seed=2)
    phi = rng.normal(size=(8, 4000, 1))
    evidence = Evidence.of_arrays(np.zeros(4000, int), keep, Inside(np.arange(8)), phi=phi)
    scores, members = [], []
    for target in range(8):
        few = fewer_shadows.restrict(evidence, target, num_shadows)
        scores.append(lira(few.signals["phi"], few.keep, observed=few.of_targets("phi"))[0])
        members.append(few.members[0])
    area = auc(roc(np.concatenate(scores), np.concatenate(members)))
    assert abs(area - 0.5) < 4 * np.sqrt(1 / 12 / 16000 * 2)
