"""What users are told of models that diverged or learned nothing, and when a run is refused."""

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import diagnoses
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis, Summary
from lira_jax.runs.layout import POOL

LOST, NOTHING, WELL = Diagnosis("NaN outputs"), Diagnosis(None, "9 % are right"), Diagnosis()


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.settle_experiment(Experiment(num_models=4, learning_rate=0.5), set())
    run.write(POOL.labels, np.repeat(np.arange(4), 25).astype(np.int32))
    return run


def with_losses(run, losses, **fields):
    run.append_metrics(
        [{"model": m, "epoch": 3, "loss": loss, **fields} for m, loss in losses.items()]
    )
    return run


def test_a_line_names_all_models_of_one_kind(run):
    found = {0: LOST, 1: LOST, 2: Diagnosis("the same outputs"), 3: NOTHING}
    assert diagnoses.warnings(run, found) == [
        "WARNING: models 0-2 have diverged and are left out: such as NaN outputs",
        "WARNING: model 3 learned nothing and is attacked like the others: 9 % are right; more "
        "--epochs or another --learning_rate may fit better",
    ]
    assert diagnoses.warnings(run, {0: WELL, 2: WELL}) == []
    assert diagnoses.warnings(run, {2: LOST}, "target") == [
        "WARNING: target 2 has diverged and is left out: NaN outputs"
    ]


@pytest.mark.parametrize(
    ("loss", "advice"),
    [
        (1.38, "more --epochs or a higher --learning_rate"),  # a guess among 4 has log 4 = 1.386
        (1.5, "more --epochs or a higher --learning_rate"),
        (40.0, "a lower --learning_rate"),
    ],
)
def test_the_advice_follows_the_training_loss(run, loss, advice):
    with_losses(run, {0: loss, 1: loss, 3: 0.1})
    (line,) = diagnoses.warnings(run, {0: NOTHING, 1: NOTHING, 3: WELL})
    assert line.endswith(
        f"; their training loss is {loss:.4g}, that of a guess 1.386: {advice} may fit better"
    )


def test_of_a_recipe_whose_loss_may_be_any_nothing_is_compared(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.settle_experiment(Experiment(num_models=4, recipe="own_recipes:adversarial"), set())
    run.write(POOL.labels, np.zeros(10, np.int32))
    with_losses(run, {0: 40.0})
    (line,) = diagnoses.warnings(run, {0: NOTHING})
    assert line.endswith("; more --epochs or another --learning_rate may fit better")


def test_a_run_of_which_no_model_can_be_used_is_refused(run):
    with pytest.raises(
        UserError,
        match=r"models 0, 2 have diverged \(NaN outputs\).* a lower --learning_rate than 0.5$",
    ):
        diagnoses.check_any_usable(run, {0: LOST, 2: LOST})
    diagnoses.check_any_usable(run, {0: LOST, 2: NOTHING})
    diagnoses.check_any_usable(run, {})


@pytest.mark.parametrize(
    ("train", "out", "expected"),
    [
        (0.9, 0.5, ""),
        (0.915, 0.485, ""),
        (0.86, 0.5, "90.0% of the members are predicted right, and 86.0% were"),
        (0.9, 0.75, "50.0% of the non-members are predicted right, and 75.0% were"),
        (None, None, ""),
    ],
)
def test_accuracy_that_is_not_that_of_training_is_told(train, out, expected):
    labels, keep = np.zeros(400, int), np.arange(400) < 200
    predicted = np.r_[np.arange(200) < 20, np.arange(200) < 100].astype(int)
    outputs = Summary(-np.ones(400), np.ones(400), predicted)
    record = {"train_accuracy": train, "out_accuracy": out}
    assert diagnoses.moved(record, outputs, labels, keep) == expected
    assert diagnoses.moved({}, outputs, labels, keep) == ""


def test_two_examples_of_a_small_pool_are_no_change():
    labels, keep = np.zeros(20, int), np.arange(20) < 10
    predicted = np.zeros(20, int)
    outputs = Summary(-np.ones(20), np.ones(20), predicted)
    assert not diagnoses.moved({"train_accuracy": 0.8}, outputs, labels, keep)
    assert diagnoses.moved({"train_accuracy": 0.7}, outputs, labels, keep)


def test_training_has_the_word_until_all_models_are_trained(run):
    with_losses(run, {0: None, 1: None, 2: None}, diverged="NaN outputs")
    diagnoses.check_trained(run, 4)
    with_losses(run, {3: None}, diverged="NaN outputs")
    with pytest.raises(UserError, match="models 0-3 have diverged"):
        diagnoses.check_trained(run, 4)
    with_losses(run, {1: 2.0}, diverged=None)  # it went on from a checkpoint
    assert diagnoses.of_training(run)[1] == WELL
    diagnoses.check_trained(run, 4)
