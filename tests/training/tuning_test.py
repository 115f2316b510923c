"""strategy=auto takes the fastest plan that it has timed, keeps it, and changes no number."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training.loop_test import CONVOLUTIONAL, MLP, assert_same, data, train

from lira_jax.data import masks, normalize
from lira_jax.ensemble import hardware, lift
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import loop, planning, tuning
from lira_jax.training.programs import Plan, Programs, bytes_needed
from lira_jax.training.tuning import Timing

CNN = dataclasses.replace(CONVOLUTIONAL, model="cnn", width=2)
PLANS = [Plan("vmap", "plain", 16), Plan("vmap", "unrolled", 16), Plan("loop", "plain", 1)]


@given(
    speeds=st.dictionaries(st.sampled_from(PLANS), st.floats(1, 1e6), min_size=1),
    widest=st.integers(0, 64),
)
def test_the_fastest_plan_that_fits_comes_first(speeds, widest):
    def trial(plan):
        return Timing(plan, speeds[plan], 0.1) if plan in speeds else None

    found = tuning.choose(PLANS, trial, lambda t: 1e9, widest=widest)
    assert {t.plan for t in found} == set(speeds)  # and no other width fits
    assert found[0].images_per_second == max(speeds.values())


@given(best=st.sampled_from([2, 4, 8, 16, 32, 64]), widest=st.sampled_from([16, 32, 256]))
def test_the_best_width_is_found(best, widest):
    def trial(plan):
        return Timing(plan, 1000 / (1 + abs(np.log2(plan.width / best))), 0.1)

    found = tuning.choose(PLANS[:1], trial, lambda t: 1e9, widest=widest)
    assert found[0].plan == Plan("vmap", "plain", min(best, widest))


def test_a_short_training_times_only_the_first_plan():
    def trial(plan):
        return Timing(plan, 100.0, compile_seconds=2.0)

    assert [t.plan for t in tuning.choose(PLANS, trial, lambda t: 60.0, widest=256)] == PLANS[:1]
    assert len(tuning.choose(PLANS, trial, lambda t: 3600.0, widest=256)) > len(PLANS)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_training_that_two_trials_would_hold_up_is_not_measured(cores, monkeypatch):
    mesh = lift.mesh(1)
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    second = hardware.usual_flops(mesh)
    assert not tuning.worth_measuring(40 * second, mesh)
    assert tuning.worth_measuring(60 * second, mesh)
    assert tuning.worth_measuring(0, mesh)  # the compiler does not count


@pytest.mark.slow
def test_a_short_piece_of_a_run_follows_the_rule_and_a_longer_one_measures(tmp_path, monkeypatch):
    def kept():
        (entry,) = json.loads((tmp_path / "plan.json").read_text()).values()
        return entry

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "time_step", None)
        train(tmp_path, MLP, ids=[0])
    assert (kept()["plan"]["strategy"], kept()["timings"]) == ("vmap", [])
    monkeypatch.setattr(tuning, "BUDGET_SHARE", 1e6)
    train(tmp_path, MLP, ids=[0, 1])
    measured = kept()
    assert len(measured["timings"]) > 1
    train(tmp_path, dataclasses.replace(MLP, models_per_chunk=1))
    assert kept() == measured  # which a flag that allows less does not replace


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"HERE": 1}',
        '{"HERE": {"plan": {"strategy": "vmap"}}}',
        '{"HERE": {"plan": {"strategy": "vmap"}, "timings": [{}, {}]}}',
        '{"HERE": {"plan": {}, "timings": 2}}',
        '{"HERE": {"plan": {"strategy": "vmap", "conv_form": [], "width": 2}, "timings": [{}, '
        "{}]}}",
        '{"HERE": {"plan": {"strategy": "no", "conv_form": "plain", "width": 2}, "timings": [{}, '
        "{}]}}",
        '{"HERE": {"plan": {"strategy": "vmap", "conv_form": "no", "width": 2}, "timings": [{}, '
        "{}]}}",
        '{"HERE": {"plan": {"strategy": "vmap", "conv_form": "plain", "width": 0}, "timings": '
        "[{}, {}]}}",
    ],
)
def test_a_plan_that_cannot_be_read_is_made_anew(text, tmp_path):
    where = hardware.describe(lift.mesh(1))
    (tmp_path / "plan.json").write_text(text.replace("HERE", where))
    run = RunDirectory(tmp_path)
    assert tuning.read(run.read_plan(where)) is None
    run.write_plan(where, dataclasses.asdict(PLANS[0]), [{}, {}])
    assert tuning.read(run.read_plan(where)) == PLANS[0]


def test_what_is_written_out_for_each_model_must_pay_for_its_compilation():
    def trial(plan):
        return Timing(plan, 100.0, compile_seconds=2.0)

    found = tuning.choose(PLANS, trial, lambda t: 0.0, widest=0, budget=10.0)
    assert {t.plan for t in found} == {PLANS[0], PLANS[2]}  # 16 times 2 s are too many


def test_nothing_fits():
    assert tuning.choose(PLANS, lambda plan: None, lambda t: 1.0, widest=256) == []


def test_plans_keep_what_the_flags_fix(monkeypatch):
    def plans(**fields):
        e = dataclasses.replace(CNN, num_models=64, **fields)
        return {
            (p.strategy, p.conv_form, p.width) for p in planning.candidates(e, 64, mesh, kernel)
        }

    kernel = {"kernel": np.zeros((3, 3, 3, 2))}
    mesh = lift.mesh(2)
    monkeypatch.setattr(planning, "usual_form", lambda asked="auto": "plain")
    everything = plans()
    assert ("loop", "plain", 2) in everything
    assert ("vmap", "patches", 16) in everything
    assert {form for strategy, form, _ in plans(conv_form="shifted") if strategy == "vmap"} == {
        "shifted"
    }
    assert {width for strategy, _, width in plans(models_per_chunk=6) if strategy != "loop"} == {6}
    assert {form for _, form, _ in plans(model="tiny_models:tiny_conv", width=0)} == {"plain"}


@pytest.mark.parametrize(
    ("weights", "first"),
    [
        (1000, Plan("vmap", "plain", 64)),
        (500_000, Plan("vmap", "plain", 8)),
        (1_100_000, Plan("loop", "plain", 1)),
    ],
)
def test_dense_models_side_by_side_fit_into_the_caches_of_a_cpu(weights, first):
    e, mesh, params = (
        dataclasses.replace(MLP, num_models=64, strategy="auto"),
        lift.mesh(1),
        np.zeros(weights),
    )
    assert planning.plan_by_rule(e, 64, mesh, params) == first
    candidates = planning.candidates(e, 64, mesh, params)
    assert candidates[0] == dataclasses.replace(first, width=min(first.width, planning.FIRST_WIDTH))
    assert {plan.strategy for plan in candidates} == {"vmap", "loop", "map"}
    if first.strategy == "vmap":  # also where there are too few models to fill the caches
        assert planning.plan_by_rule(e, 2, mesh, params) == dataclasses.replace(first, width=2)
    asked = dataclasses.replace(e, strategy="vmap")
    # What was asked for is left alone.
    assert planning.plan_by_rule(asked, 64, mesh, params).width == 64


@pytest.fixture(scope="module")
def cnn_by_loop(tmp_path_factory):
    """What CNN's models become one after the other, with resident data."""
    folder = tmp_path_factory.mktemp("loop")
    return train(folder / "run", dataclasses.replace(CNN, strategy="loop"))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment", [MLP, dataclasses.replace(CNN, data_on="host")], ids=["mlp", "cnn-host"]
)
def test_a_run_with_auto_times_its_plans_keeps_the_choice_and_gives_the_same_numbers(
    experiment, tmp_path, monkeypatch, request
):
    if experiment is MLP:
        expected, _ = train(tmp_path / "loop", dataclasses.replace(MLP, strategy="loop"))
    else:
        expected = request.getfixturevalue("cnn_by_loop")
    monkeypatch.setattr(tuning, "BUDGET_SHARE", 1e6)
    monkeypatch.setattr(planning, "_CPU", [("loop", "plain"), ("vmap", "patches")])
    found, _ = train(tmp_path / "auto", experiment, ids=[0, 1, 2])
    assert_same(found, expected)
    (kept,) = json.loads((tmp_path / "auto" / "plan.json").read_text()).values()
    assert len(kept["timings"]) >= 2
    assert kept["timings"][0]["images_per_second"] == max(
        t["images_per_second"] for t in kept["timings"]
    )
    assert kept["plan"].items() <= kept["timings"][0].items()

    monkeypatch.setattr(tuning, "time_step", None)  # the rest of the run measures nothing
    found, _ = train(tmp_path / "auto", experiment)
    assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["unrolled", "shifted", "patches"])
def test_forms_of_the_convolution_agree(form, tmp_path, cnn_by_loop):
    found, _ = train(tmp_path / form, dataclasses.replace(CNN, strategy="vmap", conv_form=form))
    assert_same(found, cnn_by_loop)


def job(experiment, devices=1):
    dataset, mesh = data(), lift.mesh(devices)
    keep = masks.draw("balanced", experiment.num_models, len(dataset.y))
    images, labels = dataset.x, dataset.y
    if experiment.data_on == "device":
        images, labels = lift.replicate((images, labels), mesh)
    normalizer = normalize.fit(dataset.x, "auto")
    return planning.Job(experiment, dataset, keep, mesh, normalizer, images, labels)


@pytest.mark.slow
def test_the_chunk_is_made_to_fit_into_memory_and_trains_all_the_same(tmp_path, monkeypatch):
    experiment = dataclasses.replace(MLP, strategy="vmap", num_models=8)
    programs = job(experiment).programs(Plan("vmap", "plain", 8))
    needed = {w: bytes_needed(programs.compile_train(w)) for w in (1, 2, 3, 4, 8)}
    assert sorted(needed.values()) == list(needed.values())
    monkeypatch.setattr(hardware, "usable_bytes", lambda device: (needed[3] + needed[4]) // 2)
    assert planning.fitting(programs, 8) == 3
    _, outcomes = train(tmp_path, experiment)
    assert len(outcomes) == 8
    assert all(r["chunk_models"] <= 3 for r in RunDirectory(tmp_path).read_metrics())


def test_the_program_that_fits_is_not_compiled_again(monkeypatch, caplog):
    experiment = dataclasses.replace(MLP, strategy="vmap", num_models=8)
    programs = job(experiment).programs(Plan("vmap", "plain", 8))
    needed = [bytes_needed(programs.compile_train(w)) for w in (2, 3)]
    monkeypatch.setattr(hardware, "usable_bytes", lambda device: sum(needed) // 2)
    programs = job(experiment).programs(Plan("vmap", "plain", 8))
    width = planning.fitting(programs, 8)
    with jax.log_compiles():
        programs.compile_train(width)
    assert width == 2
    assert not [
        r for r in caplog.messages if r.startswith("Finished XLA compilation of jit(over_devices")
    ]


@pytest.mark.slow
def test_memory_exhausted_in_the_middle_of_a_training_resumes_from_the_checkpoint(
    tmp_path, monkeypatch
):
    experiment = dataclasses.replace(MLP, strategy="vmap", checkpoint_every=1)
    expected, _ = train(tmp_path / "whole", experiment)
    run_epoch = Programs.run_epoch

    def exhausted(self, state, model_ids, drawn, epoch, *data):
        if epoch == 2 and len(model_ids) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return run_epoch(self, state, model_ids, drawn, epoch, *data)

    monkeypatch.setattr(Programs, "run_epoch", exhausted)
    found, outcomes = train(tmp_path / "halved", experiment)
    assert [o.model for o in outcomes] == [0, 1, 2, 3]
    assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment", [MLP, CNN, dataclasses.replace(MLP, data_on="host")], ids=["mlp", "cnn", "host"]
)
def test_the_shapes_are_those_that_training_runs_so_nothing_is_compiled_twice(
    experiment, tmp_path, caplog
):
    strategy = "loop" if experiment is CNN else "vmap"
    planned, run = (
        job(dataclasses.replace(experiment, strategy=strategy), 2),
        RunDirectory(tmp_path),
    )
    e, dataset, devices = planned.experiment, planned.dataset, planned.devices
    network = loop.check(e, dataset, devices=devices)
    with jax.log_compiles():
        loop.train(e, network, dataset, planned.keep, run, range(4), devices)
    compiled = [
        r for r in caplog.messages if r.startswith("Finished XLA compilation of jit(over_devices")
    ]
    assert len(compiled) == 5  # init, draw, train, and evaluate on the pool and on the test set


def test_flops_of_a_dense_net_are_counted():
    experiment = dataclasses.replace(MLP, hidden=(64, 32), augment="none", batch_size=16)
    weights = 64 * 64 + 64 * 32 + 32 * 3
    # Forward 2, weight gradient 2, input gradient 2 (not of the first layer) operations a weight
    # and image.
    matmuls = 6 * weights - 2 * 64 * 64
    found = job(experiment).programs(Plan("loop", "plain", 1)).flops_per_image()
    assert matmuls < found < 1.6 * matmuls  # and the optimiser


def test_metrics_tell_compilation_apart_from_training(tmp_path):
    train(tmp_path, MLP)
    for record in RunDirectory(tmp_path).read_metrics():
        assert record["compile_seconds"] > 0
        assert record["flops_per_second"] > 0
        assert record["flop_utilisation"] is None  # nobody knows a CPU's peak


@pytest.mark.slow
def test_eight_models_on_four_devices_train_without_talking():
    planned = job(dataclasses.replace(CNN, num_models=8), devices=4)
    for strategy in ("vmap", "unroll"):
        text = planned.programs(Plan(strategy, "plain", 8)).compile_train(8).as_text()
        for word in (
            "all-gather",
            "all-reduce",
            "all-to-all",
            "collective-permute",
            "reduce-scatter",
        ):
            assert word not in text
