"""What is damaged or missing in another tool's run is told in one line."""

import shutil

import numpy as np
import pytest
from interop.foreign_runs import (
    write_lira_analysis,
    write_tf_privacy,
)

from lira_jax.errors import UserError
from lira_jax.interop import read as layouts


def spoil(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


SCORES, LOGITS = "experiment-3_16/scores/0000000100.npy", "experiment-3_16/logits/0000000100.npy"
KEEP = "experiment-3_16/keep.npy"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (SCORES, lambda a: spoil(a, np.nan), "NaN or infinite, first at (11, 17)"),
        (LOGITS, lambda a: spoil(a, np.inf), "NaN or infinite, first at (11, 0, 17, 3)"),
        (SCORES, lambda a: a[:, 0], "must hold floats [examples, queries]"),
        (SCORES, lambda a: a.astype(int), "must hold floats"),
        (LOGITS, lambda a: a[:, :, :2], "has shape (12, 2, 4), its scores (12, 18)"),
        (LOGITS, lambda a: a[:-1], "has shape (11, 18, 4), its scores (12, 18)"),
        (LOGITS, lambda a: a[:, 0, 0], "must hold floats [examples, 1, queries, classes]"),
        (LOGITS, lambda a: np.concatenate([a, a], 1), "it must be [examples, 1, queries, classes]"),
        (LOGITS, lambda a: a[..., :1], "it must be [examples, 1, queries, classes]"),
        (KEEP, lambda a: a[:-1], "has shape (11,), but 12 examples were scored"),
        (KEEP, lambda a: np.flatnonzero(a), "it must be bool"),
        ("y_train.npy", lambda a: a[:-1], "has shape (11,), but 12 examples were scored"),
        ("y_train.npy", lambda a: a.astype(float), "whole numbers"),
        ("y_train.npy", lambda a: a - 1, "whole numbers from 0"),
        ("y_train.npy", lambda a: a + 1, "the largest label is 4, but the logits have 4 classes"),
    ],
)
def test_a_misshapen_file_is_one_line_with_its_name(tmp_path, outputs, name, change, message):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    np.save(path / name, change(np.load(path / name)))
    with pytest.raises(UserError) as caught:
        layouts.read(path)
    assert message in str(caught.value)
    assert str(path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [SCORES, LOGITS, KEEP, "y_train.npy"])
def test_a_truncated_file_is_one_line_with_its_name(tmp_path, outputs, name):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    (path / name).write_bytes((path / name).read_bytes()[:-4])
    with pytest.raises(UserError, match="is not a whole .npy file") as caught:  # noqa: RUF043
        layouts.read(path)
    assert str(path / name) in str(caught.value)


@pytest.mark.parametrize(
    ("cut", "shape"),
    [(np.s_[:11], "(11, 18, 4)"), (np.s_[:, :2], "(12, 2, 4)"), (np.s_[..., :3], "(12, 18, 3)")],
)
def test_models_of_different_shapes_are_refused(tmp_path, outputs, cut, shape):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    logits = np.load(path / LOGITS)[:, 0][cut]
    np.save(path / LOGITS, logits)
    np.save(path / SCORES, np.load(path / SCORES)[: logits.shape[0], : logits.shape[1]])
    with pytest.raises(UserError) as caught:
        layouts.read(path)
    assert f"{path / SCORES} and its logits have {shape} examples, queries and classes" in str(
        caught.value
    )
    assert "those of model 0 have (12, 18, 4)" in str(caught.value)


def test_what_is_missing_is_named(tmp_path, outputs):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    (path / KEEP).unlink()
    with pytest.raises(UserError, match=r"experiment-3_16/keep.npy does not exist"):
        layouts.read(path)
    np.save(path / KEEP, outputs[0][2])
    shutil.rmtree(path / "experiment-3_16/logits")
    with pytest.raises(
        UserError, match=r"experiment-3_16/scores/0000000100.npy and its logits have \(12, 18, 0\)"
    ):
        layouts.read(path)


def test_two_folders_of_one_model_are_refused(tmp_path, outputs):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    shutil.copytree(path / "experiment-3_16", path / "experiment-3_64")
    with pytest.raises(UserError, match="experiment-3_16 and experiment-3_64 have one number"):
        layouts.read(path)


def test_a_single_model_is_refused(tmp_path, outputs):
    with pytest.raises(UserError, match="holds 1 models"):
        layouts.read(write_tf_privacy(tmp_path / "exp", *outputs, ids=[4]))


def test_masks_of_lira_analysis_must_cover_the_models(tmp_path, outputs):
    path = write_lira_analysis(tmp_path / "exp", *outputs)
    mask = np.load(path / "keep_indices.npy")
    for wrong in (mask[:10], mask[0], np.arange(5)):
        np.save(path / "keep_indices.npy", wrong)
        with pytest.raises(UserError, match=r"keep_indices.npy is"):
            layouts.read(path)
