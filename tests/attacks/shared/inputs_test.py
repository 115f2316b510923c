"""What an attack is given is checked once, and cut into blocks without a trace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.attacks.shared import blocks
from lira_jax.attacks.shared.inputs import check
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
PHI = RNG.normal(size=(4, 9, 2))
KEEP = RNG.random((4, 9)) < 0.5
OBSERVED = RNG.normal(size=(3, 9, 2))


@settings(max_examples=40)
@given(st.integers(1, 80), st.sampled_from(["inside", "outside", "counterparts"]))
def test_blocks_together_are_the_attack_on_everything(elements, kind):
    """An attack that reads phi, keep and the targets' own phi of each example."""

    def attack(phi, keep, own):
        assert own.shape[1:] == phi.shape[1:]
        return ((own - phi.mean(0)) * (1 + keep.sum(0))[:, None]).mean(-1)

    targets = None if kind == "outside" else [2, 0, 1]
    inputs = check(PHI, KEEP, targets, None if kind == "inside" else OBSERVED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ELEMENTS", elements)
        found = inputs.scores(attack)
    own = PHI[[2, 0, 1]] if kind == "inside" else OBSERVED
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, attack(PHI, KEEP, own))


def test_every_model_is_a_target_unless_targets_are_named_or_come_from_outside():
    np.testing.assert_array_equal(check(PHI, KEEP).targets, range(4))
    np.testing.assert_array_equal(check(PHI, KEEP, 3).targets, [3])
    assert check(PHI, KEEP, observed=OBSERVED).targets is None
    assert [check(PHI, KEEP, [1, 3]).num_targets, check(PHI, KEEP, None, OBSERVED).num_targets] == [
        2,
        3,
    ]


def test_a_matrix_is_one_query():
    assert check(PHI[:, :, 0], KEEP).phi.shape == (4, 9, 1)


def damaged(array, value):
    array = array.copy()
    array[2, 5, 1] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((PHI, KEEP[:, :8]), r"keep has shape \(4, 8\), phi \(4, 9, 2\)"),
        ((PHI[0, 0], KEEP), r"phi has shape \(2,\): give"),
        ((PHI[:0], KEEP[:0]), r"phi has shape \(0, 9, 2\): give"),
        ((damaged(PHI, np.nan), KEEP), r"phi of model 2 is NaN .* \(first at example 5\)"),
        ((PHI, KEEP, None, damaged(OBSERVED, np.inf)), "phi of outside target 2 is NaN or inf"),
        ((PHI, KEEP, None, OBSERVED[:, :, :1]), r"observed has shape \(3, 9, 1\), phi \(4, 9, 2\)"),
        ((PHI, KEEP, [4]), r"targets=\[4\]: give indices of models, 0 to 3"),
        ((PHI, KEEP, [-1]), r"targets=\[-1\]: give indices"),
        ((PHI, KEEP, []), r"targets=\[\]: give indices"),
        ((PHI, KEEP, [0.0]), r"targets=\[0.0\]: give indices"),
        ((PHI, KEEP, [True, False]), r"targets=\[True, False\]: give indices"),
        ((PHI, KEEP, [0, 1], OBSERVED), "observed has 3 rows for 2 targets"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        check(*arguments)
    assert "\n" not in str(error.value)
