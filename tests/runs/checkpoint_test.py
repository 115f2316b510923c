import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.runs import checkpoint

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
    with pytest.raises(UserError, match="cannot be read") as caught:
        checkpoint.load_final(tmp_path, 3, TREE)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 0, checkpoint.epoch_name(5), TREE)

    def full(path, tree, overwrite):
        path.with_name(f"{path.name}.orbax-checkpoint-tmp").mkdir()
        raise ValueError(
            "RESOURCE_EXHAUSTED: Error writing: No space left on device [os_error_code='28']"
        )

    monkeypatch.setattr(checkpoint.ocp, "save", full)
    with pytest.raises(UserError, match="the disk is full"):
        checkpoint.save(tmp_path, 0, checkpoint.epoch_name(10), TREE)
    assert [p.name for p in (tmp_path / "0000").iterdir()] == ["epoch_0005"]
