"""The programs of training as they are described before anything is compiled.

loop_test.py and tuning_test.py run them.
"""

import types

import jax
import numpy as np
import pytest

from lira_jax.data.dataset import Dataset, check
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment
from lira_jax.training.programs import Plan, Programs, bytes_needed

X = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)
DATA = check(Dataset(X, np.arange(40) % 4, X[:7], np.arange(7) % 4))


def programs(devices=1, by_step=False, strategy="loop", **fields):
    e = Experiment(**{"hidden": (4,), "batch_size": 6, "num_models": 4, **fields})
    plan = Plan(strategy, "plain", devices)
    return Programs(e, DATA, (20, 20), lift.mesh(devices), plan, by_step=by_step)


CONVOLUTIONAL = {"model": "tiny_models:tiny_conv", "hidden": (512, 256)}


@pytest.mark.parametrize(
    ("fields", "scan"),
    [
        ({}, True),
        ({"by_step": True}, False),  # as it is timed
        ({"data_on": "host"}, False),
        (CONVOLUTIONAL, False),  # whose gradients XLA:CPU is slow at inside a compiled loop
    ],
)
def test_an_epoch_is_one_program_where_that_is_fast(fields, scan):
    assert programs(**fields).scan == scan


@pytest.mark.parametrize("fields", [{}, {"by_step": True}, {"data_on": "host"}])
def test_the_arguments_that_are_compiled_for_are_those_of_so_many_models(fields):
    one = programs(devices=2, **fields)
    state, ids, drawn, step, *shared = one.train_arguments(4)
    assert one.steps == 4  # 20 members in batches of 6
    assert all(leaf.shape[0] == 4 for leaf in jax.tree.leaves((state, ids, drawn)))
    alone = jax.tree.map(lambda a: (a.shape[1:], a.dtype), state)
    assert alone == jax.tree.map(lambda a: (a.shape, a.dtype), one.state)
    assert step.shape == ()
    if fields.get("data_on") == "host":
        ((images, labels),) = drawn
        assert (images.shape, images.dtype, labels.shape) == ((4, 6, 4, 4, 1), np.uint8, (4, 6))
        assert shared == []
    else:
        (index,) = drawn
        assert index.shape == ((4, 4, 6) if one.scan else (4, 6))
        assert [a.shape for a in shared] == [(40, 4, 4, 1), (40,)]
    # Tracing would find any argument of another shape.
    assert one.train.lower(*one.train_arguments(4)).args_info


def test_steps_on_the_host_are_given_the_batches_that_were_drawn(monkeypatch):
    one = programs(data_on="host")
    drawn = (np.random.default_rng(0).integers(0, 40, (1, 3, 6)),)
    seen = []

    def train(state, ids, batch, step):
        ((images, labels),) = batch
        seen.append((int(step), np.asarray(images[0]), np.asarray(labels[0])))
        return state + 1, {"loss": np.array([float(step)])}

    one.train = train
    state, metrics = one.run_epoch(0, np.array([7]), drawn, 5, DATA.x, DATA.y)
    assert state == 3
    first = 5 * one.steps
    np.testing.assert_array_equal(metrics["loss"], [[first, first + 1, first + 2]])
    for s, (step, images, labels) in enumerate(seen):
        assert step == first + s
        np.testing.assert_array_equal(images, DATA.x[drawn[0][0, s]])
        np.testing.assert_array_equal(labels, DATA.y[drawn[0][0, s]])


def test_the_bytes_are_arguments_results_and_what_lies_between_but_none_twice():
    sizes = {"argument": 100, "output": 80, "alias": 60, "temp": 7}
    memory = types.SimpleNamespace(**{f"{n}_size_in_bytes": size for n, size in sizes.items()})
    assert bytes_needed(types.SimpleNamespace(memory_analysis=lambda: memory)) == 127
    assert bytes_needed(types.SimpleNamespace(memory_analysis=lambda: None)) == 0
