"""Chunks cover the models evenly, and become smaller where memory runs out."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.ensemble import chunks, lift
from lira_jax.errors import UserError


@given(
    models=st.integers(0, 40),
    asked=st.integers(0, 12),
    devices=st.integers(1, 4),
    strategy=st.sampled_from(["vmap", "map", "unroll", "loop"]),
)
def test_chunks_cover_the_models_evenly(models, asked, devices, strategy):
    mesh = lift.mesh(devices)
    ids = list(range(100, 100 + models))
    most = chunks.width(strategy, asked, models, mesh)
    parts, width = chunks.chunks(ids, most, mesh)
    assert [i for part in parts for i in part] == ids
    assert all(0 < len(part) <= width <= most for part in parts)
    assert width % devices == 0
    if models:
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert most < min(asked, models) + devices or asked == 0 or strategy == "loop"
        assert most < models + devices
    if strategy == "loop" and models:
        assert width == devices


class OutOfMemory(jax.errors.JaxRuntimeError):
    pass


@given(
    models=st.integers(1, 20),
    devices=st.integers(1, 3),
    width=st.integers(1, 20),
    fits=st.integers(1, 20),
)
def test_out_of_memory_halves_the_chunk_and_goes_on(models, devices, width, fits):
    mesh, done, tried = lift.mesh(devices), [], []

    def run(part, width):
        tried.append(width)
        if width > max(fits, devices):
            raise OutOfMemory("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        assert 0 < len(part) <= width
        assert width % devices == 0
        done.extend(part)

    chunks.in_chunks(list(range(models)), -(-width // devices) * devices, mesh, run)
    assert done == list(range(models))
    assert tried == sorted(tried, reverse=True)


def test_memory_for_not_even_one_model_is_a_clear_error():
    def run(part, width):
        raise OutOfMemory("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    with pytest.raises(UserError, match="--batch_size"):
        chunks.in_chunks([0, 1, 2], 2, lift.mesh(1), run)


def test_other_failures_are_not_taken_for_memory():
    def run(part, width):
        raise OutOfMemory("INTERNAL: something else")

    with pytest.raises(OutOfMemory):
        chunks.in_chunks([0, 1, 2], 2, lift.mesh(1), run)


def test_padding_repeats_the_last_model():
    np.testing.assert_array_equal(chunks.pad([4, 7], 4), [4, 7, 7, 7])
