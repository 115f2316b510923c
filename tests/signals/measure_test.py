"""All signals of a model come from one forward pass, and each is what its function gives."""

import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.data import augment
from lira_jax.models.network import Network
from lira_jax.signals import measure
from lira_jax.signals.phi import phi
from lira_jax.signals.table import measures

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (9, 6, 6, 1)).astype(np.uint8)
LABELS = RNG.integers(0, 3, 9).astype(np.int32)
WEIGHTS = RNG.normal(size=(36, 3)).astype(np.float32) / 200


def spread(outputs, labels):
    return jnp.stack([outputs.max(-1), outputs.min(-1)], -1)


def network(calls, classifies=True):
    def outputs(variables, inputs):
        calls.append(inputs.shape)
        return inputs.reshape(len(inputs), -1).astype(jnp.float32) @ variables

    return Network(
        init=None,
        outputs=outputs,
        evaluate=outputs,
        by_example=outputs,
        layers=None,
        shapes=WEIGHTS,
        convolutional=False,
        classifies=classifies,
        signals={
            "spread": lambda outputs, labels: jnp.stack([outputs.max(-1), outputs.min(-1)], -1)
        },
        normalizer=None,
    )


def queries(index, grid):
    """Outputs of the queries one by one, [B, queries, classes]."""
    views = np.asarray(augment.query_views(IMAGES, index, grid)).astype(np.float32)
    return (views.reshape(len(views), -1) @ WEIGHTS).reshape(len(index), len(grid), 3)


@pytest.mark.parametrize("number", [1, 2, 18])
def test_one_forward_pass_gives_all_signals_of_all_queries(number):
    calls, grid, index = [], augment.query_grid(number), np.array([4, 0, 7])
    step = measure.make_step(
        network(calls), measures(["phi", "logits", "spread"], network([])), grid, plain=("logits",)
    )
    signals, outputs = step(WEIGHTS, IMAGES, LABELS, index)
    assert calls == [(3 * number, 6, 6, 1)]
    expected = queries(index, grid)
    np.testing.assert_allclose(signals["logits"], expected[:, 0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        signals["phi"], phi(expected, LABELS[index][:, None]), rtol=1e-4, atol=1e-4
    )
    both = np.stack([expected.max(-1), expected.min(-1)], -1)
    np.testing.assert_allclose(signals["spread"], both, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(outputs.predicted, expected[:, 0].argmax(-1))
    np.testing.assert_allclose(outputs.low, expected[:, 0].min(-1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs.high, expected[:, 0].max(-1), rtol=1e-4, atol=1e-4)


def test_shapes_are_of_one_example():
    step = measure.make_step(
        network([]),
        measures(["phi", "logits", "spread"], network([])),
        augment.query_grid(2),
        plain=("logits",),
    )
    found = measure.shapes(step, network([]), IMAGES, LABELS)
    assert found == {"phi": (2,), "logits": (3,), "spread": (2, 2)}


def test_a_network_that_predicts_no_labels_has_no_predictions():
    other = network([], classifies=False)
    step = measure.make_step(other, measures(["spread"], other), augment.query_grid(1), plain=())
    _, outputs = step(WEIGHTS, IMAGES, LABELS, np.array([1]))
    assert outputs.predicted is None
    assert outputs.low.shape == outputs.high.shape == (1,)
