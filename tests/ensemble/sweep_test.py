"""A sweep gives what one call on all examples would give, whatever the batch."""

import types

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.ensemble import lift
from lira_jax.ensemble.sweep import sweep, usual_batch

IMAGES = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float32)
LABELS = np.arange(23, dtype=np.int32)
STATE = np.array([1.0, -2.0, 3.0], np.float32)  # of three models


class OnDevices:
    """Stands for an array on the devices, which a step indexes there."""

    def __init__(self, array):
        self.array = array

    def __getitem__(self, index):
        return self.array[index]


def step(state, images, labels, index):
    """[models, B, 4] and [models, B], as a lifted step gives them."""
    return {
        "x": state[:, None, None] * images[index],
        "y": state[:, None] * labels[index],
    }


@given(number=st.integers(1, 23), batch=st.integers(1, 40), on_host=st.booleans())
def test_batches_together_are_all_examples_in_their_order(number, batch, on_host):
    images, labels = IMAGES[:number], LABELS[:number]
    parts = list(sweep(step, STATE, images if on_host else OnDevices(images), labels, batch))
    expected = step(STATE, images, labels, np.arange(number))
    for name in expected:
        whole = np.concatenate([part[name] for part in parts], 1)
        np.testing.assert_array_equal(whole, expected[name])
    assert all(len(part["y"][0]) == min(batch, number) for part in parts[:-1])


class Result:
    """What a step has sent to the device to compute; it says when it is fetched."""

    def __init__(self, said):
        self.said = said
        said.append("send")

    def __array__(self, *_, **__):
        self.said.append("fetch")
        return np.zeros((3, 10))


def test_one_program_serves_all_batches_and_the_next_is_sent_before_the_last_is_fetched():
    said = []

    def watched(state, images, labels, index):
        assert (images.shape, labels.shape, index.shape) == ((10, 4), (10,), (10,))
        return Result(said)

    for part in sweep(watched, STATE, IMAGES, LABELS, 10):
        said.append(part.shape[1])
    assert said == ["send", "send", "fetch", 10, "send", "fetch", 10, "fetch", 3]


def test_only_convolutions_on_a_cpu_are_scored_in_small_batches():
    mesh = lift.mesh(1)
    dense, convolutional = (
        types.SimpleNamespace(convolutional=kind, output_shape=(10,)) for kind in (False, True)
    )
    assert usual_batch(mesh, convolutional) < usual_batch(mesh, dense)
