"""Ctrl-C and SIGTERM end a command with one line and within seconds, whatever it is doing.

All files are written under a temporary name, so a command may end anywhere. Python's own way, an
exception in the main thread, is too late while that thread compiles in C++, is lost where a library
catches it, and leaves the threads of orbax to write tracebacks. So the main thread gets the
exception to clean up, and another thread ends the process if that takes long.
"""

import atexit
import contextlib
import os
import re
import signal
import sys
import threading
import time
from types import FrameType
from typing import ClassVar

SECONDS = 2.0
"""So long the main thread may take to clean up."""

_TOGETHER = 0.05  # seconds within which a terminal and a script may both send their signal
_SAID: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_COMMAND = re.compile(r"lira(?:_jax\.cli\.|-)(\w+)")
_WORKER = "lira_jax.launch.pinned"


class _State:
    """Of this process."""

    received: ClassVar[set[int]] = set()
    raised = said = False
    saying = threading.Lock()


class Stopped(KeyboardInterrupt):
    """What the main thread gets, for its `finally` blocks."""


def on_signals() -> None:
    """From here on, a signal ends this process: with 130 after Ctrl-C, 143 after SIGTERM.

    That holds too where a shell has started the process in the background, with SIGINT ignored.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), daemon=True, name="stop").start()
    otherwise = sys.excepthook

    def hook(kind, error, trace):
        end_if_stopped()
        otherwise(kind, error, trace)

    sys.excepthook = hook
    for number in _SAID:
        signal.signal(number, _in_main_thread)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SAID)  # as workers.py starts its processes
    atexit.register(_finished)  # before all others, so it is called after them


def is_command() -> bool:
    """Whether this process is one of the commands, or a worker of one; not a test or a notebook."""
    return _command() != "" or _is_worker()


def end_if_stopped() -> None:
    """Ends the process if a signal has come."""
    if _State.received:
        _say()
        _end()


def _finished() -> None:
    """The command has done all that it was to do: a signal that comes now changes nothing.

    Python gives up its handlers as it ends, and a signal would kill the process without a word.
    """
    for number in _SAID:
        signal.signal(number, signal.SIG_IGN)


def _in_main_thread(number: int, _: FrameType | None) -> None:
    _State.received.add(number)
    if not _State.raised:
        _State.raised = True
        _say()
        raise Stopped


def _watch(reading: int) -> None:
    _State.received.update(os.read(reading, 1))
    _say()
    time.sleep(SECONDS)
    _end()


def _say() -> None:
    """The one line; what else this process has to say is of no more use."""
    with _State.saying:
        if _State.said:
            return
        _State.said = True
        time.sleep(_TOGETHER)
        if not _is_worker():  # whose parent says it
            what = f"{_command()}: error: {_SAID[_signal()]}; run the same command again to go on\n"
            with contextlib.suppress(OSError):
                os.write(2, ("\n" * os.isatty(2) + what).encode())
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end() -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(128 + _signal())  # past all that may wait for a thread


def _signal() -> int:
    return min(_State.received)


def _command() -> str:
    """Such as lira-train; empty if this process is none of the commands."""
    names = [os.path.basename(sys.argv[0])]
    if "-m" in sys.orig_argv:
        names += sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1]
    found = [match[1] for name in names if (match := _COMMAND.fullmatch(name))]
    return f"lira-{found[0]}" if found else ""


def _is_worker() -> bool:
    return _WORKER in sys.orig_argv
