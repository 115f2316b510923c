import numpy as np
import pytest

from lira_jax.attacks.kinds import features, scalar
from lira_jax.attacks.shared.plain import is_plain
from lira_jax.attacks.shared.signals import Signals
from lira_jax.errors import UserError

ARRAYS = {
    "phi": np.ones((2, 5, 3)),
    "gradient_norms_w": np.ones((2, 5, 7)),
    "boundary_distance": np.ones((2, 5)),
    "layer=Dense_0": np.ones((2, 5, 4)),
}
SIGNALS = Signals(ARRAYS, np.zeros(5, int))


def test_queries_are_taken_only_of_signals_that_have_them():
    first = SIGNALS.plain()
    assert {n: first[n].shape for n in ARRAYS} == {
        **{n: a.shape for n, a in ARRAYS.items()},
        "phi": (2, 5, 1),
    }
    assert not is_plain("phi")
    assert is_plain("layer=Dense_0")


def test_several_features_are_no_scalar():
    assert scalar(SIGNALS, "boundary_distance").shape == (2, 5, 1)
    for name in ("gradient_norms_w", "layer=Dense_0"):
        with pytest.raises(UserError, match=f"{name} is not one number an example"):
            scalar(SIGNALS, name)


def test_features_are_of_the_plain_query():
    shapes = {n: features(SIGNALS, n).shape[2] for n in ARRAYS}
    assert shapes == {"phi": 1, "gradient_norms_w": 7, "boundary_distance": 1, "layer=Dense_0": 4}


@pytest.mark.parametrize("name", ["merlin", "gradient_norms_w", "layer=Dense_1"])
def test_what_is_not_saved_is_told_with_its_command(name):
    with pytest.raises(UserError, match=f"run lira-score --signals=phi,{name}"):
        Signals({"phi": ARRAYS["phi"]}, np.zeros(5, int))[name]
