"""Accuracies and records of models that are tables of predictions."""

import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import hardware, lift
from lira_jax.runs.health import Diagnosis
from lira_jax.training import metrics
from lira_jax.training.programs import Programs

RNG = np.random.default_rng(0)
NUMBER, MODELS = 300, 5
IMAGES = np.arange(NUMBER, dtype=np.int32)[:, None]  # an image is its own number
LABELS = RNG.integers(0, 4, NUMBER).astype(np.int32)
LOGITS = RNG.normal(size=(MODELS, NUMBER, 4)).astype(np.float32)
LOGITS[:, np.arange(NUMBER), LABELS] += 1.5
KEEP = RNG.random((MODELS, NUMBER)) < 0.5
ROWS = np.array([4, 1, 1])  # models 4 and 1, and padding


def programs(*, logits=LOGITS, classifies=True, tested=True, **fields):
    """Programs whose network looks its outputs up: a model's state is its number."""
    network = types.SimpleNamespace(
        outputs=lambda model, images: jnp.asarray(logits)[model][images[:, 0]],
        classifies=classifies,
        convolutional=True,
        reads_text=False,
        output_shape=(4,),
    )
    one = types.SimpleNamespace(
        network=network, recipe=types.SimpleNamespace(variables=lambda state: state)
    )

    def of_one(state, images, labels, index):
        return Programs._evaluate_one(one, state, images, labels, index)

    test_set = {"x_test": IMAGES[:40], "y_test": LABELS[:40]} if tested else {}
    return types.SimpleNamespace(
        dataset=Dataset(IMAGES, LABELS, **test_set, num_classes=4),
        devices=lift.mesh(1),
        network=network,
        evaluate=jax.vmap(of_one, in_axes=(0, None, None, None)),
        **fields,
    )


def evaluate(**options):
    return metrics.evaluate(programs(**options), ROWS, [4, 1], KEEP, IMAGES, LABELS)


def test_accuracies_are_of_members_of_non_members_and_of_the_test_set():
    found = evaluate()
    assert [o.model for o in found] == [4, 1]
    for o in found:
        right, own = LOGITS[o.model].argmax(-1) == LABELS, KEEP[o.model]
        assert 0.4 < right.mean() < 0.9
        assert o.train_accuracy == np.mean([r for r, k in zip(right, own, strict=True) if k])
        assert o.out_accuracy == np.mean([r for r, k in zip(right, own, strict=True) if not k])
        assert o.test_accuracy == right[:40].mean()


def test_losses_are_mean_cross_entropies_of_the_same_examples():
    shifted = LOGITS - LOGITS.max(-1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(-1)) - shifted[:, np.arange(NUMBER), LABELS]
    for o in evaluate():
        own = KEEP[o.model]
        expected = [loss[o.model][which].mean() for which in (own, ~own, slice(40))]
        assert [o.train_loss, o.out_loss, o.test_loss] == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_known_is_none():
    assert all(o.test_accuracy is o.test_loss is None for o in evaluate(tested=False))
    for o in evaluate(classifies=False):
        assert o.train_accuracy is o.out_accuracy is o.test_accuracy is None
        assert o.train_loss is o.out_loss is o.test_loss is None


@pytest.mark.parametrize("classifies", [True, False])
def test_one_output_that_is_not_finite_is_found_in_any_batch(classifies):
    logits = LOGITS.copy()
    logits[1, NUMBER - 1, 2] = np.inf
    first, second = evaluate(logits=logits, classifies=classifies)
    assert "NaN or infinite outputs on 1 examples" in str(second)
    assert "NaN" not in str(first)


def outcome(model, train=None, out=None, test=None, diverged=None, nothing=None):
    """As much of an outcome as a record tells."""
    return types.SimpleNamespace(
        model=model,
        train_accuracy=train,
        out_accuracy=out,
        test_accuracy=test,
        train_loss=train and np.inf,
        out_loss=out and 2 * out,
        test_loss=test,
        diagnosis=Diagnosis(diverged, nothing),
    )


def records(outcomes, losses):
    """Of an epoch of 4 steps of 10 images, the third of those run, in 6 seconds."""
    of = programs(
        steps=4, experiment=types.SimpleNamespace(batch_size=10), compile_seconds={3: 1.23456}
    )
    return metrics.records(
        outcomes,
        losses,
        of,
        epoch=7,
        epochs_run=3,
        seconds=6.0,
        width=3,
        flops_per_image=1e9,
    )


def test_a_record_tells_means_over_the_epoch_and_the_speed_of_the_chunk(monkeypatch):
    monkeypatch.setattr(hardware, "peak_flops", lambda device: 1e12)
    norm = np.arange(12.0).reshape(3, 4)
    first, second = records(
        [outcome(4, 0.0, 0.25, nothing="a little"), outcome(1, 1 / 3, 0.5, 0.125, "why")],
        {"norm": norm, "loss": np.full((3, 4), 0.5)},
    )
    assert first == {
        "model": 4,
        "epoch": 7,
        "loss": 0.5,
        "norm": 1.5,
        "train_accuracy": 0.0,
        "out_accuracy": 0.25,
        "test_accuracy": None,
        "train_loss": 0.0,
        "out_loss": 0.5,
        "test_loss": None,
        "diverged": None,
        "learned_nothing": "a little",
        "chunk_models": 2,
        "chunk_seconds": 6.0,
        "chunk_images_per_second": 40.0,  # 2 models x 3 epochs x 4 steps x 10 images in 6 s
        "compile_seconds": 1.235,
        "flops_per_second": 4e10,
        "flop_utilisation": 0.04,
    }
    assert list(first)[:4] == ["model", "epoch", "loss", "norm"]
    assert (second["norm"], second["train_accuracy"], second["diverged"]) == (5.5, 0.333333, "why")
    assert (second["train_loss"], second["test_loss"]) == (None, 0.125)  # infinite, and known


def test_a_loss_that_json_has_not_is_null():
    losses = np.ones((3, 4))
    losses[0, 2], losses[1, 0] = np.nan, np.inf
    found = records([outcome(4), outcome(1)], {"loss": losses})
    assert [r["loss"] for r in found] == [None, None]
    json.dumps(found, allow_nan=False)
    assert found[0]["flop_utilisation"] is None  # nobody knows a CPU's peak


def test_the_metrics_of_the_step_are_left_as_they_are():
    given = {"norm": np.ones((3, 4)), "loss": np.ones((3, 4))}
    records([outcome(4)], given)
    assert list(given) == ["norm", "loss"]
