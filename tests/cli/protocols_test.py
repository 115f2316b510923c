"""Protocols from end to end: probes, outliers, unequal groups, disjoint pools, other shadows."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from lira_jax.evaluation.decisions import best_threshold

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
SMALL = ["--hidden=16", "--epochs=12", "--num_examples=240", "--batch_size=16", "--queries=2"]


def run(stage, *flags):
    command = [sys.executable, "-m", f"lira_jax.cli.{stage}", *map(str, flags)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def succeed(stage, *flags):
    done = run(stage, *flags)
    assert done.returncode == 0, done.stderr
    return done


def results(path):
    return json.loads((path / "results.json").read_text())


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another data set: colour images of another size, with more classes."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "other.npz"
    np.savez(path, x=rng.integers(0, 256, (60, 12, 9, 3), np.uint8), y=np.arange(60) % 20)
    return path


@pytest.fixture(scope="module")
def quarter(tmp_path_factory, other):
    """16 models that train on a quarter of the pool each, some of it outliers."""
    workdir = tmp_path_factory.mktemp("runs") / "quarter"
    kinds = f"--outliers_from=random_labels,npz:{other}"
    succeed(
        "train",
        f"--workdir={workdir}",
        "--num_models=16",
        "--pkeep=0.25",
        *SMALL,
        "--outliers=20",
        kinds,
    )
    succeed("score", f"--workdir={workdir}")
    return workdir


def test_a_quarter_kept_gives_three_nonmembers_a_member(quarter, tmp_path):
    assert (np.load(quarter / "keep.npy").sum(0) == 4).all()
    succeed(
        "attack",
        f"--workdir={quarter}",
        f"--out={tmp_path}",
        "--attacks=lira_online,lira_online_fixed,loss",
    )
    found = results(tmp_path)["attacks"]
    for attack in ("lira_online", "lira_online_fixed", "loss"):
        assert found[attack]["num_members"] == 16 * 60
        assert found[attack]["num_nonmembers"] == 3 * found[attack]["num_members"]
    assert found["lira_online_fixed"]["auc"]["low"] > 0.55


def test_wrong_labels_are_more_exposed_than_the_pool(quarter, other, tmp_path):
    sources = np.load(quarter / "sources.npy")
    assert sources.dtype == np.int8
    assert np.bincount(sources).tolist() == [200, 20, 20]
    done = succeed("attack", f"--workdir={quarter}", f"--out={tmp_path}", "--attacks=loss")
    assert "Exposure by source" in done.stdout
    found = results(tmp_path)["exposure_by_source"]
    assert [found[k]["num_examples"] for k in ("pool", "random_labels", f"npz:{other.name}")] == [
        200,
        20,
        20,
    ]
    assert found["random_labels"]["median"] > 2 * found["pool"]["median"]
    exposed = np.load(tmp_path / "exposure.npy")
    assert found["pool"]["median"] == pytest.approx(np.sort(exposed[sources == 0])[99])
    again = run("train", f"--workdir={quarter}", "--outliers=21")
    assert "--outliers=21: the run in" in again.stderr


def test_probes_are_scored_added_and_counted(quarter, other, tmp_path):
    workdir = f"--workdir={quarter}"
    succeed("score", workdir, "--probes=noise,permuted")
    before = {p: p.stat().st_mtime_ns for p in (quarter / "probes").rglob("*.npy")}
    assert len(before) == 2 * (2 * 16 + 1)
    again = succeed("score", workdir, f"--probes=noise,permuted,scaled,npz:{other}")
    assert "16 of 16 models are scored already on noise" in again.stderr
    assert {p: p.stat().st_mtime_ns for p in before} == before
    done = succeed(
        "attack",
        workdir,
        f"--out={tmp_path}",
        "--attacks=loss,maximum_score,lira_offline,lira_online_fixed",
    )
    assert "False positives on probes" in done.stdout
    found = results(tmp_path)["probes"]
    assert list(found) == ["(non-members)", "noise", "permuted", "scaled", "other"]
    assert set(found["noise"]["false_positive_rate"]) == {"loss", "maximum_score", "lira_offline"}
    assert found["scaled"]["maximum_score"] > 0.99
    assert found["scaled"]["false_positive_rate"]["maximum_score"]["value"] > 0.9
    scores, labels = (
        np.load(quarter / "probes/other" / name) for name in ("scores/0003.npy", "labels.npy")
    )
    assert (scores.shape, scores.dtype) == ((60, 2), np.float32)
    assert labels.max() < 10
    np.savez(other, x=np.zeros((60, 12, 9, 3), np.uint8), y=np.arange(60) % 20)
    changed = run("score", workdir)
    assert changed.returncode == 1
    assert "the data have sha256" in changed.stderr


def _loss(workdir, model):
    """Minus the loss of a model on the plain queries, from its phi."""
    return -np.logaddexp(0, -np.load(workdir / f"scores/{model:04d}.npy")[:, 0].astype(np.float64))


def test_disjoint_pools_leave_the_offline_attacks(tmp_path):
    workdir = f"--workdir={tmp_path / 'run'}"
    succeed("train", workdir, "--num_models=8", "--masks=disjoint", "--probes=noise", *SMALL)
    succeed("score", workdir)
    done = succeed("attack", workdir)
    notes = [line for line in done.stderr.splitlines() if "left out lira_online, " in line]
    assert len(notes) == 1
    assert "no shadow model trained on an example under attack" in notes[0]
    found = results(tmp_path / "run")
    assert (found["targets"], found["models"]) == ([0, 1, 2, 3], [4, 5, 6, 7])
    assert "lira_offline" in found["attacks"]
    assert "class_confidence" in found["attacks"]  # its thresholds are those of the other half
    assert "lira_online" not in found["attacks"]
    assert (
        found["attacks"]["loss"]["num_members"]
        == found["attacks"]["loss"]["num_nonmembers"]
        == 4 * 60
    )
    assert 0 <= found["probes"]["noise"]["false_positive_rate"]["lira_offline"]["value"] <= 1
    scores, keep = np.load(tmp_path / "run/attacks/loss.npy"), np.load(tmp_path / "run/keep.npy")
    np.testing.assert_array_equal(np.isnan(scores[0]), ~keep[:4].any(0))
    # A single target is decided at the threshold of the shadows' own half of the pool.
    succeed("attack", workdir, "--targets=1", "--attacks=loss", f"--out={tmp_path}/one")
    one = results(tmp_path / "one")["attacks"]["loss"]
    assert len(one["thresholds"]) == 1
    loss, keep = np.stack([_loss(tmp_path / "run", m) for m in range(4, 8)]), keep[4:]
    own = keep.any(0)
    assert one["thresholds"][0] == pytest.approx(best_threshold(loss[:, own], keep[:, own]))
    named = run("attack", workdir, "--targets=4")
    assert named.returncode == 1
    assert "the targets are models 0 to 3" in named.stderr


def test_shadows_of_another_recipe(quarter, tmp_path):
    flags = [f"--workdir={quarter}", "--attacks=lira_online_fixed,loss"]
    succeed("attack", *flags, f"--out={tmp_path}/alone")
    succeed("attack", *flags, f"--shadows={quarter}", f"--out={tmp_path}/itself")
    for name in ("lira_online_fixed", "loss"):
        alone, itself = (
            np.load(tmp_path / run / f"attacks/{name}.npy") for run in ("alone", "itself")
        )
        np.testing.assert_array_equal(alone, itself)
    assert results(tmp_path / "itself")["shadows"] == str(quarter)
    overwriting = run("attack", *flags, f"--shadows={quarter}")
    assert overwriting.returncode == 1
    assert "--out=: --shadows is given" in overwriting.stderr


def test_the_official_split_is_attacked_by_one_who_knows_members_alone(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 4
    x = rng.integers(0, 200, (400, 6, 6, 1)) + 10 * y[:, None, None, None]
    arrays = {"x": x[:300], "y": y[:300], "x_test": x[300:], "y_test": y[300:]}
    np.savez(tmp_path / "data.npz", **{name: a.astype(np.uint8) for name, a in arrays.items()})
    workdir = f"--workdir={tmp_path / 'run'}"
    data = ("--dataset=npz", f"--data_path={tmp_path / 'data.npz'}", "--masks=official")
    recipe = ("--num_models=1", "--hidden=64", "--epochs=40", "--augment=none", "--queries=1")
    succeed("train", workdir, *data, *recipe, "--score_epochs=1,20")
    succeed("score", workdir)
    keep = np.load(tmp_path / "run/keep.npy")
    np.testing.assert_array_equal(keep, [[True] * 300 + [False] * 100])
    stored = json.loads((tmp_path / "run/experiment.json").read_text())["experiment"]
    assert stored["pkeep"] == 0.75
    refused = run("attack", workdir)
    assert refused.returncode == 1
    assert "give --protocol=known" in refused.stderr
    assert not (tmp_path / "run/results.json").exists()
    known = ("--protocol=known", "--tables=rezaei:3", "--at_epochs=all")
    done = succeed("attack", workdir, *known, "--known_classifiers=logistic_regression")
    assert "Table 3" in done.stdout
    assert len((tmp_path / "run/known_epochs.csv").read_text().splitlines()) == 3
    assert "nothing is left to do" in run("status", workdir).stdout
    again = run("train", workdir, "--pkeep=0.5")
    assert "--pkeep=0.5: the run in" in again.stderr
