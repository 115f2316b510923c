"""Parts of a run: which of its models each of many machines computes.

Models never communicate, so machines need no word of one another: each takes its part of the
models, on its own devices, and they share nothing but the run directory. A machine that dies costs
its own models only.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from lira_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Part:
    """Part `index`, from 0, of `count` parts; the whole by default."""

    index: int = 0
    count: int = 1

    def of(self, ids: Sequence[int]) -> list[int]:
        """The models of this part: every `count`-th of some, beginning with the `index`-th."""
        return list(ids[self.index :: self.count])

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse(text: str, environ: Mapping[str, str]) -> Part:
    """The part that `--part` names.

    Args:
      text: "" for the whole, such as "3/8", "auto" for what a scheduler says in the environment, or
        "auto/8" where it says which part this is but not of how many.
      environ: environment variables.

    Raises:
      UserError: not such a text, not one of the parts, or the environment does not tell.
    """
    if not text:
        return Part()
    found = re.fullmatch(r"(?:auto|(\d+)/(\d+)|auto/(\d+))", text)
    if not found:
        raise UserError(f"--part={text}: give a part from 0, such as 3/8, or auto")
    index, count, known = (int(n) if n else None for n in found.groups())
    part = _detected(text, known, environ) if index is None or count is None else Part(index, count)
    if part.index >= part.count:
        said = f" the environment says {part}, but" if index is None else ""
        raise UserError(
            f"--part={text}:{said} the parts of {part.count} are 0 to {part.count - 1}; in a job "
            "array of some of the parts give auto and how many there are in all, such as auto/8"
        )
    return part


_ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
_TASKS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # before SLURM, which may have started mpirun
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
    ("TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES"),
)
"""Where schedulers say which of how many tasks this is."""


def _detected(text: str, count: int | None, environ: Mapping[str, str]) -> Part:
    """What the scheduler says; the tasks of each task of a job array are parts too."""
    levels = [names for names in _TASKS if environ.get(names[0], "").isdecimal()][:1]
    if environ.get(_ARRAY[0], "").isdecimal():
        levels = [_ARRAY, *(names for names in levels if _count(environ, names[1]))]
    if not levels:
        raise UserError(
            f"--part={text}: the environment tells of no SLURM, Open MPI, Kubernetes index or TPU "
            "worker; name the part, such as --part=3/8"
        )
    index, of = 0, 1
    for index_name, count_name in levels:
        many = _count(environ, count_name)
        index, of = index * many + int(environ[index_name]), of * many
    if not (count or of):
        raise UserError(
            f"--part={text}: {levels[0][0]} says that this is part {index}, but {levels[0][1]} "
            f"does not say of how many; give auto and how many, such as --part=auto/8"
        )
    return Part(index, count or of)


def _count(environ: Mapping[str, str], name: str) -> int:
    """How many tasks there are; 0 if the environment does not say."""
    text = environ.get(name, "")
    if name == "TPU_WORKER_HOSTNAMES":
        return len(text.split(",")) if text else 0
    return int(text) if text.isdecimal() else 0


def check_own_devices() -> None:
    """Sees that this process has devices of its own, so that it can compute its part alone.

    Raises:
      UserError: it sees other machines' devices, as the hosts of a TPU pod do by default.
    """
    import jax

    if jax.process_count() > 1:
        raise UserError(
            "this process sees the devices of other hosts too; on a TPU pod set "
            "TPU_PROCESS_BOUNDS=1,1,1 and TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1 (the host's own "
            "chips), so that hosts compute independently"
        )
