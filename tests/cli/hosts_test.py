"""Two processes that meet by jax.distributed, as on two hosts."""

import json
import socket
import subprocess
import sys

import pytest
from cli import small_run

from lira_jax.cli import hosts, rendezvous
from lira_jax.cli.flags import FLAGS
from lira_jax.errors import UserError


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_both(name, workdir):
    meeting = [f"--coordinator=127.0.0.1:{free_port()}", "--num_processes=2"]
    return [
        small_run.start(small_run.stage(name, workdir, *meeting, f"--process_id={p}"))
        for p in range(2)
    ]


def start_on_slurm(name, workdir):
    """What srun tells its tasks is enough for --coordinator=auto."""
    job = {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_LOCALID": "0",
    }
    job["JAX_COORDINATOR_PORT"] = str(free_port())
    auto = small_run.stage(name, workdir, "--coordinator=auto")
    return [small_run.start(auto, **job, SLURM_PROCID=str(p)) for p in range(2)]


def test_killed_and_started_again_the_hosts_make_the_dumps_of_one(tmp_path):
    run = tmp_path / "run"
    first, second = start_both("train", run)
    small_run.kill_in_training(first, run, model=0)  # the coordinator
    _, error = second.communicate()
    assert second.returncode == 1
    assert error.splitlines()[-1] == (
        "lira-train: error: models 0,2 are unfinished: the connection to process 0 was lost. Run "
        f"the same command again on every host, or on one: lira-train --workdir={run} "
        "--model_ids=0,2"
    )
    assert (run / "checkpoints/0003/final").exists()  # whoever has died, the others finish theirs

    small_run.succeed(*start_both("train", run))
    small_run.succeed(*start_on_slurm("score", run))
    small_run.assert_same_dumps(run, small_run.alone(tmp_path / "alone"))


@pytest.fixture
def companions():
    """Three companions that know each other."""
    port = free_port()
    started = [
        subprocess.Popen(
            [
                *[sys.executable, "-m", "lira_jax.cli.rendezvous"],
                json.dumps(
                    {
                        "coordinator_address": f"127.0.0.1:{port}",
                        "num_processes": 3,
                        "process_id": p,
                    }
                ),
            ],
            env=small_run.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for p in range(3)
    ]
    yield started
    for companion in started:
        companion.kill()
        companion.wait()
        companion.stdout.close()


def ask(companion, word=rendezvous.MEET):
    companion.stdin.write(word)
    companion.stdin.flush()


def heard(companion):
    return json.loads(companion.stdout.readline())


def test_companions_wait_for_the_living_alone_and_the_coordinator_goes_last(companions):
    first, second, third = companions
    assert [heard(c) for c in companions] == [[0, 3], [1, 3], [2, 3]]
    for companion in companions:
        ask(companion)
    assert [heard(c) for c in companions] == [[0, 1, 2]] * 3
    ask(first)
    ask(third)
    second.stdin.close()  # as when its process is killed
    assert [heard(first), heard(third)] == [[0, 2], [0, 2]]
    ask(first, rendezvous.LEAVE)
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(1)
    ask(third, rendezvous.LEAVE)
    assert [c.wait(20) for c in companions] == [0, 0, 0]


def gather(*given):
    """Enters the group in this process, where a UserError reaches the test."""
    FLAGS.unparse_flags()
    for name in hosts.SHOWN:
        FLAGS[name].unparse()
    FLAGS(["lira-train", "--workdir=nowhere", *given])
    with hosts.gathered() as group:
        return group


def test_a_process_is_alone_by_default():
    group = gather()
    assert group.share([3, 5, 8]) == [3, 5, 8]
    group.wait_for_set_up()
    group.set_up_is_done()
    group.finish("train", lambda: [3])  # nobody to wait for


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--num_processes=2"], "--num_processes=2: give --coordinator=host:port"),
        (
            ["--coordinator=somewhere"],
            "--coordinator=somewhere: give host:port of process 0, or auto",
        ),
        (
            ["--coordinator=a:1", "--num_processes=0"],
            "--num_processes=0: give a number of at least 1",
        ),
        (
            ["--coordinator=a:1", "--num_processes=2", "--process_id=2"],
            "--process_id=2: give a number from 0",
        ),
        (
            ["--coordinator=a:1"],
            "Number of processes must be defined.'; give --coordinator=host:port .*--num_processes",
        ),
        (
            ["--coordinator=auto"],
            "--coordinator=auto: jax.distributed says 'coordinator_address should be defined",
        ),
    ],
)
def test_wrong_flags_are_named(given, message):
    with pytest.raises(UserError, match=message):
        gather(*given)


def test_those_who_do_not_come_are_not_waited_for():
    meeting = [f"--coordinator=127.0.0.1:{free_port()}", "--num_processes=2", "--process_id=0"]
    with pytest.raises(
        UserError, match="not all processes came there within --coordinator_timeout=1 seconds"
    ):
        gather(*meeting, "--coordinator_timeout=1")


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_model_is_computed_once(count):
    ids = [0, 2, 3, 7]
    shares = [hosts.Group(p, count).share(ids) for p in range(count)]
    assert sorted(i for share in shares for i in share) == ids
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
