"""What is scored is what is asked for, file by file, and the diagnosis is kept with it."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from lira_jax.attacks.selection import on_signals
from lira_jax.attacks.table import ATTACKS
from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import lift
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.runs import checkpoint
from lira_jax.runs import evidence as run_evidence
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis
from lira_jax.runs.layout import POOL
from lira_jax.signals import chunk, score

MODELS = 6
E = Experiment(
    num_models=MODELS, hidden=(8,), epochs=3, batch_size=16, queries=2, strategy="loop", shift=1
)


def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 60, (60, 6, 6, 1)).astype(np.uint8)
    y = (np.arange(60) % 3).astype(np.int32)
    x[np.arange(60), 0, y] += 150
    return Dataset(x=x, y=y, num_classes=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run, dataset = RunDirectory(tmp_path_factory.mktemp("run") / "run"), data()
    run.settle_experiment(E, set())
    keep = masks.draw("balanced", MODELS, 60, seed=0)
    run.write(POOL.labels, dataset.y)
    run.write("keep.npy", keep)
    network = networks.make(E, dataset)
    for model in range(MODELS):
        variables = jax.tree.map(_reads_labels, network.init(jax.random.key(model)))
        checkpoint.save(run.checkpoints(), model, checkpoint.FINAL, variables)
    return run.path


def _reads_labels(weights):
    """Weights that pass the first three inputs on, which tell the label."""
    weights = np.array(weights)
    if weights.ndim == 2:
        weights[:3, :3] += 3 * np.eye(3)
    return weights


@pytest.fixture
def run(trained, tmp_path):
    return RunDirectory(shutil.copytree(trained, tmp_path / "run"))


def scored(run, signals, ids=range(MODELS)):
    e = dataclasses.replace(E, signals=signals)
    score.score_models(e, networks.make(e, data()), data(), run, list(ids), lift.mesh(1))
    return e


def test_phi_alone_writes_no_logits_and_is_the_same_phi(run, tmp_path):
    scored(run, "phi,logits", [0])
    both = np.array(run.read(POOL.signal("phi", 0)))
    (run.path / POOL.signal("phi", 0)).unlink()
    e = scored(run, "phi")
    np.testing.assert_array_equal(run.read(POOL.signal("phi", 0)), both)
    assert not (run.path / POOL.signal("logits", 1)).exists()
    assert score.missing(run, 1, e.signal_names) == []
    assert score.missing(run, 1, ["phi", "logits"]) == ["logits"]


def test_a_signal_that_is_added_leaves_the_others_as_they_are(run):
    scored(run, "phi")
    before = (run.path / POOL.signal("phi", 2)).stat().st_mtime_ns
    scored(run, "phi,logits")
    assert (run.path / POOL.signal("phi", 2)).stat().st_mtime_ns == before
    assert run.read(POOL.signal("logits", 2)).shape == (60, 3)


def test_a_signal_of_the_recipe_has_its_own_folder_and_can_be_attacked(run, monkeypatch):
    make = networks.make

    def with_margin(*args, **kwargs):
        def margin(outputs, labels):
            return outputs.max(-1) - outputs.mean(-1)

        return dataclasses.replace(make(*args, **kwargs), signals={"margin": margin})

    monkeypatch.setattr(networks, "make", with_margin)
    e = scored(run, "margin")
    assert (run.path / "signals/margin/0003.npy").exists()
    assert run.saved_signals() == ["margin"]
    evidence = run_evidence.load_evidence(run, e, "all").evidence
    assert evidence.signals["margin"].shape == (MODELS, 60, 2)
    attacks = on_signals(["watson@margin"], ATTACKS)
    assert attacks["watson@margin"].run(evidence).shape == (MODELS, 60)


WHITE = "gradient_norms_w,gradient_norms_x,boundary_distance,layers,merlin"
WHITE_E = dataclasses.replace(
    E, signals=WHITE, boundary_steps=20, boundary_step=0.1, merlin_scales="0.1", strategy="vmap"
)


def white(run, ids=range(MODELS), devices=1, **fields):
    e = dataclasses.replace(WHITE_E, **fields)
    run.store_experiment(e)
    score.score_models(e, networks.make(e, data()), data(), run, list(ids), lift.mesh(devices))
    return e


@pytest.fixture(scope="module")
def white_run(trained, tmp_path_factory):
    run = RunDirectory(shutil.copytree(trained, tmp_path_factory.mktemp("white") / "run"))
    white(run)
    return run


def test_white_box_signals_are_of_the_plain_query_and_have_their_shapes(white_run):
    shapes = {n: np.array(white_run.read(POOL.signal(n, 1))).shape for n in WHITE_E.signal_names}
    assert shapes == {
        "gradient_norms_w": (60, 7),
        "gradient_norms_x": (60, 7),
        "boundary_distance": (60,),
        "layers": (60, 8),
        "merlin": (60, 1),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {"ids": [2], "data_on": "host", "strategy": "loop", "score_batch_size": 700},
        {"devices": 2, "models_per_chunk": 2},
    ],
    ids=["alone, from the host", "on two devices"],
)
def test_a_model_is_the_same_alone_in_a_chunk_and_on_several_devices(run, white_run, how):
    white(run, **how)
    for name in WHITE_E.signal_names:
        ours, theirs = (np.array(r.read(POOL.signal(name, 2))) for r in (run, white_run))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5, err_msg=name)


def test_a_run_that_was_stopped_goes_on_to_the_same_signals(white_run, run):
    whole = WHITE_E.signal_names
    shutil.copytree(white_run.path, run.path, dirs_exist_ok=True)
    for name in ("merlin", "layers"):
        (run.path / POOL.signal(name, 4)).unlink()
    white(run)
    for name in whole:
        ours, theirs = (np.array(r.read(POOL.signal(name, 4))) for r in (run, white_run))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_model_that_has_no_distance_of_an_example_has_not_diverged(run, capsys):
    e = white(run, signals="boundary_distance", boundary_steps=1)
    said = capsys.readouterr().err
    assert "% of 60 examples of 6 models have none" in said
    assert "--boundary_steps=1 of --boundary_step=0.1" in said
    lost = np.isnan([run.read(POOL.signal("boundary_distance", m)) for m in range(MODELS)])
    assert 0 < lost.sum() < lost.size
    assert set(run.diagnoses().values()) == {Diagnosis()}
    evidence = run_evidence.load_evidence(run, e, "all").evidence
    np.testing.assert_array_equal(np.isnan(evidence.signals["boundary_distance"]), lost)


def test_what_is_scored_already_is_not_computed_again_and_its_diagnosis_is_kept(run, monkeypatch):
    scored(run, "phi")
    found = Diagnosis("NaN or infinite outputs on 3 examples")
    run.record_diagnosis(2, found)
    seen = []
    make_step = chunk.measure.make_step

    def recording(network, measures, grid, **options):
        seen.append((sorted(measures), list(options["plain"])))
        return make_step(network, measures, grid, **options)

    monkeypatch.setattr(chunk.measure, "make_step", recording)
    scored(run, "phi,gradient_norms_x")
    assert seen[-1] == (["gradient_norms_x"], ["gradient_norms_x"])
    assert run.diagnoses()[2] == found
    assert run.diagnoses()[3] == Diagnosis()


def test_an_attack_on_phi_opens_no_logits(run, monkeypatch):
    e = scored(run, "phi,logits")
    read, opened = RunDirectory.read, []

    def reading(self, name, shape=None):
        opened.append(name)
        return read(self, name, shape)

    monkeypatch.setattr(RunDirectory, "read", reading)
    evidence = run_evidence.load_evidence(run, e, "all").evidence
    assert not any("scores/" in name for name in opened)  # nothing is read before it is needed
    ATTACKS["lira_offline_fixed"].run(evidence)
    assert [n for n in opened if "scores/" in n] == [POOL.signal("phi", m) for m in range(MODELS)]
    assert not any("logits" in name for name in opened)
    ATTACKS["entropy"].run(evidence)
    assert sum("logits" in name for name in opened) == MODELS


def test_an_attack_on_logits_says_how_to_get_them(run):
    e = scored(run, "phi")
    evidence = run_evidence.load_evidence(run, e, "all").evidence
    with pytest.raises(
        UserError, match=r"signal logits, .*lira-score --signals=phi,logits"
    ) as error:
        ATTACKS["entropy"].run(evidence)
    assert "\n" not in str(error.value)


def test_the_diagnosis_is_that_of_the_outputs_and_is_not_made_twice(run, monkeypatch):
    e = scored(run, "phi,logits")
    assert set(run.diagnoses()) == set(range(MODELS))
    kept = run.diagnoses()
    keep, labels = run.read("keep.npy"), run.read(POOL.labels)
    signals = run_evidence.saved_signals(run, POOL, list(range(MODELS)), labels)
    monkeypatch.setattr(RunDirectory, "diagnoses", lambda self: {})
    assert run_evidence.diagnose(run, keep, signals) == dict.fromkeys(range(MODELS))
    for model in range(MODELS):
        assert run_evidence.diagnose_outputs(signals, model, keep[model]) == kept[model]
    assert run_evidence.load_evidence(run, e, "all").models == list(range(MODELS))


def test_outputs_that_are_not_finite_are_diagnosed(run, monkeypatch):
    make = networks.make

    def broken(*args, **kwargs):
        network = make(*args, **kwargs)
        return dataclasses.replace(network, outputs=lambda v, x: network.outputs(v, x) * np.nan)

    monkeypatch.setattr(networks, "make", broken)
    scored(run, "phi", [1])
    assert run.diagnoses() == {1: Diagnosis("NaN or infinite outputs on 60 examples")}


def test_outputs_that_are_the_same_for_all_examples_are_diagnosed(run, monkeypatch):
    make = networks.make

    def deaf(*args, **kwargs):
        network = make(*args, **kwargs)
        return dataclasses.replace(network, outputs=lambda v, x: network.outputs(v, 0 * x))

    monkeypatch.setattr(networks, "make", deaf)
    scored(run, "phi", [1])  # which differs between classes all the same
    assert run.diagnoses() == {1: Diagnosis("the same outputs for all examples")}


@pytest.mark.parametrize(("epoch", "warned"), [(E.epochs, True), (E.epochs - 1, False)])
def test_predictions_that_are_not_those_at_the_end_of_training_are_told_of(
    run, capsys, epoch, warned
):
    scored(run, "phi", [0])
    assert capsys.readouterr().err == ""
    same = {"epoch": epoch, "train_accuracy": 0.3, "out_accuracy": 0.3}
    run.append_metrics([{"model": m, **same} for m in (1, 2, 4)])
    scored(run, "phi", [1, 2, 3, 4])
    said = capsys.readouterr().err
    told = "WARNING: the predictions of models 1-2, 4 are not those at the end of training: of "
    assert (told in said) == warned
    assert ("of the members are predicted right, and 30.0% were; has its code" in said) == warned


def test_an_unknown_signal_is_refused_before_anything_is_written(run):
    with pytest.raises(UserError, match="--signals=fi: "):
        scored(run, "phi,fi")
    assert run.saved_signals() == []
