"""Blocks change no number, and no block is larger than asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.signals.blocks import in_blocks


@pytest.mark.parametrize("block", [1, 2, 3, 5, 7, 100])
def test_all_examples_are_computed_once_in_their_order(block):
    x, y = jnp.arange(14.0).reshape(7, 2), jnp.arange(7)
    found = in_blocks(lambda x, y: x.sum() + 10 * y, (x, y), block)
    np.testing.assert_array_equal(found, x.sum(-1) + 10 * y)


def test_no_array_has_more_examples_than_a_block():
    def wide(x):
        return jnp.tile(x, 1000).sum()

    text = str(jax.make_jaxpr(lambda x: in_blocks(wide, (x,), 3))(jnp.ones((8, 2))))
    assert "f32[3,2000]" in text
    assert "f32[8,2000]" not in text
