"""Models that are scored while they train: the same files as of finished models, once each."""

import dataclasses

import numpy as np
import pytest

from lira_jax.data import masks
from lira_jax.data.dataset import Dataset, check
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment
from lira_jax.runs import checkpoint, layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL
from lira_jax.signals.epochs import EpochScorer
from lira_jax.signals.score import score_models
from lira_jax.training import loop

E = Experiment(
    num_models=3,
    masks="bernoulli",
    model="mlp",
    hidden=(8,),
    epochs=4,
    batch_size=8,
    learning_rate=0.02,
    schedule="constant",
    checkpoint_every=2,
    queries=2,
    strategy="loop",
    score_epochs="1,every:2",
)
RNG = np.random.default_rng(0)
Y = (np.arange(40) % 3).astype(np.int32)
DATA = check(Dataset((RNG.normal(90, 60, (40, 4, 4, 1)) + 30 * Y[:, None, None, None]), Y))


def train(path, experiment=E, devices=1):
    run = RunDirectory(path)
    e = run.settle_experiment(experiment, set())
    keep = masks.draw(e.masks, e.num_models, len(Y), seed=e.seed)
    run.write_once(KEEP, keep)
    mesh = lift.mesh(devices)
    network = loop.check(e, DATA, devices=mesh)
    score = EpochScorer(e, network, DATA, run, mesh)
    loop.train(e, network, DATA, keep, run, range(e.num_models), mesh, score)
    return run, network


def dumps(run, view):
    names = [view.labels, *(view.signal(s, m) for s in ("phi", "logits") for m in range(3))]
    return {name.removeprefix(f"{view.folder}/"): np.array(run.read(name)) for name in names}


def assert_same(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], err_msg=name, **tolerance)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("run"))


def test_the_last_epochs_view_is_what_lira_score_finds(trained):
    run, network = trained
    run.write_once(POOL.labels, DATA.y)
    score_models(E, network, DATA, run, range(3), lift.mesh(1))
    assert_same(dumps(run, layout.epoch(4)), dumps(run, POOL), rtol=0)


def test_an_epochs_view_is_that_of_a_training_that_ends_there(trained, tmp_path):
    shorter = dataclasses.replace(E, epochs=1, score_epochs="1", epoch_queries=1)
    ended, _ = train(tmp_path, shorter)
    expected = dumps(trained[0], layout.epoch(1))
    found = dumps(ended, layout.epoch(1))
    assert found["scores/0001.npy"].shape == (40, 1)
    assert_same(found, {n: a[:, :1] if "scores" in n else a for n, a in expected.items()}, rtol=0)


def test_losses_are_logged_at_these_epochs(trained):
    found = [r for r in trained[0].read_metrics() if r["model"] == 1]
    assert [r["epoch"] for r in found] == [1, 2, 4]
    assert all(r["train_loss"] > 0 and r["test_loss"] is None for r in found)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("saves", [0, 1])
def test_what_is_scored_is_not_scored_again_after_a_kill(trained, saves, tmp_path, monkeypatch):
    """Killed when model 0 is to be saved after epoch 2, or after epoch 4: both are scored then."""
    save, count = checkpoint.save, 0

    def die(*arguments):
        nonlocal count
        if count == saves:
            raise Killed
        count += 1
        save(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", die)
        with pytest.raises(Killed):
            train(tmp_path)
    run = RunDirectory(tmp_path)
    before = {p: p.stat().st_ino for p in (tmp_path / "epochs").rglob("*.npy")}
    scored = {str(p.relative_to(tmp_path)) for p in before}
    assert layout.epoch(2 + 2 * saves).signal("phi", 0) in scored
    train(tmp_path)
    assert all(path.stat().st_ino == inode for path, inode in before.items())
    for number in (1, 2, 4):
        assert_same(
            dumps(run, layout.epoch(number)), dumps(trained[0], layout.epoch(number)), rtol=0
        )


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "devices"), [("vmap", 1), ("vmap", 2), ("unroll", 2)])
def test_strategies_and_devices_agree(trained, strategy, devices, tmp_path):
    run, _ = train(tmp_path, dataclasses.replace(E, strategy=strategy), devices)
    for number in (1, 2, 4):
        assert_same(
            dumps(run, layout.epoch(number)),
            dumps(trained[0], layout.epoch(number)),
            rtol=2e-3,
            atol=2e-4,
        )
