"""lira-attack on models as they were after some epochs."""

import csv
import dataclasses

import numpy as np
import pytest
from cli.attack_test import call
from cli.scored_run import scored

from lira_jax.audit.results import Results
from lira_jax.cli import attack
from lira_jax.errors import UserError
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.runs import layout
from lira_jax.runs.layout import POOL

ATTACKS = "--attacks=loss,class_confidence"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A scored run whose models know more of their members epoch by epoch; model 5 diverged."""
    path = tmp_path_factory.mktemp("run")
    run, e, labels, keep = scored(path, queries=2, save_logits="plain")
    run.store_experiment(dataclasses.replace(e, score_epochs="2,4,5,6"))
    for epoch in (2, 4, 5, 6):
        view = layout.epoch(epoch)
        run.write(view.labels, labels)
        for model in range(8):
            if model == 5 and epoch > 4:
                continue
            logits = np.array(run.read(POOL.signal("logits", model)))
            logits[np.arange(len(labels)), labels] += (epoch - 5) * keep[model]
            run.write(view.signal("logits", model), logits)
            run.write(view.signal("phi", model), phi_from_logits(logits[:, None], labels))
            run.append_metrics(
                [{"model": model, "epoch": epoch, "test_loss": abs(epoch - 4 - model % 2)}]
            )
    run.append_metrics([{"model": 5, "epoch": 6, "diverged": "NaN outputs"}])
    return run


def test_an_attack_at_all_epochs_has_a_table_a_file_and_a_ranking(run, tmp_path, capsys):
    out = f"--out={tmp_path}"
    given = [f"--workdir={run.path}", ATTACKS, out, "--at_epochs=all"]
    call(attack, *given, "--at_epochs_attack=class_confidence")
    said = capsys.readouterr()
    assert "class_confidence over epochs" in said.out
    assert "LT-IQR" not in said.out  # model 5 has no losses after epoch 4
    assert "a target has diverged in some" in said.err
    found = Results.read(tmp_path)
    assert [(row.epoch, row.num_targets) for row in found.epochs] == [
        (2, 8),
        (4, 8),
        (5, 7),
        (6, 7),
    ]
    assert len((tmp_path / "epochs.csv").read_text().splitlines()) == 5
    auc = [row.metrics["auc"].value for row in found.epochs]
    assert auc == sorted(auc)
    call(attack, f"--workdir={run.path}", ATTACKS, out)
    assert not (tmp_path / "epochs.csv").exists()


def test_an_attacker_who_knows_members_is_followed_over_epochs(run, tmp_path, capsys):
    flags = (f"--workdir={run.path}", "--protocol=known", f"--out={tmp_path}", "--targets=0,3")
    call(attack, *flags, "--at_epochs=2,5")
    assert "The attack on confidences over epochs" in capsys.readouterr().out
    with open(tmp_path / "known_epochs.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["2", "5"]
    assert [float(row["test_loss"]) for row in rows] == [2.5, 0.5]  # of models 0 and 3
    assert rows[0]["train_loss"] == ""
    labels, keep = run.read(POOL.labels), run.read(layout.KEEP)
    for row in rows:
        view, wrong = layout.epoch(int(row["epoch"])), []
        for model in (0, 3):
            predicted = run.read(view.signal("logits", model)).argmax(-1)
            wrong.append((keep[model] & (predicted != labels)).sum())
        assert float(row["misclassified_members"]) == np.mean(wrong)
    with pytest.raises(UserError, match="--at_epochs=3: "):
        call(attack, *flags, "--at_epochs=3")


def test_targets_with_losses_in_all_epochs_are_ranked_by_them(run, tmp_path, capsys):
    given = [f"--workdir={run.path}", ATTACKS, f"--out={tmp_path}", "--targets=0,3"]
    call(attack, *given, "--at_epochs=all", "--at_epochs_attack=loss")
    assert "LT-IQR" in capsys.readouterr().out
    assert np.load(tmp_path / layout.LT_IQR).shape == (2, 90)


def test_models_stopped_early_are_attacked_as_they_were(run, tmp_path, capsys):
    given = [f"--workdir={run.path}", ATTACKS, f"--out={tmp_path}"]
    call(attack, *given, "--stop_at=6")
    late = Results.read(tmp_path)
    assert (late.stop_at, late.stop_epochs, len(late.targets)) == ("6", (6,) * 7, 7)
    call(attack, *given, "--stop_at=best_test_loss")
    said = capsys.readouterr().err
    assert "as they were after epochs 4 to 5, shadow models by the same rule" in said
    found = Results.read(tmp_path)
    assert found.stop_epochs == (4, 5, 4, 5, 4, 4, 4, 5)  # model 5 was not scored after its fourth
    expected = np.stack(
        [
            run.read(layout.epoch(epoch).signal("phi", model))[:, 0]
            for model, epoch in zip(found.targets, found.stop_epochs, strict=True)
        ]
    )
    scores = np.load(tmp_path / layout.attack("loss"))
    order = np.argsort(expected.ravel())
    assert (np.diff(scores.ravel()[order]) >= 0).all()


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--at_epochs=3", "--at_epochs=3: .*it is one of all, 2, 4, 5, 6"),
        ("--at_epochs=2,x", "--at_epochs=x"),
        ("--stop_at=7,", "--stop_at=7,: give a scored epoch"),
        ("--at_epochs_attack=los", "--attacks=los: did you mean loss"),
    ],
)
def test_what_is_not_scored_is_named(run, flag, said, tmp_path):
    with pytest.raises(UserError, match=said):
        call(attack, f"--workdir={run.path}", ATTACKS, f"--out={tmp_path}", flag)
