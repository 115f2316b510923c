"""Nothing is stored before it is known to run, and then all of it."""

import dataclasses
import os

import numpy as np
import pytest
import tiny_models

from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL, REFERENCE, SOURCES
from lira_jax.training import setup

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (40, 4, 4, 1)).astype(np.uint8), np.arange(40) % 4


@pytest.fixture
def experiment(tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    return Experiment(
        dataset="npz",
        data_path=str(tmp_path / "data.npz"),
        normalize="pixel",
        num_models=4,
        hidden=(4,),
        queries=2,
    )


def run_of(path, experiment):
    """A run directory, and what `check` and `store` take."""
    run = RunDirectory(path)
    return run, [(run, experiment)]


def files(run):
    return sorted(os.listdir(run.path)) if run.path.exists() else []


def test_what_is_checked_is_not_stored_and_what_is_stored_is_what_was_checked(tmp_path, experiment):
    e = dataclasses.replace(experiment, outliers=2, outliers_from="random_labels", seed=3)
    run, runs = run_of(tmp_path / "run", e)
    dataset, keep, networks = setup.check(runs)
    assert files(run) == []
    assert len(networks) == 1
    np.testing.assert_array_equal(keep, masks.draw("balanced", 4, 40, seed=3))
    setup.store(runs, dataset, keep, networks)
    assert run.read_experiment() == e
    np.testing.assert_array_equal(run.read(POOL.labels), dataset.y)
    np.testing.assert_array_equal(run.read(KEEP), keep)
    assert (run.read(SOURCES) > 0).sum() == 2


def test_masks_that_are_stored_count_whoever_drew_them(tmp_path, experiment):
    run, runs = run_of(tmp_path / "run", experiment)
    dataset, keep, networks = setup.check(runs)
    mine = ~keep
    setup.store(runs, dataset, mine, networks)
    np.testing.assert_array_equal(setup.check(runs)[1], mine)
    with pytest.raises(UserError, match=r"keep\.npy of this run holds other values than are found"):
        setup.store(runs, dataset, keep, networks)  # which would train by masks that are not stored
    np.testing.assert_array_equal(run.read(KEEP), mine)
    more = dataclasses.replace(experiment, num_models=8)
    with pytest.raises(UserError, match=r"keep.npy has shape \(4, 40\), not \(8, 40\)"):
        setup.check([(run, more)])


def test_other_data_are_refused_before_labels_and_masks_are_written(tmp_path, experiment):
    run, runs = run_of(tmp_path / "run", experiment)
    run.settle_data("0" * 64, "--dataset=npz")

    def begin():
        dataset, keep, networks = setup.check(runs)
        setup.store(runs, dataset, keep, networks)

    with pytest.raises(UserError, match="began with 0000"):
        begin()
    assert not run.has(KEEP)
    assert not run.has(POOL.labels)


def test_changed_code_of_ones_own_is_refused_before_anything_is_written(
    tmp_path, experiment, monkeypatch
):
    e = dataclasses.replace(experiment, model="tiny_models:tiny_conv", hidden=(512, 256))
    run, runs = run_of(tmp_path / "run", e)
    dataset, keep, networks = setup.check(runs)
    setup.store(runs, dataset, keep, networks)
    setup.check(runs)
    before = (run.path / "manifest.json").read_bytes()
    monkeypatch.setattr(tiny_models.TinyConv, "width", 5)
    with pytest.raises(UserError, match="--model=tiny_models:tiny_conv: its code computes"):
        setup.check(runs)
    assert (run.path / "manifest.json").read_bytes() == before


def test_targets_share_data_and_masks_and_errors_about_them_say_so(tmp_path, experiment):
    run, runs = run_of(tmp_path / "run", experiment)
    other = dataclasses.replace(experiment, hidden=(3, 2))
    both = [*runs, (run.targets(), other)]
    dataset, keep, networks = setup.check(both)
    assert [len(n.shapes["params"]) for n in networks] == [2, 3]
    setup.store(both, dataset, keep, networks)
    np.testing.assert_array_equal(run.targets().read(KEEP), keep)
    assert run.targets().data_fingerprint() == run.data_fingerprint()
    assert run.targets().read_experiment() == other


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "lenet", "hidden": (512, 256)}, "lenet needs images of at least 12x12 pixels"),
        ({"data_path": "/no/such.npz"}, "--data_path=/no/such.npz: no such file"),
        ({"augment": "mirror_shift", "shift": 4}, "--shift=4"),
        ({"num_examples": 2, "masks": "bernoulli", "pkeep": 0.01}, "would train on 0 of them"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, experiment, fields, message):
    run, runs = run_of(tmp_path / "run", dataclasses.replace(experiment, **fields))
    with pytest.raises(UserError, match=message) as error:
        setup.check(runs)
    assert "\n" not in str(error.value)
    assert files(run) == []


def test_without_tensorboard_the_flag_is_refused_first(tmp_path, experiment, monkeypatch):
    monkeypatch.setattr(setup.event_files.importlib.util, "find_spec", lambda name: None)
    e = dataclasses.replace(experiment, tensorboard=True, data_path="/no/such.npz")
    with pytest.raises(UserError, match="--tensorboard"):
        setup.check(run_of(tmp_path / "run", e)[1])


def test_masks_of_a_file_are_kept_by_the_run(tmp_path, experiment):
    drawn = np.tile(np.arange(40) % 2 == 0, (4, 1))
    drawn[1:, :9] = True
    file = tmp_path / "masks.npy"
    np.save(file, drawn)
    e = dataclasses.replace(experiment, masks=f"file:{file}", pkeep=float(drawn.mean()))
    run, runs = run_of(tmp_path / "run", e)

    def begin():
        dataset, keep, networks = setup.check(runs)
        setup.store(runs, dataset, keep, networks)
        return keep

    np.testing.assert_array_equal(begin(), drawn)
    np.testing.assert_array_equal(run.read(KEEP), drawn)
    np.testing.assert_array_equal(begin(), drawn)
    np.save(file, drawn[::-1])
    with pytest.raises(UserError, match="the run was begun with other masks than are there now"):
        begin()
    file.unlink()
    np.testing.assert_array_equal(begin(), drawn)


def test_the_reference_set_is_stored_and_no_model_trains_on_it(tmp_path, experiment):
    keep = np.zeros((4, 40), bool)
    keep[:, :16] = np.arange(16) % 2 == np.arange(4)[:, None] % 2
    np.save(tmp_path / "keep.npy", keep)
    np.save(tmp_path / "apart.npy", np.arange(30, 40))
    e = dataclasses.replace(
        experiment,
        masks=f"file:{tmp_path / 'keep.npy'}",
        pkeep=0.2,
        reference=str(tmp_path / "apart.npy"),
    )
    run, runs = run_of(tmp_path / "run", e)
    setup.store(runs, *setup.check(runs))
    np.testing.assert_array_equal(run.read(REFERENCE), np.arange(40) >= 30)
    (tmp_path / "apart.npy").unlink()  # the run has it itself now
    setup.store(runs, *setup.check(runs))
    np.save(tmp_path / "apart.npy", np.arange(14, 20))
    run, runs = run_of(tmp_path / "other", e)
    with pytest.raises(UserError, match="model 0 would train on 1 of its 6 examples; give masks"):
        setup.check(runs)
    np.save(tmp_path / "apart.npy", np.arange(16, 40))
    setup.check(runs)  # the other half of the first 16 is left to attack
    keep[:, :16] = True
    np.save(tmp_path / "keep.npy", keep)
    with pytest.raises(UserError, match="no non-member is left"):
        setup.check([(run, dataclasses.replace(e, pkeep=0.4))])
    assert files(run) == []


def test_official_masks_settle_the_share_of_members(tmp_path, experiment):
    np.savez(tmp_path / "data.npz", x=X, y=Y, x_test=255 - X[:8], y_test=Y[:8])
    e = dataclasses.replace(experiment, masks="official", num_models=2)
    run, runs = run_of(tmp_path / "run", e)
    dataset, keep, networks = setup.check(runs)
    assert keep.sum(1).tolist() == [40, 40]
    setup.store(runs, dataset, keep, networks)
    assert run.read_experiment().pkeep == 40 / 48
    np.testing.assert_array_equal(run.read(POOL.labels), np.concatenate([Y, Y[:8]]))
    again = [(run, run.read_experiment())]
    np.testing.assert_array_equal(setup.check(again)[1], keep)
