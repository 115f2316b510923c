import collections
import shutil
import sys

import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import checkpoint
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP

TREE = {"params": {"kernel": np.arange(6.0).reshape(2, 3), "bias": np.zeros(3)}, "batch_stats": {}}


def test_only_the_newest_checkpoint_is_kept_and_comes_back(tmp_path):
    assert checkpoint.latest_epoch(tmp_path, 7) == 0
    checkpoint.save(tmp_path, 7, checkpoint.epoch_name(5), TREE)
    checkpoint.save(tmp_path, 7, checkpoint.epoch_name(10), TREE)
    assert checkpoint.latest_epoch(tmp_path, 7) == 10
    assert not checkpoint.is_finished(tmp_path, 7)
    assert [p.name for p in (tmp_path / "0007").iterdir()] == ["epoch_0010"]
    checkpoint.save(tmp_path, 7, checkpoint.FINAL, TREE)
    assert checkpoint.is_finished(tmp_path, 7)
    loaded = checkpoint.load_final(tmp_path, 7, TREE)
    np.testing.assert_array_equal(loaded["params"]["kernel"], TREE["params"]["kernel"])


def test_half_written_checkpoints_do_not_count(tmp_path):
    (tmp_path / "0007" / "epoch_0010.orbax-checkpoint-tmp").mkdir(parents=True)
    (tmp_path / "0007" / "final.orbax-checkpoint-tmp").mkdir(parents=True)
    assert checkpoint.latest_epoch(tmp_path, 7) == 0
    assert not checkpoint.is_finished(tmp_path, 7)


def test_unfinished_and_damaged_models_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"model 3 has no .*final: run lira-train to its end"):
        checkpoint.load_final(tmp_path, 3, TREE)
    checkpoint.save(tmp_path, 3, checkpoint.FINAL, TREE)
    for file in (tmp_path / "0003/final").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    (tmp_path / "0003/final" / checkpoint.RECORD).unlink()  # of an earlier version
    with pytest.raises(UserError, match="cannot be read") as caught:
        checkpoint.load_final(tmp_path, 3, TREE)
    assert "\n" not in str(caught.value)


def test_a_disk_without_the_space_of_the_arrays_is_left_as_it_is(tmp_path, monkeypatch):
    needs = 9 * 8 + checkpoint._BESIDE
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: usage(free=needs - 1))
    usage = collections.namedtuple("usage", ["free"])
    with pytest.raises(UserError, match="final could not be written: the disk is full"):
        checkpoint.save(tmp_path, 0, checkpoint.FINAL, TREE)
    assert list((tmp_path / "0000").iterdir()) == []


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 0, checkpoint.epoch_name(5), TREE)

    def full(path, tree, overwrite):
        path.with_name(f"{path.name}.orbax-checkpoint-tmp").mkdir()
        raise ValueError(
            "RESOURCE_EXHAUSTED: Error writing: No space left on device [os_error_code='28']"
        )

    monkeypatch.setattr(ocp, "save", full)
    with pytest.raises(UserError, match="the disk is full"):
        checkpoint.save(tmp_path, 0, checkpoint.epoch_name(10), TREE)
    assert [p.name for p in (tmp_path / "0000").iterdir()] == ["epoch_0005"]


def changes(path):
    """A flipped bit in each file, in turn."""
    for file in sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size):
        whole = file.read_bytes()
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        yield
        file.write_bytes(whole)


@pytest.mark.parametrize("name", [checkpoint.FINAL, checkpoint.epoch_name(5)])
def test_a_changed_bit_is_found_whichever_file_it_is_in(tmp_path, name):
    checkpoint.save(tmp_path, 3, name, TREE)
    for _ in changes(tmp_path / "0003" / name):
        with pytest.raises(UserError, match=r"delete it and run lira-train again"):
            checkpoint.load(tmp_path, 3, name, TREE)
    checkpoint.check(tmp_path, 3, name)
    (tmp_path / "0003" / name / "state/d/one_more").touch()
    with pytest.raises(UserError, match="does not match the sha256"):
        checkpoint.check(tmp_path, 3, name)


def test_another_models_checkpoint_is_refused(tmp_path):
    checkpoint.save(tmp_path, 2, checkpoint.FINAL, TREE)
    shutil.copytree(tmp_path / "0002", tmp_path / "0003")
    with pytest.raises(UserError, match="0003/final is final of model 2: delete it"):
        checkpoint.load_final(tmp_path, 3, TREE)


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path):
    ocp.save(tmp_path / "0003/final", TREE)
    found = checkpoint.load_final(tmp_path, 3, TREE)
    np.testing.assert_array_equal(found["params"]["kernel"], TREE["params"]["kernel"])


def test_what_killed_writers_began_goes_and_the_newest_checkpoint_stays(tmp_path):
    for name in ("epoch_0005", "epoch_0010", ".host@1.final", "final.orbax-checkpoint-tmp"):
        (tmp_path / "0007" / name).mkdir(parents=True)
    checkpoint.tidy(tmp_path, 7)
    assert [p.name for p in (tmp_path / "0007").iterdir()] == ["epoch_0010"]
    (tmp_path / "0007/final").mkdir()
    checkpoint.tidy(tmp_path, 7)
    assert [p.name for p in (tmp_path / "0007").iterdir()] == ["final"]
    checkpoint.tidy(tmp_path, 8)
    assert not (tmp_path / "0008").exists()


def test_a_checkpoint_of_another_run_is_refused_and_one_of_an_earlier_version_is_not(tmp_path):
    ours, other = (RunDirectory(tmp_path / name) for name in ("ours", "other"))
    for run, seed in ((ours, 0), (other, 1)):
        checkpoint.save(run.checkpoints(), 3, checkpoint.FINAL, TREE)  # before there is an identity
        run.write(KEEP, np.eye(2, dtype=bool))
        run.settle_identity(Experiment(seed=seed))
        checkpoint.check(run.checkpoints(), 3, checkpoint.FINAL)
        checkpoint.save(run.checkpoints(), 3, checkpoint.FINAL, TREE)
        checkpoint.check(run.checkpoints(), 3, checkpoint.FINAL)
    before = ours.identity()
    ours.settle_identity(Experiment(seed=5))
    assert before == ours.identity() != other.identity()
    shutil.rmtree(ours.checkpoints() / "0003")
    shutil.copytree(other.checkpoints() / "0003", ours.checkpoints() / "0003")
    with pytest.raises(UserError, match="final is of another run: delete it"):
        checkpoint.load_final(ours.checkpoints(), 3, TREE)


def test_orbax_is_found_where_its_next_version_has_it(monkeypatch):
    """From 1.0 on there is no orbax.checkpoint.v1: its names are those of the package."""
    import orbax.checkpoint

    assert checkpoint._orbax() is ocp
    monkeypatch.delattr(orbax.checkpoint, "v1")
    monkeypatch.setitem(sys.modules, "orbax.checkpoint.v1", None)
    assert checkpoint._orbax() is orbax.checkpoint


def test_a_record_that_is_nested_too_deeply_is_one_line(tmp_path):
    checkpoint.save(tmp_path, 3, checkpoint.FINAL, TREE)
    (tmp_path / "0003/final/lira_jax.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="0003/final"):
        checkpoint.check(tmp_path, 3, checkpoint.FINAL)
