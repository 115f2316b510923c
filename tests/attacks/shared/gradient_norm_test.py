import numpy as np

from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.attacks.shared.gradient_norm import NORMS
from lira_jax.signals.gradient_norms import NAMES


def test_places_are_those_of_the_signal():
    assert {norm: NAMES.index(norm) for norm in NORMS} == NORMS


def test_it_falls_with_the_norm_and_is_finite_where_that_is_0():
    norms = np.zeros((1, 4, 7), np.float32)
    norms[0, :, 1] = [0, 1e-20, 1, 50]
    for by in "wx":
        found = DERIVED[f"gradient_norm_{by}_l2"].derive({f"gradient_norms_{by}": norms}, None)
        np.testing.assert_allclose(found[0, 1:], -np.log([1e-20, 1, 50]), rtol=1e-6)
        assert found[0, 0] > found[0, 1] + 20
        assert np.isfinite(found).all()
        other = DERIVED[f"gradient_norm_{by}_linf"].derive({f"gradient_norms_{by}": norms}, None)
        assert np.ptp(other) == 0
