"""A miniature of each layout, read back."""

import shutil

import numpy as np
import pytest
from interop.foreign_runs import (
    IDS,
    WRITERS,
    K,
    M,
    N,
    make,
    ours,
    tools_score,
    write_lira_pytorch,
    write_tf_privacy,
)

from lira_jax.errors import UserError
from lira_jax.interop import read as layouts


def test_every_layout_is_recognised_and_read(tmp_path, layout, outputs):
    path = WRITERS[layout](tmp_path / "exp", *outputs)
    keep, labels, logits, scores = outputs
    assert layouts.recognise(path) == layout
    evidence, ids = layouts.read(path)
    assert ids == IDS
    np.testing.assert_array_equal(evidence.targets.models, np.arange(M))
    np.testing.assert_array_equal(evidence.keep, keep)
    np.testing.assert_array_equal(evidence.labels, labels)
    np.testing.assert_array_equal(evidence.signals["phi"], ours(layout, scores).astype(np.float32))
    np.testing.assert_array_equal(evidence.signals["logits"], ours(layout, logits)[:, :, 0])
    assert (
        evidence.keep.dtype,
        evidence.signals["phi"].dtype,
        evidence.signals["logits"].dtype,
    ) == (
        bool,
        np.float32,
        np.float32,
    )
    assert evidence.labels.dtype == np.int32


def test_directories_of_other_kinds_are_not_recognised(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "experiment-x").mkdir()
    assert layouts.recognise(tmp_path) is None
    assert layouts.recognise(tmp_path / "nowhere") is None
    (tmp_path / "experiment-0_2").mkdir()
    assert layouts.recognise(tmp_path) == "tf_privacy"
    (tmp_path / "experiment.json").touch()  # a run directory of our own
    assert layouts.recognise(tmp_path) is None
    with pytest.raises(UserError, match="is no run directory"):
        layouts.read(tmp_path)


def test_phi_comes_from_the_logits_where_scores_are_missing(tmp_path, layout, outputs):
    path = WRITERS[layout](tmp_path / "exp", *outputs)
    if layout != "tf_privacy":
        np.save(path / "labels.npy", outputs[1])
    expected, _ = layouts.read(path)
    for scores in [*path.glob("*/scores.npy"), *path.glob("*/scores")]:
        scores.unlink() if scores.is_file() else shutil.rmtree(scores)
    evidence, _ = layouts.read(path)
    np.testing.assert_allclose(
        evidence.signals["phi"], expected.signals["phi"], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(evidence.signals["logits"], expected.signals["logits"])


def test_scores_alone_are_enough_with_labels(tmp_path, layout, outputs):
    path = WRITERS[layout](tmp_path / "exp", *outputs)
    for logits in [*path.glob("*/logits.npy"), *path.glob("*/logits")]:
        logits.unlink() if logits.is_file() else shutil.rmtree(logits)
    if layout != "tf_privacy":
        with pytest.raises(UserError, match=r"labels.npy is missing"):
            layouts.read(path)
        np.save(path / "labels.npy", outputs[1])
    evidence, _ = layouts.read(path)
    assert evidence.signals.saved == ("phi",)
    np.testing.assert_array_equal(
        evidence.signals["phi"], ours(layout, outputs[3]).astype(np.float32)
    )


@pytest.mark.parametrize("scale", [0.5, 30, 300])
def test_labels_are_told_from_scores_and_logits(tmp_path, scale):
    """At the larger scales float32 probabilities underflow: many scores are at the floor, +-103.6.

    Then one model that is right about an example is needed, here the last, as any model is about
    its members.
    """
    keep, labels, logits, _ = make(queries=2)
    logits[-1, np.arange(N), :, labels] += 20
    logits *= np.float32(scale)
    scores = [tools_score(z, labels) for z in logits]
    path = write_lira_pytorch(tmp_path / "exp", keep, labels, logits, scores)
    np.testing.assert_array_equal(layouts.read(path)[0].labels, labels)


def test_labels_may_be_told_by_different_models(tmp_path):
    keep, labels, logits, _ = make(queries=1)
    for m in range(M):  # the others give all classes the same logit
        logits[m, np.arange(N) % M != m] = 0
    path = write_lira_pytorch(
        tmp_path / "exp", keep, labels, logits, [tools_score(z, labels) for z in logits]
    )
    np.testing.assert_array_equal(layouts.read(path)[0].labels, labels)


def test_labels_that_cannot_be_told_are_asked_for(tmp_path, outputs):
    keep, labels, logits, scores = outputs
    same = np.zeros_like(logits)  # every class is as likely as the others
    path = write_lira_pytorch(
        tmp_path / "same", keep, labels, same, [tools_score(z, labels) for z in same]
    )
    with pytest.raises(UserError, match="do not tell the labels: save them there"):
        layouts.read(path)
    path = write_lira_pytorch(tmp_path / "strange", keep, labels, logits, scores + 1)
    with pytest.raises(UserError, match="do not tell the labels: save them there"):
        layouts.read(path)


def test_the_order_of_folders_in_the_file_system_does_not_matter(tmp_path, outputs, monkeypatch):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    expected, _ = layouts.read(path)
    plain_iterdir = type(path).iterdir
    for order in (sorted, lambda paths: sorted(paths, reverse=True)):
        monkeypatch.setattr(
            type(path), "iterdir", lambda self, order=order: iter(order(plain_iterdir(self)))
        )
        evidence, ids = layouts.read(path)
        assert ids == IDS
        np.testing.assert_array_equal(evidence.signals["phi"], expected.signals["phi"])


def test_tf_privacy_may_score_the_first_examples_alone(tmp_path, outputs):
    keep, labels, logits, scores = outputs
    path = write_tf_privacy(tmp_path / "exp", keep, labels, logits[:, :7], scores[:, :7])
    evidence, _ = layouts.read(path)
    np.testing.assert_array_equal(evidence.keep, keep[:, :7])
    np.testing.assert_array_equal(evidence.labels, labels[:7])


@pytest.mark.parametrize("name", ["lira_pytorch", "lira_analysis"])
def test_the_others_score_all_examples(tmp_path, name, outputs):
    keep, labels, logits, scores = outputs
    path = WRITERS[name](tmp_path / "exp", keep, labels, logits[:, :7], scores[:, :7])
    np.save(path / "labels.npy", labels[:7])
    with pytest.raises(UserError, match=r"has shape \(12,\), but 7 examples were scored"):
        layouts.read(path)


def test_logits_of_the_plain_query_may_stand_beside_scores_of_all(tmp_path, layout, outputs):
    keep, labels, logits, scores = outputs
    plain = ours(layout, logits)[:, :, :1]
    evidence, _ = layouts.read(WRITERS[layout](tmp_path / "exp", keep, labels, plain, scores))
    np.testing.assert_array_equal(evidence.signals["logits"], plain[:, :, 0])
    np.testing.assert_array_equal(evidence.signals["phi"], ours(layout, scores).astype(np.float32))
    np.testing.assert_array_equal(evidence.labels, labels)


@pytest.mark.parametrize("left_out", ["files", "folders", "all"])
def test_a_model_that_is_not_scored_is_passed_over(tmp_path, layout, outputs, left_out, capsys):
    """As the tools' own code does; its mask may not be there yet either."""
    path = WRITERS[layout](tmp_path / "exp", *outputs)
    if layout != "tf_privacy":
        np.save(path / "labels.npy", outputs[1])
    folder = next(p for p in path.iterdir() if p.name in ("experiment-3_16", "3", "model_3"))
    for file in folder.rglob("*.npy"):
        if "keep" not in file.name or left_out == "all":
            file.unlink()
    if left_out != "files":
        for empty in folder.iterdir():
            if empty.is_dir():
                empty.rmdir()
    evidence, ids = layouts.read(path)
    others = [0, 1, 3, 4]
    assert ids == [IDS[row] for row in others]
    np.testing.assert_array_equal(evidence.keep, outputs[0][others])
    assert f"note: {path}: {folder.name} passed over" in capsys.readouterr().err


def test_where_too_few_are_scored_those_that_are_not_are_named(tmp_path, outputs):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    for folder in path.glob("experiment-*"):
        if folder.name != "experiment-0_16":
            shutil.rmtree(folder / "scores")
            shutil.rmtree(folder / "logits")
    with pytest.raises(
        UserError, match=r"holds 1 models \(no scores and no logits in experiment-2"
    ):
        layouts.read(path)


def test_a_model_that_was_last_scored_at_another_epoch_is_told(tmp_path, outputs, capsys):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    layouts.read(path)
    assert "epochs" not in capsys.readouterr().err
    for name in ("scores", "logits"):
        last = path / f"experiment-3_16/{name}/0000000100.npy"
        last.rename(last.with_name("0000000099.npy"))
    layouts.read(path)
    assert "0000000099.npy of experiment-3_16" in capsys.readouterr().err


def test_a_copy_of_a_model_is_refused(tmp_path, outputs):
    path = write_tf_privacy(tmp_path / "exp", *outputs)
    shutil.copytree(path / "experiment-3_16", path / "experiment-7_16")
    with pytest.raises(UserError, match="experiment-3_16 and experiment-7_16 have the same outp"):
        layouts.read(path)


def test_models_that_say_the_same_of_all_examples_are_no_copies(tmp_path, outputs):
    keep, labels, logits, scores = outputs
    logits, scores = logits.copy(), scores.copy()
    logits[:2], scores[:2] = 0, -np.log(K - 1)
    assert layouts.read(write_tf_privacy(tmp_path / "exp", keep, labels, logits, scores))[1] == IDS


@pytest.mark.parametrize("examples", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [2, 7]])
def test_labels_that_scores_and_logits_contradict_are_refused(tmp_path, layout, outputs, examples):
    path = WRITERS[layout](tmp_path / "exp", *outputs)
    labels = outputs[1].copy()
    labels[examples] = (labels[examples] + 1) % K
    file = path / ("y_train.npy" if layout == "tf_privacy" else "labels.npy")
    np.save(file, labels)
    with pytest.raises(UserError) as caught:
        layouts.read(path)
    first = examples[0]
    assert f"{file} contradicts scores and logits on {len(examples)} of 12 ex" in str(caught.value)
    assert f"example {first} has label {labels[first]}, " in str(caught.value)
    assert f"those of label {outputs[1][first]}" in str(caught.value)
    file.unlink()
    np.testing.assert_array_equal(layouts.read(path)[0].labels, outputs[1])  # as the error says


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rounding_is_no_contradiction(tmp_path, outputs, dtype, capsys):
    keep, labels, logits, scores = outputs
    logits = 4 * logits  # where float16 is off by some hundredths
    scores = np.array([tools_score(z, labels) for z in logits])
    rounded = logits.astype(dtype), scores.astype(dtype)
    path = write_lira_pytorch(tmp_path / "exp", keep, labels, *rounded)
    np.testing.assert_array_equal(layouts.read(path)[0].labels, labels)  # told from the outputs
    np.save(path / "labels.npy", labels)
    np.testing.assert_array_equal(layouts.read(path)[0].labels, labels)
    assert "not those of their logits" not in capsys.readouterr().err


def test_scores_of_another_training_than_the_logits_are_told(tmp_path, outputs, capsys):
    keep, labels, logits, scores = outputs
    scores = scores.copy()
    scores[1] = scores[1, :, ::-1] + 1
    path = write_tf_privacy(tmp_path / "exp", keep, labels, logits, scores)
    np.testing.assert_array_equal(layouts.read(path)[0].signals["phi"][1, 0], ours_of(scores[1, 0]))
    said = capsys.readouterr().err
    assert "the scores of models 2 are not those of their logits and labels on 12 of 12" in said


def ours_of(scores):
    return ours("tf_privacy", scores[None, None])[0, 0].astype(np.float32)


def test_what_was_read_is_said_in_a_line(tmp_path, layout, outputs, capsys):
    keep, labels, logits, scores = outputs
    path = WRITERS[layout](tmp_path / "exp", keep, labels, logits, scores)
    layouts.read(path)
    said = capsys.readouterr().err.splitlines()[0]
    sizes = keep.sum(1)
    plain = ours(layout, logits)[:, :, 0].argmax(-1) == labels
    assert said == (
        f"{path}: 5 models of {layout}, 12 examples x 18 queries, 4 classes, {sizes.min()} to "
        f"{sizes.max()} members a model, accuracy {plain[keep].mean():.1%} on members, "
        f"{plain[~keep].mean():.1%} on non-members"
    )


def test_probabilities_are_refused_in_every_layout(tmp_path, layout, outputs):
    keep, labels, logits, scores = outputs
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    path = WRITERS[layout](tmp_path / "exp", keep, labels, p.astype(np.float16), scores)
    with pytest.raises(UserError, match="these are probabilities, not logits; save their log"):
        layouts.read(path)


def test_logarithms_of_probabilities_of_0_are_the_tools_floor(tmp_path, layout, capsys):
    keep, labels, logits, _ = make(queries=1)
    logits *= 60  # so that many float32 probabilities are 0
    scores = np.array([tools_score(z, labels) for z in logits])
    p = np.exp(logits - logits.max(-1, keepdims=True))
    with np.errstate(divide="ignore"):
        logs = np.log(p / p.sum(-1, keepdims=True))
    assert np.isinf(logs).any()
    path = WRITERS[layout](tmp_path / "exp", keep, labels, logs, scores)
    np.save(path / "labels.npy", labels)
    for file in {*path.rglob("scores.npy"), *path.rglob("scores/*.npy")}:
        file.unlink()
    phi = layouts.read(path)[0].signals["phi"]
    np.testing.assert_allclose(phi, scores, atol=np.log(K) + 0.1)  # three floors are summed there
    assert "infinite outputs" in capsys.readouterr().err


def test_queries_that_are_no_grid_stay_in_their_order(tmp_path, capsys):
    keep, labels, logits, scores = make(queries=10)
    evidence, _ = layouts.read(write_tf_privacy(tmp_path / "exp", keep, labels, logits, scores))
    np.testing.assert_array_equal(evidence.signals["phi"], scores.astype(np.float32))
    assert "no query is known to be the plain example" in capsys.readouterr().err
