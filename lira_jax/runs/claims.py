"""What the processes of a run are at work on, so that no two do the same.

A claim is a file of its own that its process keeps locked (flock) for as long as it is at work. The
system drops the lock with the process, however that ends, so a claim that can be locked is dead and
is passed over. Machines that share a folder see each other's locks if its file system passes flock
on to the server, as NFS does by default, and Lustre when it is mounted with -o flock.

Claims are taken under the lock of their run directory (`Folder`), which makes looking for others
and taking one's own a single step.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import platform
from collections.abc import Collection, Iterator
from typing import IO

from lira_jax.data.readers.reading import parse_json
from lira_jax.errors import UserError

_DONE = {"train": "trained", "score": "scored", "attack": "attacked"}


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a living process is at work on.

    Attributes:
      stage: train, score or attack.
      models: ids; empty for the whole run.
      host, pid: the process.
    """

    stage: str
    models: tuple[int, ...]
    host: str
    pid: int

    @property
    def process(self) -> str:
        """The process in words."""
        where = "" if self.host == platform.node() else f" on {self.host}"
        return f"process {self.pid}{where}"


def living(folder: pathlib.Path, *, sweep: bool = False) -> list[Claim]:
    """The claims of processes that live.

    Args:
      folder: of the claims.
      sweep: remove the others, which only the owner of the run's lock may do.
    """
    found = []
    for path in sorted(p for p in folder.glob("*.json") if p.is_file()):  # no pipe
        with contextlib.suppress(FileNotFoundError):  # its process has ended just now
            if _is_held(path):
                found.append(_read(path))
            elif sweep:
                path.unlink()
    return found


@contextlib.contextmanager
def held(folder: pathlib.Path, stage: str, models: Collection[int]) -> Iterator[None]:
    """Holds a claim for the block; call it with the run's lock, which the block need not keep.

    Raises:
      UserError: a living process has the stage, or one of these models in it.
    """
    refuse(folder, stage, models)
    claim = Claim(stage, tuple(sorted(models)), platform.node(), os.getpid())
    path, file = _new(folder, f"{stage}.{claim.host}@{claim.pid}")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(dataclasses.asdict(claim)) + "\n")
            file.flush()
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others are at work
                folder.rmdir()


def refuse(folder: pathlib.Path, stage: str, models: Collection[int]) -> None:
    """Checks that nobody is at work on what a claim is to be made on; removes dead claims.

    Raises:
      UserError: as `held`.
    """
    for other in living(folder, sweep=True):
        if other.stage != stage:
            continue
        common = sorted(set(other.models) & set(models))
        if common:
            raise UserError(
                f"model {common[0]} is being {_DONE[stage]} by {other.process}; wait for it, or "
                "give other --model_ids"
            )
        if not models and not other.models:
            raise UserError(
                f"{folder.parent} is being {_DONE[stage]} by {other.process}; wait for it, or give "
                "another --out"
            )


def _new(folder: pathlib.Path, name: str) -> tuple[pathlib.Path, IO[str]]:
    """A file that is not there yet: one process may hold several claims."""
    number = 0
    while True:
        path = folder / f"{name}.{number}.json"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return path, open(path, "x")
        except FileExistsError:
            number += 1
        except FileNotFoundError:  # the last of the others has just removed the folder
            pass


def _is_held(path: pathlib.Path) -> bool:
    """Whether its process lives."""
    try:
        with open(path, "r+") as file:
            # A shared lock, so that two who look do not take each other for its process.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        raise
    except OSError:  # it is locked; or another user's, or on a read-only disk, and none can tell
        return True
    return False


def _read(path: pathlib.Path) -> Claim:
    """A claim that is held; its name tells of one that is not written yet."""
    try:
        fields = parse_json(path.read_text())
        return Claim(fields["stage"], tuple(fields["models"]), fields["host"], fields["pid"])
    except (ValueError, KeyError, TypeError, PermissionError):
        stage, _, rest = path.name.partition(".")
        host, _, pid = rest.rpartition("@")
        return Claim(stage, (), host, int(pid.split(".")[0]))
