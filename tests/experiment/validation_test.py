import dataclasses

import pytest

from lira_jax import experiment
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_models", 7, "--num_models=7: balanced masks"),
        ("num_models", 1, "--num_models=1"),
        ("queries", 3, "--queries=3: give one of 1, 2, 18, 50, 162"),
        ("masks", "balancd", "--masks=balancd: did you mean balanced"),
        ("masks", "file:", "--masks=file:: did you mean file:PATH"),
        ("masks", "files:m.npy", "--masks=files:m.npy: "),
        ("learning_rate", float("nan"), "--learning_rate=nan"),
        ("learning_rate", -1.0, "--learning_rate=-1"),
        ("pkeep", 1.0, "--pkeep=1"),
        ("epochs", 0, "--epochs=0"),
        ("hidden", (5, 0), "--hidden=5,0"),
        ("seed", -1, "--seed=-1"),
        ("label_smoothing", 1.0, "--label_smoothing=1"),
        ("outliers", 5, "--outliers=5: say of what kind by --outliers_from"),
        ("outliers_from", "random_labels", "--outliers_from=random_labels: say how many"),
        ("outliers_mode", "insert", "--outliers_mode=insert: say how many"),
        ("outliers_mode", "add", "--outliers_mode=add"),
        ("schedule", "step", "--schedule=step: say after which epochs by --drops"),
        ("drops", (3,), "--drops=3: --schedule=cosine has no steps; give --schedule=step"),
        ("drop_factor", 1.0, "--drop_factor=1"),
        ("beta2", 1.0, "--beta2=1"),
        ("clip_norm", -1.0, "--clip_norm=-1"),
        ("padding", "zeros", "--padding=zeros: did you mean zero"),
        ("epoch_queries", 1, "--epoch_queries=1: say which epochs to score"),
        ("score_epochs", "101", "--score_epochs=101: '101' is none of the 100 epochs"),
    ],
)
def test_bad_values_are_named(field, value, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as caught:
        experiment.validate(dataclasses.replace(Experiment(), **{field: value}))
    assert "\n" not in str(caught.value)


def test_official_masks_need_one_model_and_no_outliers():
    official = dataclasses.replace(Experiment(), masks="official", num_models=1)
    assert experiment.validate(official) is official
    with pytest.raises(UserError, match="--outliers=3: with --masks=official"):
        experiment.validate(
            dataclasses.replace(official, outliers=3, outliers_from="random_labels")
        )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("num_models", 7, "need an even number"), ("pkeep", 0.25, "--pkeep=0.25: .*give 0.5")],
)
def test_pairs_of_models_share_out_the_pool(field, value, message):
    pairs = dataclasses.replace(Experiment(), masks="pairs", num_models=6)
    assert experiment.validate(pairs) is pairs
    with pytest.raises(UserError, match=message):
        experiment.validate(dataclasses.replace(pairs, **{field: value}))


@pytest.mark.parametrize(("num_models", "pkeep"), [(6, 0.5), (7, 0.5), (5, 0.5), (8, 0.3)])
def test_disjoint_masks_need_whole_numbers_in_each_half(num_models, pkeep):
    experiment.validate(
        dataclasses.replace(Experiment(), masks="disjoint", num_models=8, pkeep=0.25)
    )
    with pytest.raises(UserError, match=f"--num_models={num_models}: disjoint masks"):
        experiment.validate(
            dataclasses.replace(Experiment(), masks="disjoint", num_models=num_models, pkeep=pkeep)
        )


@pytest.mark.parametrize("drops", [(0, 5), (5, 5), (7, 5), (5, 100)])
def test_drops_ascend_within_training(drops):
    with pytest.raises(UserError, match=r"--drops=.*: give ascending epochs from 1 to 99"):
        experiment.validate(Experiment(schedule="step", drops=drops))
