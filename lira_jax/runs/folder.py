"""A folder whose files are whole or not there, with a manifest of their hashes.

Files are written under a temporary name and renamed, so a file that exists is whole. manifest.json
holds the sha256 of every dump; a dump counts as present only once it is in there, and its bytes are
checked whenever it is read. Several processes may fill one folder at the same time.
"""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO

import numpy as np
from absl import logging

from lira_jax.errors import UserError
from lira_jax.runs import files

MANIFEST = "manifest.json"
LOCK = ".lock"
_RESTORE = "restore it, or start anew in another --workdir"


class Folder:
    """Reads and writes arrays, JSON and text of one folder.

    Attributes:
      path: the folder; it is made when something is written.
    """

    def __init__(self, path: pathlib.Path, written_by: Callable[[str], str], remade: str):
        """Touches nothing on the disk.

        Args:
          path: the folder.
          written_by: name of a dump -> the command that writes it, for messages.
          remade: the JSON file that its command can always write again.
        """
        self.path, self._written_by, self._remade = path, written_by, remade
        self._locked = False

    def has(self, name: str) -> bool:
        """Whether the dump `name` is here, whole and in the manifest."""
        entry = self._manifest().get(name)
        if entry is None or not self._exists(name):
            return False
        if self._file(name).stat().st_size != entry["bytes"]:
            logging.warning(
                "%s is not as long as the manifest says; it will be made again", self._file(name)
            )
            return False
        return True

    def read(self, name: str, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
        """Maps a dump into memory, read-only, after its hash and shape are checked.

        In `shape`, None stands for any length.

        What is not looked at takes no memory, such as the other queries' logits of
        --save_logits=all.

        Raises:
          UserError: it is missing, truncated, not what the manifest says, or of another shape.
        """
        path, entry = self._file(name), self._manifest().get(name)
        if not path.exists():
            raise UserError(
                f"{path} is missing: run the stage that writes it ({self._written_by(name)})"
            )
        if entry is not None and files.sha256(path) != entry["sha256"]:
            raise UserError(
                f"{path} does not match its sha256 in manifest.json: it was changed after it was "
                f"written; delete it and run {self._written_by(name)} again"
            )
        if entry is None:
            raise UserError(f"{path} is not in manifest.json: run {self._written_by(name)} again")
        array = files.load_npy(path, mapped=True)
        if shape is not None and (
            array.ndim != len(shape)
            or any(want not in (None, has) for want, has in zip(shape, array.shape, strict=True))
        ):
            raise UserError(
                f"{path} has shape {array.shape}, not {shape}: it belongs to another run"
            )
        return array

    def write(self, name: str, array: np.ndarray) -> None:
        """Writes a dump and enters it in the manifest."""
        with self.rows_writer(name, array.shape, array.dtype) as write:
            write(array)

    def write_once(self, name: str, array: np.ndarray) -> None:
        """Writes a dump unless it is here already; of processes that start together, one writes."""
        with self._lock():
            if not self.has(name):
                self.write(name, array)

    @contextlib.contextmanager
    def rows_writer(
        self, name: str, shape: tuple[int, ...], dtype
    ) -> Iterator[Callable[[np.ndarray], None]]:
        """Writes a dump piece by piece along its first axis, never holding it in memory.

        Yields:
          A function that appends rows. The file appears when the block ends, if all rows were
          given.
        """
        path = self._file(name)
        with files.npy_writer(path, shape, dtype) as write:
            yield write
        self._enter(name, {"sha256": files.sha256(path), "bytes": path.stat().st_size})

    def write_json(self, name: str, value) -> None:
        """Writes a JSON file in one step."""
        self.write_text(name, json.dumps(value, indent=1, allow_nan=False) + "\n")

    def read_json(self, name: str, written_by: str):
        """Reads a JSON file; `written_by` is the command to run when it is missing."""
        return self._json(name, written_by)

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file in one step; bytes of a path that are not UTF-8 are written as \\xff."""
        with files.replacing(self._file(name)) as file:
            file.write(os.fsencode(text).decode(errors="backslashreplace").encode())

    def remove(self, name: str) -> None:
        """Removes a file that is no dump, if it is here."""
        self._file(name).unlink(missing_ok=True)

    def replacing(self, name: str) -> AbstractContextManager[pathlib.Path]:
        """Yields a temporary path beside `name` that takes its name when the block ends."""
        return files.replacing_path(self._file(name))

    def dumps(self) -> dict[str, dict]:
        """The entries of the manifest that are of files: name -> sha256 and bytes."""
        return {name: entry for name, entry in self._manifest().items() if "bytes" in entry}

    # Manifest

    def _manifest(self) -> dict[str, dict]:
        return self._json(MANIFEST) if self._exists(MANIFEST) else {}

    def _enter(self, name: str, entry: dict) -> None:
        with self._lock():
            self._update_manifest(name, entry)

    def _update_manifest(self, name: str, entry: dict) -> None:
        self.write_json(MANIFEST, dict(sorted({**self._manifest(), name: entry}.items())))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Serialises changes to shared files between the processes of one run; may be nested.

        If nothing is in the directory at the end, it is as it was.
        """
        if self._locked:
            yield
            return
        made = not self.path.exists()
        with self._lock_file():
            self._locked = True
            try:
                yield
            finally:
                self._locked = False
                if os.listdir(self.path) == [LOCK]:
                    (self.path / LOCK).unlink()
                    if made:
                        with contextlib.suppress(OSError):  # another process has come
                            self.path.rmdir()

    def _lock_file(self) -> IO:
        """The file .lock, locked."""
        while True:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise UserError(
                    f"--workdir={self.path}: it is a file, or below one; give a directory"
                ) from None
            with contextlib.suppress(FileNotFoundError):  # its last owner has removed it
                file = open(self.path / LOCK, "w")  # noqa: SIM115, the caller closes it
                fcntl.flock(file, fcntl.LOCK_EX)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path / LOCK)):
                        return file
                file.close()

    def _json(self, name: str, written_by: str = "lira-train"):
        path = self._file(name)
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            raise UserError(
                f"--workdir={self.path}: there is no {name}; run {written_by} first"
            ) from None
        except NotADirectoryError:
            raise UserError(f"--workdir={self.path}: it is a file; give a run directory") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            again = f"run {written_by} again"
            mend = again if name == self._remade else _RESTORE
            raise UserError(f"{path} is not JSON ({error}): {mend}") from None

    def _exists(self, name: str) -> bool:
        return self._file(name).exists()

    def _file(self, name: str) -> pathlib.Path:
        return self.path / name
