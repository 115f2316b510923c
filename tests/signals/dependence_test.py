import jax
import jax.numpy as jnp
import pytest

from lira_jax.signals.dependence import has_gradient

TABLE = jax.ShapeDtypeStruct((9, 3), jnp.float32)
INPUTS = jax.ShapeDtypeStruct((2, 4), jnp.float32)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (lambda table, x: x @ table[:4], True),
        (jax.jit(lambda table, x: jnp.tanh(x) @ table[:4]), True),
        (lambda table, x: table[x.astype(jnp.int32)].sum(1), False),
        (lambda table, x: table[jnp.round(x).astype(jnp.int32)].sum(1) + x[:, :3], True),
        (lambda table, x: jnp.zeros((2, 3)) + table[0], False),
    ],
)
def test_a_table_that_is_looked_up_has_no_gradient(outputs, expected):
    assert has_gradient(outputs, TABLE, INPUTS) == expected
