import pytest

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import layout, stops
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import POOL

E = Experiment(num_models=2, epochs=9, score_epochs="2,4,6")
LOSSES = {2: (0.9, 0.5), 4: (0.4, 0.5), 6: (0.4, 0.7), 9: (0.3, 0.8), 7: (0.1, 0.1)}
"""Epoch -> test loss of both models; after 7 epochs nothing is scored."""


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path)
    run.append_metrics(
        [
            {"model": m, "epoch": n, "test_loss": loss, "test_accuracy": (10 * n + m) / 100}
            for n, both in LOSSES.items()
            for m, loss in enumerate(both)
        ]
    )
    return run


def epochs(run, stop_at, e=E):
    return [stop.epoch for stop in stops.of_models(run, e, stop_at)]


def test_each_model_is_stopped_by_its_own_curve_at_the_earliest_of_equals(run):
    assert epochs(run, "best_test_loss") == [9, 2]
    assert epochs(run, "accuracy:0.41") == [4, 4]
    assert epochs(run, "accuracy:0.305") == [4, 2]  # .20 and .40; .21 and .41
    assert epochs(run, "accuracy:1") == [9, 9]


def test_views_are_those_of_the_epochs_and_of_the_run_in_the_end(run):
    first, second = stops.of_models(run, E, "best_test_loss")
    assert (first.view, second.view) == (POOL, layout.epoch(2))
    assert {stop.view for stop in stops.of_models(run, E, "")} == {POOL}
    assert {stop.view for stop in stops.of_models(run, E, "9")} == {POOL}
    assert {stop.view for stop in stops.of_models(run, E, "6")} == {layout.epoch(6)}


def test_the_end_is_no_choice_where_it_has_other_queries(run):
    e = Experiment(**{**vars(E), "epoch_queries": 1})
    assert epochs(run, "best_test_loss", e) == [4, 2]
    assert epochs(run, "accuracy:1", e) == [6, 6]


@pytest.mark.parametrize(
    ("stop_at", "said"),
    [
        ("7", "scored after epochs 2, 4, 6; give one of them"),
        ("0", "scored after epochs 2, 4, 6"),
        ("best_loss", "give a scored epoch, best_test_loss, or accuracy:A"),
        ("accuracy:76", "give a scored epoch, best_test_loss, or accuracy:A"),
        ("accuracy:", "give a scored epoch"),
    ],
)
def test_what_cannot_be_chosen_is_named(run, stop_at, said):
    with pytest.raises(UserError, match=f"--stop_at={stop_at}: .*{said}"):
        stops.of_models(run, E, stop_at)


def test_without_a_test_set_there_is_nothing_to_judge_by(tmp_path):
    run = RunDirectory(tmp_path)
    run.append_metrics([{"model": 0, "epoch": 2, "test_loss": None}])
    with pytest.raises(UserError, match="knows no test_loss; give an epoch"):
        stops.of_models(run, E, "best_test_loss")
