"""What is saved, logged and shown after which epoch, of models that are only numbers."""

import dataclasses
import time
import types

import numpy as np
import pytest

from lira_jax.runs import checkpoint
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis
from lira_jax.training import hooks
from lira_jax.training.hooks import Epoch


def programs(**experiment):
    """As much of the programs as hooks look at: 4 steps of 5 images an epoch, 6 epochs."""
    e = {"epochs": 6, "batch_size": 5, "checkpoint_every": 0, "log_every": 0, "tensorboard": False}
    e |= {"score_epochs": "", "checkpoint_minutes": 0.0}
    recipe = types.SimpleNamespace(variables=lambda state: {"weights": state["weights"]})
    return types.SimpleNamespace(
        experiment=types.SimpleNamespace(**{**e, **experiment}), steps=4, recipe=recipe
    )


def outcome(model, **fields):
    """As much of an outcome as hooks look at."""
    known = {"out_accuracy": 0.5, "test_accuracy": None, "diagnosis": Diagnosis()}
    return types.SimpleNamespace(model=model, **{**known, **fields})


def epochs(models=(3, 8), width=3, first=0, last=6, evaluate=None, stopped=False):
    """The epochs of a chunk that is padded to a width; weights tell model and epoch."""
    for done in range(first + 1, last + 1):
        ids = [*models, *[models[-1]] * (width - len(models))]
        state = {"weights": np.array([[100.0 * i + done] for i in ids]), "memory": np.zeros(width)}
        loss = np.full((width, 4), 1 / done)
        loss[len(models) :] = 1e9  # of the padding
        yield Epoch(
            models=list(models),
            width=width,
            first=first,
            done=done,
            last=done == 6 or (stopped and done == last),
            started=time.monotonic() - 1,
            state=state,
            metrics={"loss": loss},
            evaluate=evaluate or (lambda: [outcome(i) for i in models]),
        )


def call(hook, chunk):
    for epoch in chunk:
        hook.after_epoch(epoch)


@pytest.fixture
def saved(monkeypatch):
    found = []
    monkeypatch.setattr(checkpoint, "save", lambda folder, *rest: found.append(rest))
    return found


@pytest.mark.parametrize(
    ("every", "names"),
    [
        (0, ["final"]),
        (2, ["epoch_0002", "epoch_0004", "final"]),
        (4, ["epoch_0004", "final"]),
        (6, ["final"]),
        (9, ["final"]),
    ],
)
def test_each_model_is_saved_by_itself_and_the_padding_is_not(saved, tmp_path, every, names):
    hook = hooks.SaveCheckpoints(RunDirectory(tmp_path), programs(checkpoint_every=every))
    call(hook, epochs())
    assert [(model, name) for model, name, _ in saved] == [(m, n) for n in names for m in (3, 8)]
    for model, name, tree in saved:
        done = 6 if name == "final" else int(name[-4:])
        np.testing.assert_array_equal(tree["weights"], [100 * model + done])
        assert ("memory" in tree) == (name != "final")  # what only training needs


def test_checkpoints_are_minutes_apart_and_a_new_chunk_starts_the_clock_again(
    saved, tmp_path, monkeypatch
):
    clock = [1000.0]
    monkeypatch.setattr(hooks.time, "monotonic", lambda: clock[0])
    hook = hooks.SaveCheckpoints(RunDirectory(tmp_path), programs(checkpoint_minutes=0.5))
    for chunk, seconds in ((0, 13.0), (1, 40.0), (2, 4.0)):  # an epoch
        clock[0] += 100  # such as compiling takes, before the chunk is begun
        started = clock[0]
        for epoch in epochs(models=(chunk,)):
            clock[0] += seconds
            hook.after_epoch(dataclasses.replace(epoch, started=started))
    names = [[name for model, name, _ in saved if model == chunk] for chunk in range(3)]
    assert names[0] == ["epoch_0003", "final"]
    assert names[1] == [f"epoch_{n:04d}" for n in range(1, 6)] + ["final"]
    assert names[2] == ["final"]


def test_a_resumed_chunk_is_saved_by_epochs_since_the_beginning(saved, tmp_path):
    hook = hooks.SaveCheckpoints(RunDirectory(tmp_path), programs(checkpoint_every=4))
    call(hook, epochs(first=3))
    assert [name for _, name, _ in saved] == ["epoch_0004"] * 2 + ["final"] * 2


@pytest.mark.parametrize(("every", "logged"), [(0, [6]), (2, [2, 4, 6]), (4, [4, 6]), (7, [6])])
def test_lines_are_logged_at_multiples_and_at_the_end(tmp_path, monkeypatch, every, logged):
    def records(outcomes, metrics, programs, **of):
        assert of["flops_per_image"] == 7.0
        assert 0.9 < of.pop("seconds") < 60
        return [{"model": o.model, "epoch": of["epoch"], "run": of["epochs_run"]} for o in outcomes]

    monkeypatch.setattr(hooks.metrics_lib, "records", records)
    hook = hooks.LogMetrics(RunDirectory(tmp_path), programs(log_every=every), 7.0)
    call(hook, epochs(first=1))
    found = RunDirectory(tmp_path).read_metrics()
    assert found == [{"model": m, "epoch": e, "run": e - 1} for e in logged for m in (3, 8)]


def test_the_bar_counts_the_finished_models_that_have_diverged():
    bar, lost = Bar(), outcome(8, diagnosis=Diagnosis("NaN outputs"))
    hook = hooks.ShowProgress(bar, programs(), num_models=4)
    call(hook, epochs(evaluate=lambda: [outcome(3), lost]))
    assert bar.text == "2/4 models, epoch 6/6, out 50.0%, 1 diverged, loss 0.167"


def test_a_chunk_that_stops_early_is_told_of_once_and_its_epochs_are_passed_over(capsys):
    bar, lost = Bar(total=480), Diagnosis("NaN outputs")
    hook = hooks.ShowProgress(bar, programs(), num_models=4)
    for models in ((0, 1), (2, 3)):
        said = [outcome(m, diagnosis=lost) for m in models]
        call(hook, epochs(models, last=2, evaluate=lambda said=said: said, stopped=True))
    assert capsys.readouterr().err == (
        "models 0-1: training stops after epoch 2 of 6, for NaN outputs\n"
    )
    assert bar.n == bar.total == 4 * 2 * 20


def test_models_are_evaluated_once_for_all_hooks():
    calls = []
    (epoch,) = epochs(first=5, evaluate=lambda: calls.append(1) or [outcome(3)])
    assert epoch.outcomes is epoch.outcomes
    assert calls == [1]


class Bar:
    """As much of tqdm as the hook uses."""

    def __init__(self, n=0, total=0):
        self.n, self.total, self.text = n, total, ""

    def update(self, n):
        self.n += n

    def set_postfix_str(self, text, refresh):
        self.text = text


def test_the_bar_counts_the_images_of_all_models_once():
    bar = Bar()
    hook = hooks.ShowProgress(bar, programs(), num_models=4)
    call(hook, epochs(models=(0, 1)))
    assert bar.n == 2 * 6 * 20
    assert bar.text == "2/4 models, epoch 6/6, out 50.0%, loss 0.167"
    call(hook, epochs(models=(2, 3), last=2))
    assert bar.n == 2 * 6 * 20 + 2 * 20  # an epoch late, while the device computes the next
    assert bar.text == "2/4 models, epoch 1/6, out 50.0%, loss 1.000"
    hook.abandoned()
    assert bar.n == 2 * 6 * 20
    call(hook, epochs(models=(2,), width=1))
    call(hook, epochs(models=(3,), width=1))
    assert bar.n == 4 * 6 * 20


def test_what_an_earlier_process_did_stays_when_memory_runs_out():
    bar = Bar(n=140)
    hook = hooks.ShowProgress(bar, programs(), num_models=2)
    call(hook, epochs(first=3, last=5))
    assert bar.n == 140 + 2 * 20
    hook.abandoned()
    assert bar.n == 140


def test_the_test_sets_accuracy_goes_before_that_of_non_members():
    bar = Bar()
    hook = hooks.ShowProgress(bar, programs(), num_models=2)
    call(
        hook,
        epochs(evaluate=lambda: [outcome(3, test_accuracy=0.7), outcome(8, test_accuracy=0.9)]),
    )
    assert "test 80.0%" in bar.text


def test_a_state_that_waits_to_be_shown_is_not_kept():
    """Its memory is that of the next epoch's state."""
    hook = hooks.ShowProgress(Bar(), programs(), num_models=2)
    call(hook, epochs(last=2))
    assert hook.waiting.state is None
