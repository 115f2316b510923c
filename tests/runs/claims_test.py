"""Claims last as long as their process, whichever way that ends."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from lira_jax.errors import UserError
from lira_jax.runs import claims

HOLD = """
import pathlib, sys, time
from lira_jax.runs import claims
with claims.held(pathlib.Path(sys.argv[1]), sys.argv[2], map(int, sys.argv[3:])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run/.processes"


@pytest.fixture
def other(folder):
    """Another process that trains models 2 and 3, and its end."""
    command = [sys.executable, "-c", HOLD, str(folder), "train", "2", "3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_what_another_process_has_is_refused_until_it_is_killed(folder, other):
    assert claims.living(folder) == [claims.Claim("train", (2, 3), platform.node(), other.pid)]
    with (
        pytest.raises(UserError, match=rf"^model 3 is being trained by process {other.pid}; wait"),
        claims.held(folder, "train", [5, 4, 3]),
    ):
        pass
    with claims.held(folder, "train", [4]), claims.held(folder, "score", [3]):
        assert len(claims.living(folder)) == 3
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert len(list(folder.iterdir())) == 1  # which says nothing any more
    assert claims.living(folder) == []
    with claims.held(folder, "train", [3]):
        assert [c.pid for c in claims.living(folder)] == [os.getpid()]
    assert not folder.exists()


def test_a_folder_is_claimed_as_a_whole(folder):
    with (
        claims.held(folder, "attack", []),
        pytest.raises(UserError, match=f"^{folder.parent} is being attacked by process "),
        claims.held(folder, "attack", []),
    ):
        pass
    with claims.held(folder, "attack", []):
        pass


def test_a_process_of_another_machine_is_named_with_it(folder):
    with claims.held(folder, "train", [0]):
        (path,) = folder.iterdir()
        path.write_text(json.dumps({**json.loads(path.read_text()), "host": "node7", "pid": 12}))
        with pytest.raises(UserError, match=r"by process 12 on node7; wait for it"):
            claims.refuse(folder, "train", [0])


@pytest.mark.parametrize("content", ["", "{", '{"stage": 1}', "[]"])
def test_a_claim_that_is_not_written_yet_is_known_by_its_name(folder, content):
    with claims.held(folder, "train", [0]):
        (path,) = folder.iterdir()
        path.write_text(content)
        assert claims.living(folder) == [claims.Claim("train", (), platform.node(), os.getpid())]
