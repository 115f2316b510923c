"""Copies are those that are equal as the user saved them, not as float32 has them."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lira_jax.data.duplicates import duplicates, find, rounding


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=3),
        elements=st.sampled_from([0, 1, 2]),
    )
)
@settings(max_examples=100)
def test_duplicates_equal_a_plain_search(x):
    expected = [i for i in range(len(x)) if any((x[i] == x[j]).all() for j in range(i))]
    np.testing.assert_array_equal(duplicates(x), expected)


def test_rows_with_one_hash_are_duplicates_only_if_equal(monkeypatch):
    monkeypatch.setattr("lira_jax.data.duplicates.hash", lambda _: 0, raising=False)
    np.testing.assert_array_equal(duplicates(np.array([[1], [2], [1], [3], [2]])), [2, 4])


def test_zero_and_minus_zero_are_equal():
    np.testing.assert_array_equal(duplicates(np.array([[0.0], [1.0], [-0.0]], np.float32)), [2])


def test_duplicates_of_a_set_as_large_as_cifar10_take_seconds():
    x = np.random.default_rng(0).integers(0, 256, (50000, 3072), np.uint8)
    x[40000] = x[7]
    start = time.perf_counter()
    np.testing.assert_array_equal(duplicates(x), [40000])
    assert time.perf_counter() - start < 5


SECONDS = 1_700_000_000  # a time of 2023 as a number; float32 has every 128th


def _times(step=1.0, count=600):
    """Different times, a copy of two of them, and a column that float32 holds."""
    times = SECONDS + step * np.arange(count)
    raw = np.c_[times, np.arange(count) % 3][[*range(count), 7, 300]]
    return raw.astype(np.float32), raw


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint32])
def test_examples_that_only_the_cast_makes_equal_are_no_duplicates(dtype):
    x, raw = _times()
    copies, merged = find(x, raw.astype(dtype))
    np.testing.assert_array_equal(copies, [600, 601])
    # 600 seconds touch 6 multiples of 128, each with 3 values of the other column.
    assert len(merged) == 600 - 6 * 3
    np.testing.assert_array_equal(np.union1d(copies, merged), duplicates(x))


@settings(max_examples=50)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 8), st.integers(1, 2)),
        elements=st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-12, 1 + 2e-12, 1e-60]),
    )
)
def test_duplicates_before_the_cast_equal_a_plain_search(raw):
    expected = [i for i in range(len(raw)) if any((raw[i] == raw[j]).all() for j in range(i))]
    np.testing.assert_array_equal(find(raw.astype(np.float32), raw)[0], expected)


def _rounding(raw):
    x = raw.astype(np.float32)
    return rounding(x, raw, len(find(x, raw)[1]))


def test_what_the_cast_merges_is_counted_and_the_column_named():
    _, raw = _times()
    assert _rounding(raw) == (
        "582 of 602 examples differ from earlier ones only before the cast to float32: column 0 of "
        "x, 1700000000..1700000599, keeps 6 of its 600 values; subtract its smallest value and "
        "save it again"
    )
    assert "column 0 of x, 1700000000..1700000599, keeps 6" in _rounding(raw.astype(np.int64))


def test_a_column_that_loses_digits_is_named_though_all_examples_still_differ():
    raw = np.c_[np.arange(600) / 7, SECONDS + np.arange(600)]
    assert _rounding(raw).startswith("precision is lost in the cast to float32: column 1 of x, ")
    images = np.random.default_rng(0).random((20, 4, 4, 2)) * [1, 10] + np.array([0, 1e7])
    assert "column 1 of x, 1e+07..1e+07" in _rounding(images)


def test_a_difference_in_the_last_digits_is_counted_without_advice():
    raw = np.array([[0.0], [1.0], [1 + 1e-12], [2.0]])
    assert _rounding(raw) == (
        "1 of 4 examples differ from earlier ones only before the cast to float32: column 0 of x, "
        "0..2, keeps 3 of its 4 values"
    )


@pytest.mark.parametrize(
    "raw",
    [
        np.random.default_rng(0).normal(size=(50, 3)),
        np.random.default_rng(0).random((50, 4, 4, 1)) * 255,
        np.c_[np.full(50, 0.1), np.arange(50)],  # a constant loses nothing
        SECONDS + 86400.0 * np.arange(50)[:, None],
        np.arange(50, dtype=np.uint8)[:, None],
    ],
)
def test_plain_numbers_lose_nothing_worth_a_word(raw):
    assert _rounding(raw) is None
