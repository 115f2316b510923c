import threading

import numpy as np
import pytest

from lira_jax import ensemble
from lira_jax.training import feed

X = np.arange(60, dtype=np.uint8).reshape(20, 3)
Y = np.arange(20, dtype=np.int32)
INDICES = np.random.default_rng(0).integers(0, 20, (2, 7, 4))


def test_batches_are_those_of_the_indices_in_order():
    found = list(feed.batches(X, Y, INDICES, ensemble.mesh(2)))
    assert len(found) == 7
    for s, (images, labels) in enumerate(found):
        np.testing.assert_array_equal(images, X[INDICES[:, s]])
        np.testing.assert_array_equal(labels, Y[INDICES[:, s]])
        assert len(images.devices()) == 2


def test_a_failure_in_the_thread_reaches_the_caller():
    with pytest.raises(IndexError):
        list(feed.batches(X, Y, INDICES + 100, ensemble.mesh(1)))


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    for _ in feed.batches(X, Y, INDICES, ensemble.mesh(1)):
        break
    assert threading.active_count() == before
