"""Evidence of runs of our own and of other tools, with the targets that one names."""

import numpy as np
import pytest

from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.interop import evidence as sources
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL

LABELS = np.arange(60, dtype=np.int32) % 3


def outputs(seed):
    logits = np.random.default_rng(seed).normal(size=(60, 2, 3)).astype(np.float32)
    logits[np.arange(60), :, LABELS] += 5
    return logits, phi_from_logits(logits, LABELS)


def own_run(path, seed=0, kind="balanced"):
    e = Experiment(num_models=8, masks=kind, queries=2)
    run = RunDirectory(path)
    run.settle_experiment(e, set())
    run.settle_data("a" * 64, "--dataset=digits")
    run.write(POOL.labels, LABELS)
    run.write(KEEP, masks.draw(kind, 8, 60))
    for model in range(8):
        logits, phi = outputs(seed + model)
        run.write(POOL.signal("logits", model), logits[:, 0])
        run.write(POOL.signal("phi", model), phi)
    return run, e


def foreign_run(path):
    keep = masks.draw("balanced", 4, 60)
    for model in range(4):
        folder = path / str(model)
        folder.mkdir(parents=True)
        logits, phi = outputs(model)
        for name, array in (("keep", keep[model]), ("scores", phi), ("logits", logits)):
            np.save(folder / f"{name}.npy", array)
    return path


def test_models_of_a_run_can_be_named(tmp_path):
    found = sources.read_own([own_run(tmp_path / "run")], "5,2")
    assert isinstance(found.loaded.evidence.targets, Inside)
    assert found.loaded.targets == [2, 5]
    assert (found.shadow_run, found.outside) == (None, False)


def test_targets_of_another_recipe_are_attacked_with_the_run(tmp_path):
    run, own = own_run(tmp_path / "run"), own_run(tmp_path / "targets", seed=50)
    found = sources.read_own([run, own])
    evidence = found.loaded.evidence
    assert isinstance(evidence.targets, Counterparts)
    assert (found.run, found.shadow_run) == (own[0], run[0])
    np.testing.assert_array_equal(evidence.of_targets("phi")[3], outputs(53)[1])
    np.testing.assert_array_equal(evidence.signals["phi"][3], outputs(3)[1])


def test_a_file_of_targets_makes_every_model_a_shadow(tmp_path):
    np.save(tmp_path / "target.npy", outputs(9)[0])
    path = str(tmp_path / "target.npy")
    foreign = foreign_run(tmp_path / "exp")
    for found, number in (
        (sources.read_own([own_run(tmp_path / "run")], path), 8),
        (sources.read_foreign(foreign, path), 4),
    ):
        evidence = found.loaded.evidence
        assert isinstance(evidence.targets, Outside)
        assert evidence.num_shadows == number
        assert found.outside
        assert found.loaded.targets == [path]
        assert evidence.members is None
        np.testing.assert_allclose(evidence.of_targets("phi")[0], outputs(9)[1], rtol=1e-6)


def test_models_of_another_tool_can_be_named(tmp_path):
    found = sources.read_foreign(foreign_run(tmp_path / "exp"), "3,0")
    assert found.run is None
    assert found.loaded.targets == [3, 0]
    np.testing.assert_array_equal(found.loaded.evidence.of_targets("phi")[0], outputs(3)[1])
    with pytest.raises(UserError, match=r"--targets=9: give some of the models \[0, 1, 2, 3\]"):
        sources.read_foreign(tmp_path / "exp", "9")


def test_a_model_of_another_tool_that_learned_nothing_is_told(tmp_path, capsys):
    path = foreign_run(tmp_path / "exp")
    rng = np.random.default_rng(0)
    labels = rng.permutation(LABELS)  # what model 2 has learned is another order
    logits = rng.normal(size=(60, 2, 3)).astype(np.float32)
    logits[np.arange(60), :, labels] += 5
    np.save(path / "2/logits.npy", logits)
    np.save(path / "2/scores.npy", phi_from_logits(logits, LABELS))
    assert sources.read_foreign(path).loaded.models == [0, 1, 2, 3]
    said = capsys.readouterr().err
    assert "WARNING: model 2 learned nothing and is attacked like the others: " in said
    assert "see to it that labels and masks are in the order of the scores" in said


def test_a_model_of_another_tool_that_has_diverged_is_left_out(tmp_path, capsys):
    path = foreign_run(tmp_path / "exp")
    logits = np.zeros((60, 2, 3), np.float32)
    np.save(path / "2/logits.npy", logits)
    np.save(path / "2/scores.npy", phi_from_logits(logits, LABELS))
    found = sources.read_foreign(path)
    assert found.loaded.models == found.loaded.targets == [0, 1, 3]
    np.testing.assert_array_equal(found.loaded.evidence.of_targets("phi")[2], outputs(3)[1])
    said = capsys.readouterr().err
    assert "WARNING: model 2 has diverged and is left out: the same outputs" in said
    assert sources.read_foreign(path, "3,1").loaded.targets == [3, 1]
    with pytest.raises(UserError, match="--targets=0,2: model 2 has diverged; name others"):
        sources.read_foreign(path, "0,2")


def test_logits_under_permuted_labels_are_refused(tmp_path):
    """Without scores beside them nothing contradicts the labels but the accuracy."""
    path = foreign_run(tmp_path / "exp")
    for file in path.glob("*/scores.npy"):
        file.unlink()
    np.save(path / "labels.npy", LABELS)
    assert sources.read_foreign(path).loaded.models == [0, 1, 2, 3]
    np.save(path / "labels.npy", np.random.default_rng(0).permutation(LABELS))
    with pytest.raises(UserError, match="none of 4 models learned anything; see to it that labels"):
        sources.read_foreign(path)


def test_masks_that_look_inverted_are_told(tmp_path, capsys):
    path = tmp_path / "exp"
    keep = masks.draw("balanced", 4, 60)
    for inverted in (False, True):
        for model in range(4):
            (path / str(model)).mkdir(parents=True, exist_ok=True)
            logits, _ = outputs(model)
            logits[np.arange(60), :, LABELS] += 2 * keep[model][:, None]
            np.save(path / f"{model}/logits.npy", logits)
            np.save(path / f"{model}/scores.npy", phi_from_logits(logits, LABELS))
            np.save(path / f"{model}/keep.npy", keep[model] ^ inverted)
        sources.read_foreign(path)
        assert ("are the masks inverted?" in capsys.readouterr().err) == inverted


@pytest.mark.parametrize("member", [True, False])
def test_a_mask_of_another_tool_may_be_all_or_nothing(tmp_path, member):
    path = foreign_run(tmp_path / "exp")
    np.save(path / "1/keep.npy", np.full(60, member))
    assert sources.read_foreign(path).loaded.models == [0, 1, 2, 3]


def test_a_model_of_another_tools_run_is_no_shadow_of_itself(tmp_path, capsys):
    path = foreign_run(tmp_path / "exp")
    found = sources.read_foreign(path, str(path / "3")).loaded
    assert isinstance(found.evidence.targets, Counterparts)
    np.testing.assert_array_equal(found.evidence.targets.models, [3])
    assert "target 0 and model 3 have the same outputs" in capsys.readouterr().err


def test_targets_are_ids_or_a_file_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "3").mkdir()
    run = own_run(tmp_path / "run")
    assert sources.read_own([run], "3").loaded.targets == [3]  # ./3 would be the folder
    for read, where in (
        (sources.read_own, [run]),
        (sources.read_foreign, foreign_run(tmp_path / "exp")),
    ):
        with pytest.raises(UserError, match=r"--targets=theirs\.npz: there is no such file; give"):
            read(where, "theirs.npz")
        with pytest.raises(UserError, match="--targets_queries=tf_privacy: it is for a file"):
            read(where, "3", order="tf_privacy")


def test_shadows_of_another_run_are_for_models_of_our_own(tmp_path):
    np.save(tmp_path / "target.npy", outputs(9)[0])
    run, foreign = own_run(tmp_path / "run"), foreign_run(tmp_path / "exp")
    with pytest.raises(UserError, match="--shadows=b: the targets must be models"):
        sources.read_own([run], str(tmp_path / "target.npy"), "b")
    with pytest.raises(UserError, match="--shadows=b: the targets must be models"):
        sources.read_foreign(foreign, "all", "b")


def test_disjoint_masks_take_no_targets_from_a_file(tmp_path):
    np.save(tmp_path / "target.npy", outputs(9)[0])
    run = own_run(tmp_path / "run", kind="disjoint")
    with pytest.raises(UserError, match="not with disjoint masks"):
        sources.read_own([run], str(tmp_path / "target.npy"))
