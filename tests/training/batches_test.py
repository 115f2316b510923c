import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.training import batches


def stream(keep, epochs, batch_size, pkeep=0.5, seed=0, fewest=None):
    steps = -(-round(len(keep) * pkeep) // batch_size)
    passes = batches.passes_in_epoch(fewest or int(keep.sum()), steps, batch_size)
    key = jax.random.key(seed)
    return np.concatenate(
        [
            batches.epoch_batches(key, keep, e, steps=steps, batch_size=batch_size, passes=passes)
            for e in range(epochs)
        ]
    )


@pytest.mark.slow
@settings(max_examples=25)
@given(
    num_examples=st.sampled_from([4, 13, 40]),  # few, for each is compiled
    members=st.integers(1, 39),
    batch_size=st.integers(1, 9),
    epochs=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_every_member_is_seen_equally_often_and_nobody_else(
    num_examples, members, batch_size, epochs, seed
):
    keep = np.zeros(num_examples, bool)
    keep[
        np.random.default_rng(seed).permutation(num_examples)[: min(members, num_examples - 1)]
    ] = True
    seen = np.bincount(stream(keep, epochs, batch_size).ravel(), minlength=num_examples)
    assert (seen[~keep] == 0).all()
    assert seen[keep].max() - seen[keep].min() <= 1
    for pass_start in range(0, seen.sum() - keep.sum() + 1, int(keep.sum())):
        one_pass = stream(keep, epochs, batch_size).ravel()[pass_start : pass_start + keep.sum()]
        assert len(set(one_pass)) == keep.sum()


def test_batches_do_not_depend_on_the_bound_of_passes():
    keep = np.arange(30) % 3 == 0
    np.testing.assert_array_equal(stream(keep, 3, 4, fewest=10), stream(keep, 3, 4, fewest=2))


def test_passes_are_shuffled_anew_and_keys_differ():
    keep = np.ones(50, bool)
    first, second = stream(keep, 2, 50, pkeep=1).reshape(2, 50)
    other = stream(keep, 1, 50, pkeep=1, seed=1).ravel()
    assert (first != second).any()
    assert (first != other).any()


def test_first_member_of_a_pass_is_uniform():
    keep = np.arange(12) % 2 == 0
    firsts = [
        int(
            batches.epoch_batches(jax.random.key(s), keep, 0, steps=1, batch_size=1, passes=2)[0, 0]
        )
        for s in range(600)
    ]
    counts = np.bincount(firsts, minlength=12)[::2]
    assert counts.sum() == 600
    assert ((counts - 100) ** 2 / 100).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


def test_one_pass_has_each_member_once_and_padding_at_its_end():
    keep = np.arange(20) % 2 == 0
    found = [
        np.asarray(batches.one_pass(jax.random.key(0), keep, e, steps=3, batch_size=4))
        for e in range(2)
    ]
    for index in found:
        assert sorted(index[index != batches.PADDING]) == list(range(0, 20, 2))
        assert (index.ravel()[10:] == batches.PADDING).all()
    assert (found[0] != found[1]).any()
    fewer = np.asarray(batches.one_pass(jax.random.key(0), keep, 0, steps=2, batch_size=4))
    assert len(set(fewer.ravel())) == 8
    assert keep[fewer].all()


def test_poisson_batches_are_coin_flips_of_each_member():
    keep = jnp.arange(40) < 30
    draw = jax.jit(
        lambda epoch: batches.poisson_batches(
            jax.random.key(3), keep, epoch, steps=50, expected=6, places=30
        )
    )
    index = np.concatenate([np.asarray(draw(e)) for e in range(20)])
    taken = np.zeros((len(index), 41), bool)
    np.put_along_axis(taken, index, True, 1)  # padding goes to the last column
    taken = taken[:, :-1]
    assert not taken[:, 30:].any()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in index)
    sizes = taken.sum(1)
    assert abs(sizes.mean() - 6) < 4 * np.sqrt(30 * 0.2 * 0.8 / 1000)
    assert abs(sizes.var() / (30 * 0.2 * 0.8) - 1) < 0.2  # of a binomial
    assert np.abs(taken[:, :30].mean(0) - 0.2).max() < 5 * np.sqrt(0.16 / 1000)
    few = np.asarray(
        batches.poisson_batches(jax.random.key(3), keep, 0, steps=50, expected=6, places=4)
    )
    np.testing.assert_array_equal((few >= 0).sum(1), np.minimum(sizes[:50], 4))


def test_whole_batches_are_a_pass_that_leaves_out_the_rest_others_each_time():
    keep = np.arange(100) % 4 == 3  # 25 members
    seen = []
    for epoch in range(40):
        index = batches.whole_batches(jax.random.key(0), keep, epoch, steps=3, batch_size=8)
        assert index.shape == (3, 8)
        assert len(np.unique(index)) == 24
        assert keep[np.asarray(index)].all()
        seen.append(set(np.asarray(index).ravel().tolist()))
    left_out = [set(range(3, 100, 4)) - own for own in seen]
    assert len(set.union(*left_out)) > 10


def test_a_model_with_fewer_members_sees_some_of_them_twice():
    keep = np.arange(50) < 22
    index = batches.whole_batches(jax.random.key(1), keep, 0, steps=3, batch_size=8)
    counts = np.bincount(np.asarray(index).ravel(), minlength=50)
    assert counts[:22].tolist().count(2) == 2
    assert counts[:22].min() == 1
    assert counts[22:].sum() == 0
