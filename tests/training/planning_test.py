"""No more side by side than fits into memory; what was measured once is measured no more.

tuning_test.py times and trains by the plans.
"""

import dataclasses
import types

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.ensemble import hardware, lift
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import planning
from lira_jax.training.programs import Plan

DENSE = {"kernel": np.zeros((100, 10))}
KERNEL = {"kernel": np.zeros((3, 3, 1, 4))}


def fitting(width, devices, fixed, each, limit, fails_at=10**9):
    """`planning.fitting` where models need so many bytes together and each; the widths compiled."""
    tried = []

    def compile_train(width):
        tried.append(width)
        if width >= fails_at:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while autotuning")
        return fixed + each * width // devices

    programs = types.SimpleNamespace(devices=lift.mesh(devices), compile_train=compile_train)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "usable_bytes", lambda device: limit)
        patch.setattr(planning, "bytes_needed", lambda needed: needed)
        patch.setattr(planning.progress, "note", lambda text: None)
        return planning.fitting(programs, width), tried


@given(
    chunks=st.integers(1, 64),
    devices=st.integers(1, 4),
    fixed=st.integers(0, 5000),
    each=st.integers(1, 1000),
    limit=st.integers(1, 20000),
    fails_at=st.integers(1, 300),
)
def test_the_width_fits_or_is_one_model_a_device(chunks, devices, fixed, each, limit, fails_at):
    width = chunks * devices
    found, tried = fitting(width, devices, fixed, each, limit, fails_at)
    assert found % devices == 0
    assert devices <= found <= width
    assert found == tried[-1]  # its program is the one that was compiled last
    assert tried == sorted(set(tried), reverse=True)
    fits = fixed + each * found // devices <= limit and found < fails_at
    assert fits or found == devices
    if fixed + each * chunks <= limit and width < fails_at:
        assert tried == [width]


def test_without_a_fixed_part_the_second_guess_is_right():
    assert fitting(64, 1, fixed=0, each=10, limit=300) == (30, [64, 30])


def test_a_compiler_that_fails_otherwise_is_heard():
    programs = types.SimpleNamespace(devices=lift.mesh(1))

    def compile_train(width):
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    programs.compile_train = compile_train
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        planning.fitting(programs, 4)


def test_the_rule_knows_what_a_cpu_is_slow_at(monkeypatch):
    mesh, e = lift.mesh(1), Experiment(num_models=16)
    monkeypatch.setattr(planning, "usual_form", lambda asked="auto": "plain")
    assert planning.plan_by_rule(e, 16, mesh, DENSE) == Plan("vmap", "plain", 16)
    assert planning.plan_by_rule(e, 16, mesh, KERNEL) == Plan("loop", "plain", 1)
    with pytest.raises(UserError, match="--strategy=map: on a CPU"):
        planning.plan_by_rule(dataclasses.replace(e, strategy="map"), 16, mesh, KERNEL)
    asked = dataclasses.replace(e, strategy="unroll", conv_form="shifted", models_per_chunk=3)
    assert planning.plan_by_rule(asked, 16, lift.mesh(2), KERNEL) == Plan("unroll", "shifted", 4)


def test_onednn_is_taken_where_it_is_installed(monkeypatch):
    mesh, e = lift.mesh(1), Experiment(num_models=16)
    monkeypatch.setattr(planning, "usual_form", lambda asked="auto": "onednn")
    monkeypatch.setattr(planning.operations, "available", lambda: True)
    assert planning.plan_by_rule(e, 16, mesh, KERNEL) == Plan("loop", "onednn", 1)
    assert planning.plan_by_rule(e, 16, mesh, DENSE).conv_form == "plain"
    own = dataclasses.replace(e, model="mine:net")
    assert planning.plan_by_rule(own, 16, mesh, KERNEL).conv_form == "plain"
    looped = dataclasses.replace(e, strategy="map")  # is slow with XLA's convolutions alone
    assert planning.plan_by_rule(looped, 16, mesh, KERNEL).strategy == "map"
    for form in ("auto", "onednn"):
        plans = planning.candidates(dataclasses.replace(e, conv_form=form), 16, mesh, KERNEL)
        assert plans == [Plan("loop", "onednn", 1)]
    assert {plan.conv_form for plan in planning.candidates(own, 16, mesh, KERNEL)} == {"plain"}


def test_onednn_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr(planning.operations, "available", lambda: False)
    e = Experiment(num_models=16, conv_form="onednn")
    with pytest.raises(UserError, match="--conv_form=onednn: oneDNN is not installed"):
        planning.plan_by_rule(e, 16, lift.mesh(1), KERNEL)


def made(job_experiment, run, monkeypatch, timings=()):
    """The plan that `planning.make` takes for 8 dense models, and how often it timed."""
    timed = []

    def time(*_):
        timed.append(1)
        return list(timings)

    monkeypatch.setattr(planning, "_timings", time)
    monkeypatch.setattr(planning, "fitting", lambda programs, width: width)
    job = types.SimpleNamespace(
        experiment=job_experiment, devices=lift.mesh(1), programs=lambda plan: plan
    )
    plan, width = planning.make(job, 8, DENSE, run)
    return plan, width, len(timed)


def test_a_plan_that_was_measured_is_kept_for_such_devices(tmp_path, monkeypatch):
    run, auto = RunDirectory(tmp_path), Experiment(num_models=8)
    where = hardware.describe(lift.mesh(1))
    run.write_plan(where, dataclasses.asdict(Plan("loop", "plain", 1)), [{}, {}])
    assert made(auto, run, monkeypatch) == (Plan("loop", "plain", 1), 1, 0)
    run.write_plan(where, dataclasses.asdict(Plan("vmap", "grouped", 64)), [{}, {}])
    assert made(auto, run, monkeypatch) == (Plan("vmap", "grouped", 8), 8, 0)  # of 8 models
    other = dataclasses.replace(auto, conv_form="plain")
    assert made(other, run, monkeypatch)[2] == 1  # what was measured had another form
    narrow = dataclasses.replace(auto, models_per_chunk=3)
    assert made(narrow, run, monkeypatch)[2] == 1  # or another width
    fixed = dataclasses.replace(auto, strategy="vmap", models_per_chunk=3)
    plan, width, timed = made(fixed, run, monkeypatch)
    assert (plan.width, width, timed) == (3, 3, 0)  # 8 models in chunks of 3, 3 and 2
    assert run.read_plan(where)["conv_form"] == "grouped"


def test_a_training_too_short_to_time_follows_the_rule_and_says_so_in_the_file(
    tmp_path, monkeypatch
):
    run = RunDirectory(tmp_path)
    plan, _, timed = made(Experiment(num_models=8), run, monkeypatch)
    assert (plan.strategy, timed) == ("vmap", 1)
    (kept,) = run.read_plans().values()
    assert (kept["plan"]["strategy"], kept["timings"]) == ("vmap", [])
    assert made(Experiment(num_models=8), run, monkeypatch)[2] == 1  # a longer piece may measure


def test_a_model_larger_than_a_device_is_refused_with_its_bytes(monkeypatch):
    state = {"params": np.zeros((10, 25), np.float32), "moments": np.zeros((2, 250), np.float32)}
    e, mesh = Experiment(model="gpt2_small"), lift.mesh(1)
    monkeypatch.setattr(hardware, "usable_bytes", lambda device: 3000)
    planning.check_size(e, state, mesh)
    monkeypatch.setattr(hardware, "usable_bytes", lambda device: 2999)
    with pytest.raises(UserError, match=r"--model=gpt2_small: .* 3000 bytes .* has 2999 to spare"):
        planning.check_size(e, state, mesh)
