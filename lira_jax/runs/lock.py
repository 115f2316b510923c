"""The lock of a folder, which changes to its shared files wait for."""

import contextlib
import errno
import fcntl
import itertools
import os
import pathlib
from collections.abc import Iterator
from typing import IO

from lira_jax.data.readers.reading import regular
from lira_jax.errors import UserError

LOCK = ".lock"
_TRIES = 1000
"""How often a lock is tried for that others remove; in /proc there is never one to be had."""


class FolderLock:
    """A lock (flock) that the processes of one run wait for."""

    def __init__(self, folder: pathlib.Path):
        """Touches nothing on the disk."""
        self._folder, self._is_held = folder, False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Serialises changes to shared files between the processes of one run; may be nested.

        The folder is made. If nothing is in it at the end, it is as it was.

        Raises:
          UserError: the folder cannot be made, or its file system has no locks.
        """
        if self._is_held:
            yield
            return
        made = self.missing()
        with self._file():
            self._is_held = True
            try:
                yield
            finally:
                self._is_held = False
                if os.listdir(self._folder) == [LOCK]:
                    (self._folder / LOCK).unlink()
                    with contextlib.suppress(OSError):  # another process has come
                        remove_empty(made)

    def missing(self) -> list[pathlib.Path]:
        """The folder and those above it that are still to be made, from within outwards."""
        above = (self._folder, *self._folder.parents)
        return list(itertools.takewhile(lambda path: not path.exists(), above))

    def _file(self) -> IO:
        """The file .lock, locked."""
        folder, path = self._folder, self._folder / LOCK
        for _ in range(_TRIES):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise UserError(
                    f"--workdir={folder}: it is a file, or below one; give a directory"
                ) from None
            with contextlib.suppress(FileNotFoundError):
                regular(path)  # to open a pipe may take for ever
            with contextlib.suppress(FileNotFoundError):  # its last owner has removed it
                file = open(path, "w")  # noqa: SIM115, the caller closes it
                try:
                    fcntl.flock(file, fcntl.LOCK_EX)
                except OSError as error:
                    if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                        raise
                    raise UserError(
                        f"--workdir={folder}: its file system has no locks (flock), which keep "
                        "the processes of a run apart; give a directory on another"
                    ) from None
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                        return file
                file.close()
        raise UserError(f"--workdir={folder}: no file can be made in it; give another directory")


def remove_empty(folders: list[pathlib.Path]) -> None:
    """Removes folders one after another.

    Raises:
      OSError: one is not empty, or gone; it and those after it stay.
    """
    for folder in folders:
        folder.rmdir()
