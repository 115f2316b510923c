"""Commands in forked children of a process that has imported everything and started nothing.

A fork saves the five seconds of imports. JAX starts its threads with its backend, in the child.
"""

import atexit
import contextlib
import dataclasses
import faulthandler
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import psutil
import sklearn.datasets as _datasets  # noqa: F401

from lira_jax.cli import attack, export, report, score, status, stop, train

# What the commands import when they run:
from lira_jax.ensemble import start as _start  # noqa: F401
from lira_jax.models import fingerprint as _fingerprint  # noqa: F401
from lira_jax.report import write as _write  # noqa: F401
from lira_jax.runs import checkpoint as _checkpoint  # noqa: F401
from lira_jax.signals import score as _score  # noqa: F401
from lira_jax.training import loop as _loop  # noqa: F401

ROOT = pathlib.Path(__file__).parents[2]
MODULES: dict[str, Any] = {
    "train": train,
    "score": score,
    "attack": attack,
    "report": report,
    "status": status,
    "export": export,
}
HANG = 120.0  # seconds for one command on a busy machine
_NEXT = "\x1e"  # stands in the log between what two commands have said
_RAW = re.compile(r"^([WEIF]\d{4} \d\d:|WARNING:absl|.*Warning: )", re.MULTILINE)
"""What libraries say past the commands' own words."""
_VERBOSE = re.compile(r"--?v(erbosity)?(=|$)")


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
      status: its exit status; minus the signal that killed it; None if it was killed as it hung.
      said: on standard error.
      seconds: until then.
      chatty: whether what libraries say was asked for, by -v or --verbosity.
    """

    stage: str
    status: int | None
    said: str
    seconds: float = 0.0
    chatty: bool = False

    @property
    def wrong(self) -> str:
        """What is wrong with the way it ended: traceback, hang or nothing."""
        if self.status is None:
            return "hang"
        raw = _RAW.search(self.said) and not self.chatty
        if "Traceback (most recent" in self.said or self.status < 0 or raw:
            return "traceback"
        lines = self.said.strip().splitlines()
        if self.stage == "status" and all(line.startswith("note: ") for line in lines):
            return ""  # status 1 says that something is damaged, and standard output what
        if self.status:
            told = [line for line in lines if re.match(r"lira-\w+: error: ", line)]
            return "" if len(told) == 1 and told == lines[-1:] else "traceback"
        return ""


class Running:
    """Commands, one after another, in a process group of their own.

    Args:
      lines: command lines, each a stage and flags.
      log: file for what they say on standard error.
      folder: where they run.
      cold: start an interpreter rather than fork, for one command alone.
    """

    def __init__(
        self, *lines: Sequence[str], log: pathlib.Path, folder: pathlib.Path, cold: bool = False
    ):
        self.lines, self.log, self.began = lines, log, time.monotonic()
        log.unlink(missing_ok=True)
        sys.stdout.flush()
        if cold:
            (line,) = lines
            with open(log, "w") as file:
                self.pid = subprocess.Popen(
                    [sys.executable, "-m", f"lira_jax.cli.{line[0]}", *line[1:]],
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=file,
                    start_new_session=True,
                ).pid
        else:
            # Until the child can take signals they wait.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
            self.pid = os.fork()
            if self.pid:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            else:
                try:
                    _run(lines, log, folder)
                except BaseException:
                    sys.excepthook(*sys.exc_info())  # as at the end of a process of its own
                finally:
                    os._exit(70)
            # A signal to a group that does not exist yet would be lost.
            while os.getpgid(self.pid) != self.pid:
                time.sleep(0.0005)

    def wait(self, seconds: float = HANG) -> int | None:
        """The exit status as `Ended` has it; None if the time is over."""
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                return None
            time.sleep(0.005)

    def ended(self, seconds: float = HANG) -> list[Ended]:
        """Waits for the end, and kills what hangs; the commands that were begun."""
        status = self.wait(seconds * len(self.lines))
        if status is None:
            os.kill(self.pid, signal.SIGUSR1)  # the child's faulthandler tells where it hangs
            time.sleep(0.3)
            self.kill()
        took = time.monotonic() - self.began
        said = self.log.read_text(errors="backslashreplace").split(_NEXT)
        found = []
        for line, text in zip(self.lines, said, strict=False):
            text, _, code = text.partition("\x1d")
            chatty = any(_VERBOSE.match(word) for word in line)
            found.append(Ended(line[0], int(code) if code else status, text, took, chatty))
        return found

    def sleep(self, seconds: float) -> None:
        """Waits for so long, or until it has ended."""
        until, how = time.monotonic() + seconds, os.WEXITED | os.WNOHANG | os.WNOWAIT
        while time.monotonic() < until and os.waitid(os.P_PID, self.pid, how) is None:
            time.sleep(0.002)

    def send(self, number: signal.Signals, *, group: bool) -> None:
        """Sends a signal to the process, or to its group as a terminal does."""
        (os.killpg if group else os.kill)(self.pid, number)

    def kill(self, *, group: bool = True) -> None:
        """Kills it, and waits for its end."""
        self.send(signal.SIGKILL, group=group)
        os.waitpid(self.pid, 0)

    def leaves_processes(self) -> bool:
        """Whether processes of its group live on for seconds; they are killed."""
        until = time.monotonic() + 5
        while _lives(self.pid):
            if time.monotonic() > until:
                os.killpg(self.pid, signal.SIGKILL)
                return True
            time.sleep(0.01)
        return False


def _lives(group: int) -> bool:
    """Whether a process of a group lives; one that nobody has waited for yet does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                return True
    return False


def run(*lines: Sequence[str], log: pathlib.Path, folder: pathlib.Path) -> list[Ended]:
    """Runs commands, each whatever the ones before it said."""
    return Running(*lines, log=log, folder=folder).ended()


def _run(lines: Sequence[Sequence[str]], log: pathlib.Path, folder: pathlib.Path) -> None:
    os.setsid()
    null, said = (
        os.open(os.devnull, os.O_RDWR),
        os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    )
    for number, file in enumerate((null, null, said)):
        os.dup2(file, number)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115, as the interpreter does
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    faulthandler.register(signal.SIGUSR1, file=said, all_threads=True)
    sys.argv = [f"lira-{lines[0][0]}"]
    stop.on_signals()
    try:
        for stage, *flags in lines:
            sys.argv = [f"lira-{stage}", *flags]
            code = _call(MODULES[stage].cli)
            sys.stderr.flush()
            os.write(said, f"\x1d{code}{_NEXT}".encode())
        threading._shutdown()  # as the interpreter ends
        atexit._run_exitfuncs()
    except KeyboardInterrupt:
        stop.end_if_stopped()
    os._exit(code)


def _call(main) -> int:
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
