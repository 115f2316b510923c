"""The bench scripts run at a tiny size, and what they compute from timings is right."""

import argparse
import os
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from lira_jax.models.conv import conv

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@pytest.fixture
def scripts(monkeypatch):
    """So that a script can be imported as others of them import it."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


def _run(script, *flags, rounds=("--rounds=2",), seconds=("--seconds=0",)):
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(SCRIPTS.parent)}
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, *flags, *rounds, *seconds],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(printed):
    """The names in a table of rates, each with its positive median."""
    found = re.findall(r"^(\S.*?)  +(\d+)  +\d+ to \d+ ", printed, re.M)
    assert all(int(median) > 0 for _, median in found)
    return {name for name, _ in found}


TINY = ("--torch=false", "--num_models=2", "--batch_size=4", "--steps=1")


@pytest.mark.slow
def test_training_is_compared_by_strategy_and_by_processes():
    printed = _run(
        "bench_train.py",
        "--models=mlp",
        "--hidden=8",
        "--workers=2",
        "--strategies=vmap,loop",
        *TINY,
    )
    names = {"one at a time", "vmap", "loop"}
    assert _rows(printed) == names | {f"{name}, 2 pinned" for name in names}


@pytest.mark.slow
def test_training_is_compared_where_the_device_allows():
    printed = _run(
        "bench_train.py", "--models=cnn", "--cnn_width=2", "--strategies=map,loop", *TINY
    )
    assert _rows(printed) >= {"one at a time", "loop, plain"}
    assert "map, plain" not in _rows(printed)  # which is refused on a CPU
    assert "left out" not in printed


@pytest.mark.slow
def test_a_step_is_timed_by_form():
    tiny = ("--width=2", "--batch_size=4", "--steps=1", "--torch=false", "--forms=plain,shifted")
    printed = _run("bench_step.py", *tiny, seconds=())
    assert re.findall(r"^ours, (\w+) +[\d.]+ ms a step$", printed, re.M) == ["plain", "shifted"]


@pytest.mark.slow
def test_private_training_is_compared_with_plain():
    tiny = ("--num_models=2", "--hidden=4", "--batch_size=4", "--steps=1", "--blocks=0,2")
    printed = _run("bench_privacy.py", *tiny, seconds=())
    rows = re.findall(r"^(.*?)  +at once +([\d.]+) ms of CPU .* ([\d.]+) x plain$", printed, re.M)
    assert [name for name, _, _ in rows] == ["plain", "dp_sgd", "dp_sgd, blocks of 2"]
    assert float(rows[0][2]) == 1


@pytest.mark.slow
def test_scoring_is_compared_with_the_forward_pass_of_training():
    printed = _run(
        "bench_score.py", "--models=mlp", "--num_models=2", "--batch_size=4", "--images=36"
    )
    assert _rows(printed) == {
        "training forward, batch 4",
        "scoring, 1 query",
        "scoring, 18 queries",
    }
    assert float(re.search(r"18 queries cost ([\d.]+) times", printed)[1]) > 0


@pytest.mark.slow
def test_gradients_are_compared_by_form():
    tiny = ("--forms=plain,patches", "--width=2", "--images=4", "--block=2", "--steps=2")
    printed = _run("bench_gradients.py", *tiny, seconds=())
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", printed, re.M)
    assert [form for form, *_ in rows] == ["plain", "patches"]


@pytest.mark.slow
@pytest.mark.usefixtures("scripts")
def test_what_is_timed_of_gradients_is_the_same_in_each_form_and_block():
    import bench_gradients

    sizes = argparse.Namespace(images=5, block=2, steps=3, width=2)
    plain, patches = (bench_gradients.runs(form, sizes) for form in ("plain", "patches"))
    found = {name: np.asarray(run()) for name, run in plain.items()}
    at_once, in_blocks, one, in_a_loop = (found[name] for name in bench_gradients.COLUMNS)
    assert at_once.shape == (5, 7)
    np.testing.assert_allclose(in_blocks, at_once, rtol=1e-3)
    assert one.shape == in_a_loop.shape == (5, 32, 32, 3)
    assert np.abs(one).max() > 0
    for name, run in patches.items():
        size = np.abs(found[name]).max()
        np.testing.assert_allclose(np.asarray(run()), found[name], rtol=1e-3, atol=1e-4 * size)


@pytest.mark.slow
def test_signals_are_counted_in_forward_passes():
    printed = _run(
        "bench_score.py",
        *("--models=mlp", "--num_models=1", "--images=8", "--batch_size=4"),
        "--signals=layers,gradient_norms_w",
    )
    assert _rows(printed) == {"phi", "layers", "gradient_norms_w"}
    costs = re.findall(r"^(\w+) costs ([\d.]+) forward passes$", printed, re.M)
    assert [name for name, _ in costs] == ["layers", "gradient_norms_w"]
    assert "MiB in batches of" in printed


@pytest.mark.slow
def test_scaling_has_a_line_for_every_stage_and_size():
    sizes = ("--models=2,4", "--examples=128,256", "--devices=1,2", "--attack_models=8,16")
    printed = _run("bench_scaling.py", *sizes, "--attack_examples=20,40", "--queries=1,2")
    lines = set(re.findall(r"^(\w+ against \w+) \(", printed, re.M))
    expected = {
        f"{stage} against {size}"
        for stage in ("training", "scoring")
        for size in ("models", "examples")
    }
    assert lines == expected | {
        f"attack against {size}" for size in ("models", "examples", "queries")
    }
    assert re.findall(r"^(\w+) on several devices", printed, re.M) == ["training", "scoring"]


@pytest.mark.slow
def test_a_profile_finds_every_convolution_of_a_step():
    printed = _run(
        "profile_step.py", "--model=cnn", "--width=2", "--batch_size=4", "--steps=2", rounds=()
    )
    found = {
        kind: int(n)
        for kind, n in re.findall(r"^convolutions, (.+?)  +[\d.]+ +\d+% +(\d+) ", printed, re.M)
    }
    # There is no gradient with respect to the image.
    assert found == {"forward": 7, "weight gradient": 7, "input gradient": 6}


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(("stride", "out"), [(1, 8), (2, 4)])
def test_a_profile_counts_what_a_convolution_multiplies(stride, out):
    import profile_step

    def loss(x, kernel):
        return (conv(x, kernel, stride) ** 2).sum()

    gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))
    program = gradients.lower(np.zeros((5, 8, 8, 3)), np.zeros((3, 3, 3, 7))).compile().as_text()
    once = 2 * 5 * out**2 * 3 * 7 * 3**2
    found = {o.kind: o.flops for o in profile_step.operations(program).values() if o.flops}
    assert found == dict.fromkeys(
        (profile_step.FORWARD, profile_step.INPUT, profile_step.WEIGHT), once
    )


@pytest.mark.usefixtures("scripts")
def test_contenders_take_turns_forth_and_back():
    import alternate

    order = []
    measures = {name: lambda name=name: order.append(name) or len(order) for name in "abc"}
    found = alternate.in_turn(measures, 3)
    assert "".join(order) == "abccbaabc"
    assert found == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}
    # A machine that runs at half speed in the last two rounds changes no ratio, though it changes
    # the medians.
    assert alternate.ratio([30, 15, 15], [10, 5, 5]) == 3


@pytest.mark.usefixtures("scripts")
def test_only_points_off_the_line_are_marked(capsys):
    import bench_scaling

    sizes = [8, 16, 32, 64, 128]
    bench_scaling.print_line("training", "models", sizes, [0.5 + 0.25 * n for n in sizes], "")
    printed = capsys.readouterr().out
    assert "500.00 ms + 250000.00 us x models" in printed
    assert "not straight" not in printed
    bench_scaling.print_line("training", "models", sizes, [n**1.5 for n in sizes], "")
    assert capsys.readouterr().out.count("not straight") >= 2


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("model", ["mlp", "cnn", "wide_resnet", "resnet", "gpt_tiny"])
def test_torch_networks_have_as_many_parameters(model):
    pytest.importorskip("torch", reason="PyTorch is no dependency")
    import bench_torch
    import bench_train
    import jax

    from lira_jax.experiment import Experiment
    from lira_jax.models import network

    options = {
        "mlp": {"hidden": (16, 8)},
        "cnn": {"width": 4},
        "wide_resnet": {"depth": 10, "width": 2},
        "resnet": {"depth": 18},
        "gpt_tiny": bench_train.OF_TEXT,
    }[model]
    text = model in bench_train.TEXT
    shape = (64,) if text else bench_train.SHAPES[model]
    experiment = Experiment(model=model, **options)
    case = bench_train.Case(experiment, shape, 1, (), 256 if text else 0)
    ours = network.make(experiment, case.dataset()).shapes["params"]
    theirs = [p.numel() for p in bench_torch.network_of(case).parameters()]
    assert sum(theirs) == sum(leaf.size for leaf in jax.tree.leaves(ours))


@pytest.mark.usefixtures("scripts")
def test_torchs_gpt_says_what_ours_does():
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency")
    import bench_torch
    import bench_train

    from lira_jax.experiment import Experiment
    from lira_jax.models import table

    case = bench_train.Case(
        Experiment(model="gpt_tiny", **bench_train.OF_TEXT), (8,), 1, (), vocabulary=11
    )
    theirs = bench_torch.network_of(case).eval()
    weights = {n: p.detach().numpy() for n, p in theirs.named_parameters()}

    def dense(name):
        return {"kernel": weights[f"{name}.weight"].T, "bias": weights[f"{name}.bias"]}

    def norm(name):
        return {"scale": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}

    params = {n: weights[n] for n in ("start", "positions")}
    params |= {"tokens": {"embedding": weights["tokens.weight"]}, "norm": norm("norm")}
    for i in range(2):
        at = f"blocks.{i}."
        layers = {n: dense(at + n) for n in ("qkv", "attention", "wide", "narrow")}
        layers |= {n: norm(at + n) for n in ("norm_attention", "norm_dense")}
        params[f"block_{i}"] = layers
    x = np.random.default_rng(0).integers(0, 11, (3, 8))
    module = table.create("gpt_tiny", 11, text=True)
    ours = module.apply({"params": params}, x, train=False)
    with torch.no_grad():
        np.testing.assert_allclose(theirs(torch.from_numpy(x)).numpy(), ours, atol=1e-5)
