import numpy as np
import pytest
from null_scores import balanced

from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import leave_out, lists
from lira_jax.errors import UserError


@pytest.mark.parametrize("partner", [True, False])
def test_enough_is_what_the_lists_hold_without_the_target_and_its_partner(partner):
    rng = np.random.default_rng(0)
    keep = rng.random((7, 400)) < rng.random(400)
    phi = np.zeros((7, 400, 1))
    for targets, rows in ((np.arange(7), 1 if partner else 7), (None, 1)):
        inputs = inputs_lib.Inputs(phi, keep, targets, phi if targets is None else None, partner)
        m = leave_out.moments(phi, keep, targets, partner)
        for need_in in range(3):
            for need_out in range(3):
                found = lists.Fewest(need_in, need_out).met(inputs)
                expected = (m.in_count >= need_in) & (m.out_count >= need_out)
                np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))
                assert len(found) == rows


def test_what_is_needed_is_said_in_words():
    assert lists.TWO_EACH.lack == "fewer than 2 in or out scores"
    assert lists.EACH.lack == "no in or out scores"
    assert lists.OUT.lack == "no out scores"
    assert lists.Fewest(1, 2).lack == "no in or fewer than 2 out scores"


def test_the_attack_sees_the_others_alone_and_the_rest_is_nan():
    rng = np.random.default_rng(1)
    keep = np.tile(balanced(rng, 4, 5), 4)  # few odd ones, so that partners go too
    keep[:, :5] = np.arange(4)[:, None] < np.array([2, 0, 2, 4, 3])
    phi, scored = rng.normal(size=(4, 20, 2)), np.isin(np.arange(20), (1, 3, 4), invert=True)
    seen = []

    def run(inputs):
        seen.append(inputs)
        return inputs.block(slice(None))[2].mean(-1)

    for observed in (None, phi[:2] + 1):
        inputs = inputs_lib.check(phi, keep, [3, 1], observed)
        score = lists.on_scored(inputs, lists.EACH, "it", run)
        own = phi[[3, 1]] if observed is None else observed
        np.testing.assert_array_equal(score[:, scored], own.mean(-1)[:, scored])
        assert np.isnan(score[:, ~scored]).all()
        np.testing.assert_array_equal(seen[-1].keep, keep[:, scored])


def test_where_the_target_goes_alone_an_example_can_have_enough_for_some_targets():
    keep = np.arange(4)[:, None] < np.array([1, 4, 0, 2, 3, 0, 4, 2])
    phi = np.random.default_rng(2).normal(size=(4, 8, 1))
    inputs = inputs_lib.check(phi, keep)
    assert not inputs.partner
    score = lists.on_scored(inputs, lists.EACH, "it", lambda given: given.phi[:, :, 0])
    others = keep.sum(0) - keep, (~keep).sum(0) - ~keep
    expected = np.where((others[0] >= 1) & (others[1] >= 1), phi[:, :, 0], np.nan)
    np.testing.assert_array_equal(score, expected)
    assert np.isnan(score[0, 0])  # the only one that trained on it
    assert np.isfinite(score[1:, 0]).all()


def test_nothing_is_copied_where_all_have_enough():
    phi, keep = np.zeros((4, 3, 1)), np.arange(4)[:, None] < 2 * np.ones(3)
    inputs = inputs_lib.check(phi, keep)
    assert lists.on_scored(inputs, lists.EACH, "it", lambda given: given) is inputs


def test_that_none_has_enough_is_an_error_with_the_fix():
    inputs = inputs_lib.check(np.zeros((4, 3)), np.zeros((4, 3), bool))
    message = (
        "no example has 1 in and 1 out shadow scores without the target and its partner, as it "
        r"needs: use more models \(--num_models\) or balanced masks \(--masks=balanced\), or wait"
    )
    with pytest.raises(UserError, match=message):
        lists.on_scored(inputs, lists.EACH, "it", None, ", or wait")
