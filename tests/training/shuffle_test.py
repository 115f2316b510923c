import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.training import shuffle


@pytest.mark.parametrize(
    ("num_examples", "share"),
    [(1, 1.0), (7, 0.5), (300, 0.5), (1797, 0.5), (70_000, 0.9)],
)
def test_it_is_the_order_of_an_argsort_of_uniform_numbers(num_examples, share):
    keep = np.random.default_rng(0).random((3, num_examples)) < share
    keys = jax.random.split(jax.random.key(num_examples), 3)

    def reference(key, keep):
        return jnp.argsort(jnp.where(keep, jax.random.uniform(key, keep.shape), 2))

    found = jax.jit(jax.vmap(shuffle.members_first))(keys, keep)
    np.testing.assert_array_equal(found, jax.vmap(reference)(keys, keep))


def test_what_the_leading_bits_do_not_tell_apart_is_put_in_order(monkeypatch):
    number = np.random.default_rng(1).integers(0, 6, 50).astype(np.uint32)
    found = shuffle._sorted_by_neighbours(jnp.asarray(number), jnp.arange(50))
    np.testing.assert_array_equal(found, np.argsort(number, stable=True))
    many = np.arange(400) % 3 > 0
    key = jax.random.key(2)
    usual = shuffle.members_first(key, many)
    monkeypatch.setattr(shuffle, "_MOST_EXAMPLES", 100)
    by_argsort = jax.jit(shuffle.members_first.__wrapped__)(key, many)
    np.testing.assert_array_equal(by_argsort, usual)
