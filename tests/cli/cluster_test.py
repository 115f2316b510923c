"""The scripts of scripts/cluster, run as a scheduler runs them, without one."""

import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from cli import small_run

CLUSTER = small_run.ROOT / "scripts/cluster"
SBATCH = CLUSTER / "slurm.sbatch"
JOBS = list(yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text()))
SCRIPTS = sorted(
    p for p in (small_run.ROOT / "scripts").rglob("*") if p.suffix in (".sh", ".sbatch")
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The dumps to expect."""
    return small_run.alone(tmp_path_factory.mktemp("alone") / "run")


def kubernetes(kind, name):
    return next(o for o in JOBS if o["kind"] == kind and o["metadata"]["name"] == name)


def container(job):
    [only] = job["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_are_well_formed(script):
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "--severity=warning", script], check=True)


def test_slurm_submits_an_array_and_what_depends_on_it(tmp_path):
    recorder = tmp_path / "sbatch"
    recorder.write_text(
        '#!/bin/bash\necho "$PARTS $CONFIG $*" >> "$(dirname "$0")/said"\necho "17;cluster"\n'
    )
    recorder.chmod(0o755)
    path = f"{tmp_path}:{small_run.environment()['PATH']}"
    resources = {"TRAIN_RESOURCES": "--gres=gpu:1 --mem=1G", "ATTACK_RESOURCES": "--mem=2G"}
    small_run.succeed(
        small_run.start(
            ["bash", SBATCH, "submit"], PATH=path, PARTS="3", CONFIG="a.flags", **resources
        )
    )
    assert (tmp_path / "said").read_text().splitlines() == [
        "3 a.flags --parsable --array=0-2 --gres=gpu:1 --mem=1G scripts/cluster/slurm.sbatch",
        "3 a.flags --dependency=afterok:17 --kill-on-invalid-dep=yes --mem=2G "
        "scripts/cluster/slurm.sbatch",
    ]


@pytest.mark.slow
def test_a_job_array_with_a_killed_task_makes_the_dumps_of_one_process(tmp_path, alone):
    run, spooled = tmp_path / "run", pathlib.Path(shutil.copy(SBATCH, tmp_path / "slurm_script"))
    job = {"CONFIG": small_run.CONFIG, "WORKDIR": str(run), "FLAGS": " ".join(small_run.FLAGS)}

    def task(index):
        return small_run.start(
            ["bash", spooled], **job, SLURM_ARRAY_TASK_ID=str(index), SLURM_ARRAY_TASK_COUNT="2"
        )

    first, second = task(0), task(1)
    small_run.kill_in_training(second, run, model=1)
    requeued = task(1)
    small_run.succeed(first, requeued)
    small_run.assert_same_dumps(run, alone)
    small_run.succeed(small_run.start(["bash", spooled], **job))
    assert (run / "results.json").exists()
    assert (run / "report/index.html").exists()


@pytest.mark.slow
def test_a_pod_of_an_indexed_job_makes_its_part_of_the_dumps(tmp_path, alone):
    job = container(kubernetes("Job", "lira-models"))
    [source] = job["envFrom"]
    told = dict(kubernetes("ConfigMap", source["configMapRef"]["name"])["data"])
    told |= {
        "WORKDIR": str(tmp_path / "run"),
        "CONFIG": small_run.CONFIG,
        "FLAGS": " ".join(small_run.FLAGS),
    }
    told |= {"JOB_COMPLETIONS": "2"}
    small_run.succeed(small_run.start(job["command"], **told, JOB_COMPLETION_INDEX="1"))
    small_run.assert_same_dumps(tmp_path / "run", alone, models=[1, 3])


def test_the_jobs_of_kubernetes_agree():
    models, report = kubernetes("Job", "lira-models"), kubernetes("Job", "lira-report")
    parts = int(kubernetes("ConfigMap", "lira-run")["data"]["JOB_COMPLETIONS"])
    assert models["spec"]["completionMode"] == "Indexed"
    assert models["spec"]["completions"] == models["spec"]["parallelism"] == parts
    assert report["spec"]["suspend"]
    claims = [job["spec"]["template"]["spec"]["volumes"] for job in (models, report)]
    claim = kubernetes("PersistentVolumeClaim", "lira-shared")
    assert (
        claims
        == [[{"name": "shared", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}]]
        * 2
    )
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_part_that_is_not_one_of_the_parts_is_refused(tmp_path):
    run = tmp_path / "run"
    for part, told in (
        ("2/2", {}),
        ("auto", {}),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "1"}),
    ):
        process = small_run.start([CLUSTER / "part.sh", part, small_run.CONFIG, run], **told)
        _, error = process.communicate()
        assert process.returncode == 1
        assert error.startswith(f"lira-train: error: --part={part}: ")
        assert len(error.splitlines()) == 1
        assert not run.exists()


def status(run):
    """The lines that lira-status prints."""
    process = small_run.start([sys.executable, "-m", "lira_jax.cli.status", f"--workdir={run}"])
    printed, error = process.communicate()
    assert process.returncode == 0, error
    return printed.splitlines()


def go_on(told, name, *flags):
    """Runs the command that lira-status has told, which is this one."""
    assert shlex.split(told[-1]) == ["next", name, *flags]
    module = f"lira_jax.cli.{name.removeprefix('lira-')}"
    small_run.succeed(small_run.start([sys.executable, "-m", module, *flags]))


@pytest.mark.slow
def test_a_dead_part_costs_its_own_models_and_the_status_names_them(tmp_path, alone):
    run = tmp_path / "run"
    first, second = (
        small_run.start(small_run.stage("train", run, f"--part={part}")) for part in ("0/2", "1/2")
    )
    small_run.kill_in_training(first, run, model=0)
    small_run.succeed(second)
    told = status(run)
    [training] = [x for x in told if x.startswith("train")]
    assert training.startswith("train   - 2 of 4 models finished; ")
    assert "model 2 without a checkpoint" in training
    go_on(told, "lira-train", f"--workdir={run}", "--model_ids=0,2")
    small_run.succeed(small_run.start(small_run.stage("score", run, "--part=1/2")))
    go_on(status(run), "lira-score", f"--workdir={run}", "--model_ids=0,2")
    small_run.assert_same_dumps(run, alone)
