"""Outliers take the places of examples of the pool or come on top, and it is known which."""

import dataclasses

import numpy as np
import pytest

from lira_jax.data import outliers
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
POOL = Dataset(
    RNG.integers(0, 100, (60, 4, 4, 1), np.uint8), np.arange(60, dtype=np.int32) % 5, num_classes=5
)
OTHER = Dataset(
    RNG.integers(100, 256, (30, 4, 4, 1), np.uint8),
    np.arange(30, dtype=np.int32) % 2,
    num_classes=2,
)


TESTED = dataclasses.replace(
    POOL,
    x_test=RNG.integers(0, 100, (20, 4, 4, 1), np.uint8),
    y_test=np.arange(20, dtype=np.int32) % 5,
)


def inject(count, kinds, seed=0, pool=POOL, **mode):
    return outliers.inject(pool, count, kinds, seed, {"npz:o.npz": OTHER}.get, **mode)


def test_none_leaves_the_pool_as_it_is():
    assert inject(0, "") is POOL


def test_each_kind_replaces_as_many_examples_and_leaves_the_rest():
    found = inject(12, "random_labels,npz:o.npz")
    assert outliers.names("random_labels,npz:o.npz") == ["pool", "random_labels", "npz:o.npz"]
    assert found.sources.dtype == np.int8
    assert np.bincount(found.sources).tolist() == [36, 12, 12]
    pool, relabelled, foreign = (found.sources == i for i in range(3))
    np.testing.assert_array_equal(found.x[~foreign], POOL.x[~foreign])
    np.testing.assert_array_equal(found.y[pool], POOL.y[pool])
    assert (found.y[relabelled] != POOL.y[relabelled]).all()
    assert (found.y < 5).all()
    rows = {x.tobytes(): int(y) for x, y in zip(OTHER.x, OTHER.y, strict=True)}
    put_in = [x.tobytes() for x in found.x[foreign]]
    assert len(set(put_in)) == 12
    assert [rows[x] for x in put_in] == found.y[foreign].tolist()
    assert (POOL.y == np.arange(60) % 5).all()  # the pool itself is not written to


def test_names_are_short_where_that_tells_them_apart():
    assert outliers.names("npz:/a/x.npz, npz:/a/y.npz,random_labels,tfds:a/b:1.0") == [
        "pool",
        "npz:x.npz",
        "npz:y.npz",
        "random_labels",
        "tfds:a/b:1.0",
    ]
    assert outliers.names("npz:/a/x.npz,npz:/b/x.npz") == ["pool", "npz:/a/x.npz", "npz:/b/x.npz"]
    assert outliers.names("") == ["pool"]


def test_wrong_labels_are_uniform_among_the_others():
    big = Dataset(np.zeros((20000, 2), np.float32), np.zeros(20000, np.int32), num_classes=5)
    found = outliers.inject(big, 20000, "random_labels", 1, None)
    np.testing.assert_allclose(
        np.bincount(found.y, minlength=5) / 20000, [0, 0.25, 0.25, 0.25, 0.25], atol=0.015
    )


def test_seeds_differ_and_repeat():
    first, again, other = (inject(10, "random_labels", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.sources, again.sources)
    np.testing.assert_array_equal(first.y, again.y)
    assert (first.sources != other.sources).any()


@pytest.mark.parametrize(
    ("count", "kinds", "message"),
    [
        (31, "random_labels,npz:o.npz", "--outliers=31: 2 x 31 outliers do not fit in 60 examples"),
        (40, "npz:o.npz", "npz:o.npz has only 30 examples"),
    ],
)
def test_too_many_are_refused(count, kinds, message):
    with pytest.raises(UserError, match=message):
        inject(count, kinds)


def test_inserted_outliers_come_after_the_pool_and_mislabelled_ones_leave_the_test_set():
    found = inject(7, "random_labels,npz:o.npz", pool=TESTED, mode="insert")
    np.testing.assert_array_equal(found.sources, np.repeat([0, 1, 2], [60, 7, 7]))
    assert found.sources.dtype == np.int8
    assert (found.x.dtype, found.y.dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(found.x[:60], POOL.x)
    np.testing.assert_array_equal(found.y[:60], POOL.y)
    tested = {x.tobytes(): int(y) for x, y in zip(TESTED.x_test, TESTED.y_test, strict=True)}
    mislabelled = {x.tobytes(): int(y) for x, y in zip(found.x[60:67], found.y[60:67], strict=True)}
    left = {x.tobytes(): int(y) for x, y in zip(found.x_test, found.y_test, strict=True)}
    assert all(tested[x] != y for x, y in mislabelled.items())
    assert (len(mislabelled), len(left)) == (7, 13)
    assert mislabelled.keys() | left.keys() == tested.keys()
    assert all(tested[x] == y for x, y in left.items())
    rows = {x.tobytes(): int(y) for x, y in zip(OTHER.x, OTHER.y, strict=True)}
    assert [rows[x.tobytes()] for x in found.x[67:]] == found.y[67:].tolist()


def test_what_is_inserted_depends_on_the_seed_alone():
    first, again, other = (
        inject(5, "random_labels", seed, TESTED, mode="insert") for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert (first.x != other.x).any()
    assert inject(0, "", mode="insert") is POOL


@pytest.mark.parametrize(
    ("pool", "count", "message"),
    [
        (POOL, 3, "--outliers_from=random_labels: --outliers_mode=insert takes them from the test"),
        (TESTED, 20, "--outliers=20: random_labels .* has only 20 examples and must keep one"),
    ],
)
def test_mislabelled_outliers_need_a_test_set(pool, count, message):
    with pytest.raises(UserError, match=message):
        inject(count, "random_labels", pool=pool, mode="insert")
