"""A model's result does not depend on neighbours, strategy, devices, or having been resumed."""

import dataclasses

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from lira_jax.data import masks
from lira_jax.data.dataset import Dataset, check
from lira_jax.ensemble import lift
from lira_jax.experiment import Experiment
from lira_jax.runs import checkpoint
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis
from lira_jax.runs.layout import KEEP, POOL
from lira_jax.signals.score import score_models
from lira_jax.training import loop, metrics


def data(seed=0, n=60):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = np.clip(rng.normal(90, 60, (n, 8, 8, 1)) + 30 * y[:, None, None, None], 0, 255).astype(
        np.uint8
    )
    return check(Dataset(x, y, x_test=x[:10], y_test=y[:10]))


MLP = Experiment(
    num_models=4,
    model="mlp",
    hidden=(16,),
    epochs=4,
    batch_size=8,
    augment="mirror_shift_cutout",
    shift=1,
    cutout=2,
    checkpoint_every=2,
    queries=2,
)
CONVOLUTIONAL = dataclasses.replace(
    MLP,
    model="tiny_models:tiny_conv",
    hidden=(512, 256),
    epochs=2,
    checkpoint_every=1,
    learning_rate=0.02,
)


def train(path, experiment, ids=None, devices=1, dataset=None):
    """Trains and scores; returns {model: (logits, phi)}."""
    dataset = dataset or data()
    run = RunDirectory(path)
    experiment = run.settle_experiment(experiment, set())
    keep = masks.draw(experiment.masks, experiment.num_models, len(dataset.y), seed=experiment.seed)
    run.write_once(KEEP, keep)
    ids = list(range(experiment.num_models)) if ids is None else ids
    mesh = lift.mesh(devices)
    network = loop.check(experiment, dataset, devices=mesh)
    outcomes = loop.train(experiment, network, dataset, keep, run, ids, mesh)
    score_models(experiment, network, dataset, run, ids, mesh)
    return {
        i: (run.read(POOL.signal("logits", i)), run.read(POOL.signal("phi", i))) for i in ids
    }, outcomes


def assert_same(a, b, exact=False):
    for i in set(a) & set(b):
        for mine, yours in zip(a[i], b[i], strict=True):
            if exact:
                np.testing.assert_array_equal(mine, yours)
            else:
                np.testing.assert_allclose(mine, yours, rtol=2e-3, atol=2e-4)


@pytest.fixture(scope="module", params=["mlp", "convolutional"])
def reference(request, tmp_path_factory):
    """The experiment, and its dumps when each model is trained on its own by the loop strategy."""
    experiment = {"mlp": MLP, "convolutional": CONVOLUTIONAL}[request.param]
    experiment = dataclasses.replace(experiment, strategy="loop")
    return experiment, train(tmp_path_factory.mktemp("reference"), experiment)[0]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["vmap", "unroll", "map"])
def test_strategies_agree(reference, strategy, tmp_path, monkeypatch):
    experiment, expected = reference
    monkeypatch.setattr(lift, "choose_strategy", lambda asked, **_: asked)  # map is refused on CPU
    assert_same(train(tmp_path, dataclasses.replace(experiment, strategy=strategy))[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "chunk"), [("vmap", 3), ("unroll", 2)])
def test_a_model_alone_equals_the_model_in_a_chunk(reference, strategy, chunk, tmp_path):
    experiment, expected = reference
    experiment = dataclasses.replace(experiment, strategy=strategy, models_per_chunk=chunk)
    assert_same(train(tmp_path / "chunk", experiment)[0], expected)
    assert_same(train(tmp_path / "alone", experiment, ids=[2])[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["loop", "vmap"])
def test_four_devices_equal_one(reference, strategy, tmp_path):
    experiment, expected = reference
    experiment = dataclasses.replace(experiment, strategy=strategy)
    assert_same(train(tmp_path, experiment, devices=4)[0], expected)


@pytest.mark.slow
def test_devices_that_do_not_divide_the_models(reference, tmp_path):
    experiment, expected = reference
    found, outcomes = train(tmp_path, dataclasses.replace(experiment, strategy="vmap"), devices=3)
    assert len(outcomes) == 4
    assert_same(found, expected)


@pytest.mark.slow
def test_processes_that_share_the_models_equal_one(reference, tmp_path):
    experiment, expected = reference
    first, _ = train(tmp_path, experiment, ids=[0, 3])
    second, _ = train(tmp_path, experiment, ids=[1, 2])
    assert_same({**first, **second}, expected, exact=True)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "devices"), [("loop", 1), ("vmap", 2)])
def test_data_fed_from_the_host_equal_resident_data(reference, strategy, devices, tmp_path):
    experiment, expected = reference
    experiment = dataclasses.replace(experiment, strategy=strategy, data_on="host")
    assert_same(train(tmp_path, experiment, devices=devices)[0], expected)


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("strategy", "saves"),
    [
        ("loop", 1),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("loop", 2), ("loop", 5), ("vmap", 2))
        ),
    ],
)
def test_resumed_equals_uninterrupted_bit_for_bit(
    reference, strategy, saves, tmp_path, monkeypatch
):
    experiment, expected = reference
    experiment = dataclasses.replace(experiment, strategy=strategy)
    if strategy == "vmap":
        expected, _ = train(tmp_path / "whole", experiment)
    count, save = 0, checkpoint.save

    def save_then_die(*arguments):
        nonlocal count
        if count == saves:
            raise Killed
        count += 1
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        train(tmp_path / "resumed", experiment)
    monkeypatch.setattr(checkpoint, "save", save)
    found, _ = train(tmp_path / "resumed", experiment)
    # vmapped, a model may resume in a chunk of another width, where XLA may round otherwise.
    assert_same(found, expected, exact=strategy == "loop")


def test_finished_models_are_not_trained_again(tmp_path, monkeypatch):
    first, outcomes = train(tmp_path, MLP)
    assert len(outcomes) == 4
    monkeypatch.setattr(loop, "train_chunk", None)
    again, outcomes = train(tmp_path, MLP)
    assert outcomes == []
    assert_same(first, again, exact=True)


@pytest.mark.slow
def test_seeds_and_models_differ(tmp_path):
    first, _ = train(tmp_path / "a", MLP)
    other, _ = train(tmp_path / "b", dataclasses.replace(MLP, seed=1))
    assert np.abs(first[0][0] - other[0][0]).max() > 0.1
    assert np.abs(first[0][0] - first[1][0]).max() > 0.1


def test_metrics_are_logged_for_every_model_and_epoch(tmp_path):
    train(tmp_path, dataclasses.replace(MLP, log_every=2))
    records = RunDirectory(tmp_path).read_metrics()
    assert sorted((r["model"], r["epoch"]) for r in records) == [
        (m, e) for m in range(4) for e in (2, 4)
    ]
    for record in records:
        assert 0 <= record["train_accuracy"] <= 1
        assert 0 <= record["out_accuracy"] <= 1
        assert 0 <= record["test_accuracy"] <= 1
        assert record["loss"] > 0


def test_logged_accuracies_are_those_of_the_dumps(tmp_path):
    found, outcomes = train(tmp_path, MLP)
    dataset = data()
    keep = masks.draw("balanced", 4, 60)
    for outcome in outcomes:
        correct = found[outcome.model][0].argmax(-1) == dataset.y
        assert outcome.train_accuracy == pytest.approx(correct[keep[outcome.model]].mean())
        assert outcome.out_accuracy == pytest.approx(correct[~keep[outcome.model]].mean())
        assert outcome.test_accuracy == pytest.approx(correct[:10].mean())


@pytest.mark.parametrize(("strategy", "chunk"), [("vmap", 0), ("loop", 1)])
def test_a_chunk_whose_models_have_all_diverged_stops(strategy, chunk, tmp_path, capsys):
    e = dataclasses.replace(
        MLP, learning_rate=1e30, epochs=50, strategy=strategy, models_per_chunk=chunk
    )
    _, outcomes = train(tmp_path, e)
    assert all("NaN" in o.diagnosis.diverged for o in outcomes)
    records = RunDirectory(tmp_path).read_metrics()
    assert [r["model"] for r in records] == [0, 1, 2, 3]
    assert {r["epoch"] for r in records} == {2}
    assert all("NaN" in r["diverged"] and r["loss"] is None for r in records)
    which = "model 0" if chunk == 1 else "models 0-3"
    said = (
        f"{which}: training stops after epoch 2 of 50, for NaN or infinite outputs on 60 examples"
    )
    assert [line for line in capsys.readouterr().err.splitlines() if "stops" in line] == [said]
    assert all(checkpoint.is_finished(RunDirectory(tmp_path).checkpoints(), i) for i in range(4))


def test_a_chunk_of_which_one_model_is_left_goes_on(tmp_path, monkeypatch):
    calls, evaluate = [], metrics.evaluate

    def one_is_well(*arguments):
        calls.append(arguments)
        outcomes = evaluate(*arguments)
        outcomes[2] = dataclasses.replace(outcomes[2], diagnosis=Diagnosis())
        return outcomes

    monkeypatch.setattr(metrics, "evaluate", one_is_well)
    _, outcomes = train(tmp_path, dataclasses.replace(MLP, learning_rate=1e30, epochs=6))
    assert [o.diagnosis.diverged is None for o in outcomes] == [False, False, True, False]
    assert {r["epoch"] for r in RunDirectory(tmp_path).read_metrics()} == {6}
    assert len(calls) == 2  # a doubt is looked into once


@pytest.mark.slow
def test_bfloat16_trains_with_float32_weights(tmp_path):
    experiment = dataclasses.replace(MLP, compute_dtype="bfloat16")
    _, outcomes = train(tmp_path, experiment)
    saved = ocp.load(RunDirectory(tmp_path).checkpoints() / "0000" / "final")
    assert {a.dtype.name for a in jax.tree.leaves(saved)} == {"float32"}
    assert all(o.diagnosis.diverged is None for o in outcomes)


def test_batch_norm_statistics_belong_to_each_model(tmp_path):
    train(tmp_path, CONVOLUTIONAL, ids=[0, 1])
    folder = RunDirectory(tmp_path).checkpoints()
    first, second = (ocp.load(folder / f"000{i}" / "final")["batch_stats"] for i in (0, 1))
    assert jax.tree.leaves(first)
    assert any(
        np.abs(a - b).max() > 1e-4
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    )
