import dataclasses
import threading

import jax
import numpy as np
import pytest

from lira_jax.data import masks
from lira_jax.data.dataset import Dataset, check
from lira_jax.ensemble import feed, lift
from lira_jax.experiment import Experiment
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP
from lira_jax.signals.score import score_models
from lira_jax.training import loop

X = np.arange(60, dtype=np.uint8).reshape(20, 3)
Y = np.arange(20, dtype=np.int32)
INDICES = np.random.default_rng(0).integers(0, 20, (2, 7, 4))


def test_batches_are_those_of_the_indices_in_order():
    found = list(feed.batches(X, Y, INDICES, lift.mesh(2)))
    assert len(found) == 7
    for s, (images, labels) in enumerate(found):
        np.testing.assert_array_equal(images, X[INDICES[:, s]])
        np.testing.assert_array_equal(labels, Y[INDICES[:, s]])
        assert len(images.devices()) == 2


def test_several_batches_a_step_come_together():
    mine, others = INDICES, (INDICES + 1) % 20
    found = list(feed.batches(X, Y, (mine, others), lift.mesh(1)))
    assert len(found) == 7
    for s, ((images, _), (_, labels)) in enumerate(found):
        np.testing.assert_array_equal(images, X[mine[:, s]])
        np.testing.assert_array_equal(labels, Y[others[:, s]])


def test_a_failure_in_the_thread_reaches_the_caller():
    with pytest.raises(IndexError):
        list(feed.batches(X, Y, INDICES + 100, lift.mesh(1)))


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    for _ in feed.batches(X, Y, INDICES, lift.mesh(1)):
        break
    assert threading.active_count() == before


class Watched:
    """A lifted program that looks at the arrays on the devices whenever it is called."""

    def __init__(self, program, look):
        self.program, self.look = program, look

    def __call__(self, *arguments):
        self.look()
        result = self.program(*arguments)
        self.look()
        return result

    def __getattr__(self, name):
        return getattr(self.program, name)


def most_on_devices(path, monkeypatch, data_on):
    """Trains and scores; returns the most images and bytes on the devices at any time."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (1200, 16, 16, 3), np.uint8), np.arange(1200) % 3
    dataset = check(Dataset(x, y, x_test=x, y_test=y))
    images, size = [], []

    def look():
        alive = jax.live_arrays()
        images.append(sum(a.size // x[0].size for a in alive if a.shape[-3:] == x.shape[1:]))
        size.append(sum(a.nbytes for a in alive))

    lift_one = lift.lift
    monkeypatch.setattr(lift, "lift", lambda *a, **k: Watched(lift_one(*a, **k), look))
    monkeypatch.setattr("lira_jax.training.metrics.usual_batch", lambda *_, **__: 16)
    e = Experiment(
        num_models=2,
        model="mlp",
        hidden=(4,),
        epochs=2,
        batch_size=8,
        queries=2,
        save_logits="all",
        score_batch_size=32,
        data_on=data_on,
        log_every=1,
        strategy="vmap",
    )
    run = RunDirectory(path)
    run.settle_experiment(e, {f.name for f in dataclasses.fields(e)})
    keep, mesh = masks.draw("balanced", 2, 1200), lift.mesh(1)
    run.write_once(KEEP, keep)
    network = loop.check(e, dataset, devices=mesh)
    loop.train(e, network, dataset, keep, run, [0, 1], mesh)
    score_models(e, network, dataset, run, [0, 1], mesh)
    assert len(images) > 300
    return max(images), max(size)


@pytest.mark.slow
def test_data_on_the_host_are_on_the_device_by_the_batch_alone(tmp_path, monkeypatch):
    pool = 1200 * 16 * 16 * 3
    images, size = most_on_devices(tmp_path / "device", monkeypatch, "device")
    assert images >= 1200
    assert size > pool
    monkeypatch.undo()
    images, size = most_on_devices(tmp_path / "host", monkeypatch, "host")
    # 2 models x 8 a batch: the batches that wait, one in the hand of the thread, one in use and one
    # about to be.
    assert 16 <= images <= 16 * (feed._AHEAD + 3)
    assert size < pool / 4
