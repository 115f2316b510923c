"""The commands as a user runs them: in processes of their own."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
SMALL = [
    "--num_models=8",
    "--hidden=16",
    "--epochs=30",
    "--num_examples=120",
    "--batch_size=16",
    "--queries=2",
]
RECIPE = ["--augment=mirror", "--checkpoint_every=5"]


def command(stage, *flags):
    return [sys.executable, "-m", f"lira_jax.cli.{stage}", *map(str, flags)]


def environment(devices=1):
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


def run(stage, *flags, devices=1):
    return subprocess.run(
        command(stage, *flags), env=environment(devices), capture_output=True, text=True
    )


def succeed(stage, *flags, devices=1):
    done = run(stage, *flags, devices=devices)
    assert done.returncode == 0, done.stderr
    return done


def dumps(workdir):
    return {
        p.relative_to(workdir): np.load(p)
        for folder in ("scores", "logits")
        for p in (workdir / folder).iterdir()
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run through all four stages, by the script."""
    workdir = tmp_path_factory.mktemp("runs") / "small"
    script = ROOT / "scripts/train_shadows.sh"
    done = subprocess.run(
        [script, "configs/digits.flags", workdir, *SMALL, *RECIPE],
        env={
            **environment(),
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return workdir, done


def test_every_file_of_a_run_is_documented(finished):
    documented = (ROOT / "docs/run_directory.md").read_text()
    for path in finished[0].rglob("*"):
        name = str(path.relative_to(finished[0]))
        name = re.sub(r"\d{4}", "0007", re.sub(r"(checkpoints/\d{4}/\w+)/.*", r"\1", name))
        name = re.sub(r"(attacks|report)/\w+\.(npy|png|pdf)", r"\1/NAME.\2", name)
        if path.is_file():
            assert f"`{name}`" in documented, name


def test_the_script_runs_all_stages(finished):
    workdir, done = finished
    assert "lira_online_fixed" in done.stdout
    assert "\r" not in done.stderr
    assert len(done.stderr.splitlines()) < 10  # a summary a stage, and notes
    rows = (workdir / "results.csv").read_text().splitlines()
    assert rows[0].startswith(
        "attack,num_targets,num_members,num_nonmembers,auc,balanced_accuracy,tpr_at_1e-2,"
    )
    assert all(len(r.split(",")) == len(rows[0].split(",")) for r in rows)
    assert json.loads((workdir / "results.json").read_text())["attacks"]["loss"]["num_targets"] == 8
    for name in ("roc.png", "roc.pdf", "exposure.png", "exposure.pdf"):
        assert (workdir / "report" / name).stat().st_size > 5000
    scores = np.load(workdir / "attacks/lira_online.npy")
    assert scores.shape == (8, 120)
    assert scores.dtype == np.float32


def test_the_run_directory_is_as_documented(finished):
    workdir, _ = finished
    stored = json.loads((workdir / "experiment.json").read_text())
    assert stored["experiment"]["num_models"] == 8
    assert stored["versions"]["jax"]
    assert "device" in stored
    assert "git_commit" in stored
    keep, labels = np.load(workdir / "keep.npy"), np.load(workdir / "labels.npy")
    assert (keep.shape, keep.dtype) == ((8, 120), bool)
    assert (labels.shape, labels.dtype) == ((120,), np.int32)
    phi, logits = np.load(workdir / "scores/0007.npy"), np.load(workdir / "logits/0007.npy")
    assert (phi.shape, phi.dtype) == ((120, 2), np.float32)
    assert (logits.shape, logits.dtype) == ((120, 10), np.float32)
    others = np.where(np.arange(10) == labels[:, None], -np.inf, logits.astype(np.float64))
    expected = logits[np.arange(120), labels] - np.log(np.exp(others).sum(-1))
    np.testing.assert_allclose(phi[:, 0], expected, rtol=1e-4, atol=1e-4)
    assert len((workdir / "metrics.jsonl").read_text().splitlines()) == 8


def test_running_again_changes_nothing(finished):
    workdir, _ = finished
    before = {p: p.stat().st_mtime_ns for p in workdir.glob("scores/*")}
    assert "8 of 8 models are trained already" in succeed("train", f"--workdir={workdir}").stderr
    assert "8 of 8 models are scored already" in succeed("score", f"--workdir={workdir}").stderr
    assert {p: p.stat().st_mtime_ns for p in workdir.glob("scores/*")} == before


def test_killed_anywhere_and_started_again_gives_the_same_dumps(finished, tmp_path):
    whole, _ = finished
    flags = ["--flagfile=configs/digits.flags", f"--workdir={tmp_path / 'run'}", *SMALL, *RECIPE]
    strategy = "--strategy=loop"
    for name in ("whole", "run"):
        flags[1] = f"--workdir={tmp_path / name}"
        if name == "run":
            kills = 0
            for wait in (3, 5, 7):
                process = subprocess.Popen(
                    command("train", *flags, strategy),
                    env=environment(),
                    cwd=ROOT,
                    stderr=subprocess.DEVNULL,
                )
                time.sleep(wait)
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            assert kills
        succeed("train", *flags, strategy)
        succeed("score", *flags[1:2])
    expected, found = dumps(tmp_path / "whole"), dumps(tmp_path / "run")
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name])
    for name, array in dumps(whole).items():  # by the vmap strategy, rounded otherwise
        np.testing.assert_allclose(found[name], array, rtol=0.02, atol=0.02)


def test_processes_fill_one_run_directory_together(finished, tmp_path):
    whole, _ = finished
    flags = ["--flagfile=configs/digits.flags", f"--workdir={tmp_path}/run", *SMALL, *RECIPE]
    processes = [
        subprocess.Popen(
            command("train", *flags, f"--model_ids={ids}"), env=environment(), cwd=ROOT
        )
        for ids in ("0:4", "4:8")
    ]
    assert [p.wait() for p in processes] == [0, 0]
    succeed("score", *flags)
    np.testing.assert_array_equal(np.load(whole / "keep.npy"), np.load(tmp_path / "run/keep.npy"))
    found = dumps(tmp_path / "run")
    for name, array in dumps(whole).items():
        np.testing.assert_allclose(found[name], array, rtol=0.02, atol=0.02)


def test_help_is_printed():
    done = succeed("train", "--help")
    assert "\nMasks:\n" in done.stdout
    assert "--num_models: Number of shadow models." in done.stdout


@pytest.mark.parametrize(
    ("stage", "flags", "status", "message"),
    [
        ("train", ["--workdir=RUN", "--num_modles=3"], 2, "Did you mean: num_models"),
        ("train", [], 2, "--workdir= is empty"),
        ("train", ["--workdir=RUN", "--epochs=many"], 2, "epochs"),
        ("train", ["--workdir=RUN", "stray"], 2, "'stray' is not a flag"),
        ("train", ["--workdir=RUN", "--flagfile=nowhere.flags"], 2, "nowhere.flags"),
        ("train", ["--workdir=RUN", "--num_models=7"], 1, "--num_models=7: balanced masks"),
        ("train", ["--workdir=RUN", "--model=resnt"], 1, "did you mean resnet"),
        ("train", ["--workdir=RUN", "--dataset=npz", "--data_path=nowhere.npz"], 1, "nowhere.npz"),
        ("train", ["--workdir=RUN", "--model_ids=99"], 1, "model ids '99'"),
        ("score", ["--workdir=RUN"], 1, "there is no experiment.json; run lira-train first"),
        ("attack", ["--workdir=RUN"], 1, "there is no experiment.json; run lira-train first"),
        ("report", ["--workdir=RUN"], 1, "there is no results.json; run lira-attack first"),
        ("score", ["--workdir=DONE", "--num_models=16"], 1, "--num_models=16: the run in"),
        ("score", ["--workdir=DONE", "--queries=18"], 1, "has queries=2"),
        ("attack", ["--workdir=DONE", "--attacks=lira_onlin"], 1, "did you mean lira_online"),
        ("attack", ["--workdir=DONE", "--targets=8"], 1, "model ids '8'"),
        ("attack", ["--workdir=DONE", "--compat=pytorch"], 1, "--compat=pytorch"),
        ("attack", ["--workdir=DONE", "--fdr=1.5"], 1, "--fdr=1.5: give a number between 0 and 1"),
        ("attack", ["--workdir=DONE", "--delta=1"], 1, "--delta=1: give a number from 0 to below"),
        ("attack", ["--workdir=DONE", "--confidence=95"], 1, "--confidence=95: give a probability"),
        ("attack", ["--workdir=DONE", "--prior=0"], 1, "--prior=0: give a number between 0 and 1"),
        ("attack", ["--workdir=DONE", "--prior=.1,half"], 1, "--prior=.1,half: give numbers"),
    ],
)
def test_bad_input_is_one_line(finished, tmp_path, stage, flags, status, message):
    flags = [
        f.replace("RUN", str(tmp_path / "run")).replace("DONE", str(finished[0])) for f in flags
    ]
    done = run(stage, *flags)
    assert done.returncode == status, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"lira-{stage}: error: ")
    assert message in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (
            "scores/0003.npy",
            lambda p: p.write_bytes(p.read_bytes()[:100]),
            "does not match its sha256",
        ),
        (
            "scores/0003.npy",
            lambda p: p.unlink(),
            "is missing: run the stage that writes it (lira-score)",
        ),
        ("keep.npy", lambda p: np.save(p, np.ones((3, 3), bool)), "does not match its sha256"),
        ("manifest.json", lambda p: p.write_text("{"), "is not JSON"),
        (
            "experiment.json",
            lambda p: p.write_text("[]"),
            "experiment.json: it holds no experiment",
        ),
    ],
)
def test_damaged_runs_are_one_line(finished, tmp_path, name, damage, message):
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    damage(workdir / name)
    done = run("attack", f"--workdir={workdir}", "--attacks=loss")
    assert done.returncode == 1
    assert message in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_diverged_models_are_left_out(tmp_path):
    flags = [
        f"--workdir={tmp_path}/run",
        *SMALL,
        "--normalize=none",
        "--learning_rate=3",
        "--queries=1",
    ]
    trained = succeed("train", *flags)
    line = next(x for x in trained.stderr.splitlines() if "diverged and" in x)
    assert line.startswith("WARNING: model")
    succeed("score", f"--workdir={tmp_path}/run")
    done = run("attack", f"--workdir={tmp_path}/run")
    assert done.returncode in (0, 1)
    assert line in done.stderr.splitlines()
    assert "Traceback" not in done.stderr


def test_a_run_of_which_all_models_diverge_ends_at_once_in_one_line(tmp_path):
    flags = [f"--workdir={tmp_path}/run", *SMALL, "--epochs=2000", "--learning_rate=1e8"]
    trained = run("train", *flags)
    scaling, data, stopped, error = trained.stderr.splitlines()
    assert scaling == "--normalize=auto is pixel for uint8 images 0..255"
    assert data.startswith("data: 120 examples [8, 8, 1] uint8 0..255, 10 classes of ")
    assert stopped.startswith("models 0-7: training stops after epoch 2 of 2000, for NaN")
    assert re.search(
        r"lira-train: error: .*/run: models 0-7 have diverged \(NaN .*\), and no attack .* train "
        r"again in another --workdir, with a lower --learning_rate than 1e\+08$",
        error,
    )
    assert trained.returncode == 1
    for stage in ("score", "attack"):
        later = run(stage, f"--workdir={tmp_path}/run")
        assert later.returncode == 1
        assert later.stderr.splitlines() == [error.replace("lira-train", f"lira-{stage}")]
    assert run("train", *flags).stderr.splitlines()[-1] == error


def test_examples_of_a_rare_class_run_through_the_attack(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 6)), np.repeat([1, 0], [12, 388])
    x[:15] += 3  # three of the frequent class look like the rare one
    np.savez(tmp_path / "rare.npz", x=x.astype(np.float32), y=y)
    workdir = f"--workdir={tmp_path}/run"
    flags = ["--dataset=npz", f"--data_path={tmp_path}/rare.npz", "--num_models=8", "--hidden=16"]
    trained = succeed("train", workdir, *flags, "--epochs=30", "--queries=1")
    assert "WARNING" not in trained.stderr
    succeed("score", workdir)
    done = succeed("attack", workdir, "--attacks=lira_online")
    assert "WARNING" not in done.stderr
    assert np.load(tmp_path / "run/attacks/lira_online.npy").shape == (8, 400)


def test_models_that_have_hardly_begun_to_learn_are_named_and_attacked(tmp_path):
    workdir = f"--workdir={tmp_path}/run"
    trained = succeed("train", workdir, *SMALL, "--epochs=1", "--learning_rate=1e-5", "--queries=1")
    line = trained.stderr.splitlines()[-1]
    assert re.match(r"WARNING: models 0.* learned nothing and are attacked like the others", line)
    assert line.endswith("more --epochs or a higher --learning_rate may fit better")
    succeed("score", workdir)
    done = succeed("attack", workdir, "--attacks=lira_online")
    assert line in done.stderr.splitlines()
    assert np.isfinite(np.load(tmp_path / "run/attacks/lira_online.npy")).all()


def test_a_target_from_outside_is_attacked_with_our_shadows(finished, tmp_path):
    workdir, _ = finished
    logits = np.mean([np.load(workdir / f"logits/000{m}.npy") for m in (2, 3)], axis=0)
    keep = np.arange(120) % 2 == 0  # no model has these members, or these outputs
    np.savez(tmp_path / "target.npz", logits=logits, keep=keep)
    np.save(tmp_path / "unknown.npy", logits)
    flags = [f"--workdir={workdir}", "--attacks=lira_offline_fixed,loss"]
    known = succeed("attack", *flags, f"--targets={tmp_path}/target.npz", f"--out={tmp_path}/known")
    assert "lira_offline_fixed" in known.stdout
    row = json.loads((tmp_path / "known/results.json").read_text())["attacks"]["loss"]
    assert (row["num_targets"], row["num_members"]) == (1, keep.sum())
    assert len(row["thresholds"]) == 1  # chosen on our models, whose members we know
    assert row["decisions"]["1:1"]["far"] < 1
    unknown = succeed(
        *("attack", *flags, f"--targets={tmp_path}/unknown.npy", f"--out={tmp_path}/unknown"),
        "--fdr=0.9",
    )
    accused = (tmp_path / "unknown/accusations.csv").read_text().splitlines()
    assert accused[0] == "statistic,target,example,p_value"
    number = sum(int(n) for n in re.findall(r"(\d+) of 120 examples are accused", unknown.stderr))
    assert len(accused) == number + 1
    found = json.loads((tmp_path / "unknown/attacks/manifest.json").read_text())
    assert "accusations.csv" in found["sha256_of"]
    assert "membership is unknown" in unknown.stderr
    assert not (tmp_path / "unknown/results.csv").exists()
    for name in ("lira_offline_fixed", "loss"):
        scores = [np.load(tmp_path / run / f"attacks/{name}.npy") for run in ("known", "unknown")]
        np.testing.assert_array_equal(*scores)
        assert scores[0].shape == (1, 120)


def test_accusations_priors_and_details(finished, tmp_path):
    flags = ["--attacks=lira_online,zero_r", "--fdr=0.5", "--prior=0.001", "--details"]
    flags += ["--delta=0", "--confidence=0.9"]
    done = succeed("attack", f"--workdir={finished[0]}", f"--out={tmp_path}", *flags)
    assert "Accusations of which at most 50 % are expected to be false" in done.stdout
    assert "Decisions at thresholds of other models, in percent" in done.stdout
    found = json.loads((tmp_path / "results.json").read_text())
    own = found["calibrated"]["phi_mean"]
    assert own["accusations"]["fdr"] == 0.5
    assert found["attacks"]["lira_online"]["statistic"] == "phi_mean"
    assert found["attacks"]["zero_r"]["statistic"] is None
    bound = found["attacks"]["lira_online"]["epsilon"]
    assert (bound["delta"], bound["confidence"], bound["strategy"]) == (0, 0.9, "guesses")
    assert bound["one_run"] == pytest.approx(bound["value"])  # as delta is 0
    assert "of differential privacy, at delta 0 and confidence 90 %" in done.stdout
    shown = f"  {100 * own['at']['1e-2']['tpr']['value']:.2f}"
    assert shown in next(r for r in done.stdout.splitlines() if r.startswith("lira_online"))
    # 480 non-members do not resolve 0.1 %, where thresholds of other models would be judged.
    assert found["attacks"]["lira_online"]["transferred"] == {}


def test_ablation_and_fewer_shadows(finished, tmp_path):
    done = succeed(
        "attack",
        f"--workdir={finished[0]}",
        f"--out={tmp_path}",
        "--attacks=loss",
        "--ablation",
        "--num_shadows=4,6",
        "--num_queries=1,2",
        "--statistics",
    )
    assert "+ multiple queries (online LiRA)" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results["ablation"]) == 13 + 2
    assert {row["num_shadows"] for row in results["num_shadows"]} == {4, 6}
    assert {row["num_queries"] for row in results["num_queries"]} == {1, 2}
    variants = (tmp_path / "variants.csv").read_text().splitlines()
    assert len(variants) == 1 + 15 + 2 * 4 + 2 * 4 + 5 * 2
    assert variants[-1].startswith("statistics,hinge,lira_offline,")
    odd = run(
        "attack",
        f"--workdir={finished[0]}",
        f"--out={tmp_path}",
        "--attacks=loss",
        "--num_shadows=8",
    )
    assert odd.returncode == 1
    assert "--num_shadows=8: give even numbers from 4 to 6" in odd.stderr


@pytest.mark.parametrize("layout", ["tf_privacy", "lira_pytorch"])
def test_an_export_is_attacked_like_the_run_itself(finished, tmp_path, layout):
    workdir, _ = finished
    succeed("export", f"--workdir={workdir}", f"--out={tmp_path}/theirs", f"--format={layout}")
    flags = ["--attacks=lira_online,lira_offline,phi_mean", "--compat=tf_privacy", "--targets=7"]
    missing = run("attack", f"--workdir={tmp_path}/theirs", *flags)
    assert missing.returncode == 1
    assert "--out=" in missing.stderr
    succeed("attack", f"--workdir={tmp_path}/theirs", *flags, f"--out={tmp_path}/results")
    succeed("attack", f"--workdir={workdir}", *flags, f"--out={tmp_path}/ours")
    theirs, ours = (
        json.loads((tmp_path / d / "results.json").read_text())["attacks"]
        for d in ("results", "ours")
    )
    assert theirs.keys() == ours.keys() == {"lira_online", "lira_offline", "phi_mean"}
    for name in ours:
        for figure in ("auc", "balanced_accuracy", "tpr_at_1e-2"):
            assert theirs[name][figure]["value"] == pytest.approx(
                ours[name][figure]["value"], abs=1e-6, nan_ok=True
            )
