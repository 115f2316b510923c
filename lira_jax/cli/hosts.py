"""Many hosts that share the models of one run: who computes which, and where they wait for one
another.

Models never communicate, so a host computes its share as if it were alone, on its own devices.
jax.distributed tells the processes apart and lets them meet, but from a companion process
(rendezvous.py). In the process that computes it
would make the hosts depend on each other: JAX aborts every process when the coordinator is lost,
  and orbax makes each
save a collective of all processes.
"""

import contextlib
import dataclasses
import json
import re
import select
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from lira_jax.cli import flags, rendezvous
from lira_jax.errors import UserError
from lira_jax.progress import note

flags.DEFINE_string(
    "coordinator",
    "",
    "Where the processes of this command on many hosts meet: host:port of process 0, or auto, "
    "which is what jax.distributed detects (SLURM, Open MPI, Kubernetes, TPU pods). Start one "
    "process a host, all with the same flags: each takes its share of --model_ids, and all end "
    "together. Empty: this process is alone.",
)
flags.DEFINE_integer(
    "num_processes", None, "How many processes meet at --coordinator, where that is not detected."
)
flags.DEFINE_integer(
    "process_id", None, "Which of them this is, from 0, where that is not detected."
)
flags.DEFINE_integer(
    "coordinator_timeout", 300, "Seconds until all processes must have come to --coordinator."
)
flags.DEFINE_integer(
    "barrier_timeout",
    86400,
    "Seconds to wait for the other hosts once the own share is finished. It is for processes that "
    "hang: one that has died is noticed within two minutes.",
)

SHOWN = ["coordinator", "num_processes", "process_id", "coordinator_timeout", "barrier_timeout"]
ALONE = "--coordinator="
"""The flag by which a worker process, which has its share already, overrules its parent's."""

FLAGS = flags.FLAGS


@dataclasses.dataclass
class Group:
    """The processes of one command on many hosts, as one of them sees it; alone by default.

    Attributes:
      process: which this is.
      count: how many there are.
      companion: takes part in jax.distributed for this one; None when alone.
    """

    process: int = 0
    count: int = 1
    companion: subprocess.Popen | None = None

    def share(self, ids: Sequence[int]) -> list[int]:
        """The models that this process computes."""
        own = list(ids[self.process :: self.count])
        if self.count > 1:
            note(
                f"process {self.process} of {self.count} takes {len(own)} of {len(ids)} models: "
                f"{own}"
            )
        return own

    def wait_for_set_up(self) -> None:
        """In all processes but 0, returns when that has called `set_up_is_done`.

        Raises:
          UserError: process 0 has ended.
        """
        if self.process and 0 not in self._meet():
            raise UserError("process 0 ended before the run directory was set up: see its message")

    def set_up_is_done(self) -> None:
        """In process 0, lets the others go on."""
        if self.companion and not self.process:
            self._meet()

    def finish(self, stage: str, unfinished: Callable[[], list[int]]) -> None:
        """Returns when all processes have called it.

        Args:
          stage: the command, without lira-.
          unfinished: tells from the run directory which of all models, whosever share, are not
            finished.

        Raises:
          UserError: models are unfinished because a process has died, or takes longer than
            --barrier_timeout.
        """
        if self.companion is None:
            return
        try:
            alive = self._meet()
        except TimeoutError:
            why = f"they did not come within --barrier_timeout={FLAGS.barrier_timeout} seconds"
        else:
            dead = sorted(set(range(self.count)) - alive)
            if not dead:
                return
            why = (
                f"process {', '.join(map(str, dead))} has died"
                if alive
                else "the connection to process 0 was lost"
            )
        if left := unfinished():
            named = ",".join(map(str, left))
            here = f"lira-{stage} {shlex.quote(f'--workdir={FLAGS.workdir}')} --model_ids={named}"
            raise UserError(
                f"models {named} are unfinished: {why}. Run the same command again on every host, "
                f"or on one: {here}"
            )

    def _meet(self) -> set[int]:
        """The living processes, once all of them are here; none if there is no connection to them.

        Raises:
          TimeoutError: they live, but are not here within --barrier_timeout.
        """
        try:
            self.companion.stdin.write(rendezvous.MEET)
            self.companion.stdin.flush()
        except OSError:  # it has ended
            return set()
        return set(_answer(self.companion, FLAGS.barrier_timeout) or ())


@contextlib.contextmanager
def gathered() -> Iterator[Group]:
    """The group of processes that the flags tell of, until the block ends.

    Raises:
      UserError: the flags are wrong, the others cannot be reached, or this process sees other
        hosts' devices.
    """
    if not FLAGS.coordinator:
        for name in ("num_processes", "process_id"):
            if FLAGS[name].present and not FLAGS["coordinator"].present:
                raise UserError(
                    f"--{name}={FLAGS[name].value}: give --coordinator=host:port (or auto) too"
                )
        yield Group()
        return
    companion = subprocess.Popen(
        [sys.executable, "-m", "lira_jax.cli.rendezvous", json.dumps(_arguments())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # an interrupt from the terminal is for this process to answer
    )
    try:
        yield Group(*_introduced(companion), companion)
        companion.stdin.write(rendezvous.LEAVE)
    finally:
        with contextlib.suppress(OSError):
            companion.stdin.close()  # at which it goes, and the others know at once
        with contextlib.suppress(subprocess.TimeoutExpired):
            companion.wait(30)
        companion.kill()
        companion.wait()


def _arguments() -> dict:
    """Of jax.distributed.initialize; what is None it detects."""
    where, count, process = FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id
    if where != "auto" and not re.fullmatch(r".+:\d+", where):
        raise UserError(f"--coordinator={where}: give host:port of process 0, or auto")
    if count is not None and count < 1:
        raise UserError(f"--num_processes={count}: give a number of at least 1")
    if process is not None and not 0 <= process < (count or process + 1):
        raise UserError(f"--process_id={process}: give a number from 0 to --num_processes - 1")
    return {
        "coordinator_address": None if where == "auto" else where,
        "num_processes": count,
        "process_id": process,
        "initialization_timeout": FLAGS.coordinator_timeout,
    }


def _introduced(companion: subprocess.Popen) -> tuple[int, int]:
    """Which process this is, and how many there are.

    Raises:
      UserError: see `gathered`.
    """
    where = FLAGS.coordinator
    try:
        # JAX takes the timeout, then some seconds more
        answer = _answer(companion, FLAGS.coordinator_timeout + 60)
    except TimeoutError:
        answer = None
    if answer is None:
        raise UserError(
            f"--coordinator={where}: not all processes came there within --coordinator_timeout="
            f"{FLAGS.coordinator_timeout} seconds: see that all are started and that the port of "
            "process 0 is open"
        )
    if isinstance(answer, str):
        raise UserError(
            f"--coordinator={where}: jax.distributed says {answer!r}; give --coordinator=host:port "
            "(a free port of process 0), --num_processes and --process_id where they are not "
            "detected"
        )
    import jax

    if jax.process_count() > 1:
        raise UserError(
            "this process sees the devices of other hosts too; on a TPU pod set "
            "TPU_PROCESS_BOUNDS=1,1,1 and TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1 (the host's own "
            "chips), so that hosts compute independently"
        )
    return tuple(answer)


def _answer(companion: subprocess.Popen, seconds: float):
    """The companion's next answer, or None if it has ended.

    Raises:
      TimeoutError: there is none within so many seconds.
    """
    if not select.select([companion.stdout], [], [], seconds)[0]:
        raise TimeoutError
    line = companion.stdout.readline()
    return json.loads(line) if line else None
