"""Outliers take the places of examples of the pool, and it is known which."""

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


def inject(count, kinds, seed=0):
    return outliers.inject(POOL, count, kinds, seed, {"npz:o.npz": OTHER}.get)


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
