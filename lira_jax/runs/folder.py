"""A folder whose files are whole or not there, with a manifest of their hashes.

Files are written under a temporary name and renamed, so a file that exists is whole. manifest.json
holds the sha256 of every dump; a dump counts as present only once it is in there, and its bytes are
checked whenever it is read. Several processes may fill one folder at the same time.
"""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.data.readers.reading import one_line, parse_json, regular
from lira_jax.errors import UserError
from lira_jax.runs import claims as claims_lib
from lira_jax.runs import files
from lira_jax.runs.lock import FolderLock, remove_empty

MANIFEST = "manifest.json"
CLAIMS = ".processes"
"""What the processes of the run are at work on (claims.py)."""
SHA256 = "sha256"
"""What a JSON file that is checked says of the rest of itself."""
_SETTLED = 2_000_000_000  # nanoseconds, the coarsest that file systems tell times by
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
        self._guard = FolderLock(path)
        self._told: set[str] = set()
        self._entries: dict[str, dict] = {}
        self._read_in: tuple[int, int, int] | None = None
        self._hashed: dict[pathlib.Path, tuple[tuple[int, int, int], str]] = {}

    def has(self, name: str) -> bool:
        """Whether the dump `name` is here, whole and in the manifest."""
        entry = self._manifest().get(name)
        if entry is None or not self._exists(name):
            return False
        if self._file(name).stat().st_size != entry["bytes"]:
            if name not in self._told:
                self._told.add(name)
                progress.remark(
                    f"{self._file(name)} is not as long as manifest.json says; it counts as missing"
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
        if entry is not None and self._sha256(path) != entry["sha256"]:
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
        """Writes a dump unless it is here already; of processes that start together, one writes.

        Raises:
          UserError: the dump that was here, and may be lost, is another.
        """
        with self._lock():
            if self.has(name):
                same = np.array_equal(self.read(name), array)
            else:
                before = self._manifest().get(name)
                same = before is None or before[SHA256] == files.sha256_of_npy(array)
                if same:
                    self.write(name, array)
        if not same:
            raise UserError(
                f"{self._file(name)} of this run holds other values than are found now; restore "
                "what they come from, or start anew in another --workdir"
            )

    @contextlib.contextmanager
    def rows_writer(
        self, name: str, shape: tuple[int, ...], dtype
    ) -> Iterator[Callable[[np.ndarray], None]]:
        """Writes a dump piece by piece along its first axis, never holding it in memory.

        Yields:
          A function that appends rows. The file appears when the block ends, if all rows were
          given.
        """
        with self.rows_writers({name: shape}, dtype) as write:
            yield write[name]

    @contextlib.contextmanager
    def rows_writers(
        self, shapes: Mapping[str, tuple[int, ...]], dtype
    ) -> Iterator[dict[str, Callable[[np.ndarray], None]]]:
        """As `rows_writer`, for several dumps, which are entered in the manifest in one step.

        Args:
          shapes: name of a dump -> its shape.

        Yields:
          Name of a dump -> what appends rows to it.
        """
        with contextlib.ExitStack() as held:
            yield {
                name: held.enter_context(files.npy_writer(self._file(name), shape, dtype))
                for name, shape in shapes.items()
            }
        paths = {name: self._file(name) for name in shapes}
        self.enter(
            {n: {"sha256": files.sha256(p), "bytes": p.stat().st_size} for n, p in paths.items()}
        )

    def write_json(self, name: str, value) -> None:
        """Writes a JSON file in one step."""
        self.write_text(name, _json_text(value))

    def write_checked_json(self, name: str, value: dict) -> None:
        """Writes a JSON object that says its own hash, which reading checks."""
        self.write_text(name, checked_json(value))

    def read_json(self, name: str, written_by: str):
        """Reads a JSON file; `written_by` is the command to run when it is missing.

        Raises:
          UserError: it is missing, no JSON, or not what its own hash says, if it has one.
        """
        return self._json(name, written_by)

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file in one step; bytes that are not UTF-8, of a path, become \\xff."""
        with files.replacing(self._file(name)) as file:
            file.write(os.fsencode(text).decode(errors="backslashreplace").encode())

    def write_own(self, name: str, text: str) -> None:
        """Writes a text file that is no dump, and enters it as ours; others may rewrite it."""
        with self._lock():
            self.write_text(name, text)
            self._enter(name, {"sha256": files.sha256(self._file(name))})

    def is_own(self, name: str) -> bool:
        """Whether `write_own` has ever written the file here."""
        return name in self._manifest()

    def remove(self, name: str) -> None:
        """Removes a file that is no dump, if it is here."""
        self._file(name).unlink(missing_ok=True)

    def replacing(self, name: str) -> AbstractContextManager[pathlib.Path]:
        """Yields a temporary path beside `name` that takes its name when the block ends."""
        return files.replacing_path(self._file(name))

    def dumps(self) -> dict[str, dict]:
        """The entries of the manifest that are of files: name -> sha256 and bytes."""
        return {name: entry for name, entry in self._manifest().items() if "bytes" in entry}

    @contextlib.contextmanager
    def at_work(
        self, stage: str, models: Collection[int] = (), check: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """Claims models, or the whole folder, for a stage of this process, as claims.py says.

        What killed writers have left is removed first.

        Args:
          check: called with the lock; it raises where the stage cannot go on.

        Raises:
          UserError: another process is at work on them.
        """
        made = self._guard.missing()
        try:
            with contextlib.ExitStack() as held:
                with self._lock():
                    check()
                    held.enter_context(claims_lib.held(self.path / CLAIMS, stage, models))
                    self._sweep()
                yield
        finally:
            if made:
                with contextlib.suppress(OSError):  # something came of it
                    with self._lock():
                        pass
                    remove_empty(made)

    def claims(self) -> list[claims_lib.Claim]:
        """What living processes, here and elsewhere, are at work on."""
        return claims_lib.living(self.path / CLAIMS)

    def sweep_beside(self, name: str) -> None:
        """Removes temporary files of killed writers from the folder of a file that is no dump."""
        self._remove(files.abandoned(self._file(name).parent))

    def _sweep(self) -> None:
        """Removes temporary files of killed writers; called with the lock."""
        self._remove(files.abandoned(self.path, {(c.host, c.pid) for c in self.claims()}))

    def _remove(self, left: list[pathlib.Path]) -> None:
        size = sum(files.size(path) for path in left)
        for path in left:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if left:
            kind = "file" if len(left) == 1 else "files"
            progress.note(
                f"removed {len(left)} temporary {kind} of killed writers, {size / 1e6:.1f} MB"
            )

    # Manifest

    def _sha256(self, path: pathlib.Path) -> str:
        """The hash of a file, computed again only where it may be another than before: several
        statistics read the same dumps."""
        state, settled = _state(path)
        known = self._hashed.get(path)
        if known is not None and known[0] == state:
            return known[1]
        found = files.sha256(path)
        if settled:
            self._hashed[path] = state, found
        return found

    def _manifest(self) -> dict[str, dict]:
        """The entries, read again only where the file may be another than before: a run of many
        dumps looks at it for each."""
        try:
            state, settled = _state(self._file(MANIFEST))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        if state == self._read_in:
            return self._entries
        self._entries = self._checked_manifest()
        self._read_in = state if settled else None
        return self._entries

    def _checked_manifest(self) -> dict[str, dict]:
        entries = self._json(MANIFEST) if self._exists(MANIFEST) else {}
        if isinstance(entries, dict) and isinstance(entries.get(SHA256), str):
            del entries[SHA256]  # its own, which earlier versions did not write
        if not isinstance(entries, dict) or not all(itertools.starmap(_is_entry, entries.items())):
            raise UserError(
                f"{self._file(MANIFEST)} holds no hashes of the files of a run: {_RESTORE}"
            )
        return entries

    def _enter(self, name: str, entry: dict) -> None:
        self.enter({name: entry})

    def enter(self, entries: dict[str, dict], without: Collection[str] = ()) -> None:
        """Enters dumps in the manifest in one step, and takes others out of it."""
        with self._lock():
            kept = {n: e for n, e in self._manifest().items() if n not in without}
            self._write_manifest(kept | entries)

    def locked(self) -> AbstractContextManager[None]:
        """A block that the other processes of the run wait for."""
        return self._lock()

    def _write_manifest(self, entries: dict[str, dict]) -> None:
        self.write_checked_json(MANIFEST, dict(sorted(entries.items())))

    def _lock(self) -> AbstractContextManager[None]:
        return self._guard.held()

    def _json(self, name: str, written_by: str = "lira-train"):
        path = self._file(name)
        again = f"run {written_by} again"
        mend = again if name == self._remade else _RESTORE
        try:
            regular(path)
            value = parse_json(path.read_bytes())
        except FileNotFoundError:
            raise UserError(
                f"--workdir={self.path}: there is no {name}; run {written_by} first"
            ) from None
        except NotADirectoryError:
            raise UserError(f"--workdir={self.path}: it is a file; give a run directory") from None
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{path} is not JSON ({one_line(error)}): {mend}") from None
        if isinstance(value, dict) and isinstance(value.get(SHA256), str):
            rest = {key: own for key, own in value.items() if key != SHA256}
            if files.sha256_of_json(rest) != value[SHA256]:
                raise UserError(f"{path} was changed after it was written: {mend}")
        return value

    def _exists(self, name: str) -> bool:
        return self._file(name).exists()

    def _file(self, name: str) -> pathlib.Path:
        return self.path / name


def _state(path: pathlib.Path) -> tuple[tuple[int, int, int], bool]:
    """What changes with a file; and whether it is sure to: of a file that was just written, a
    further change may not show in its time.

    Raises:
      OSError: there is no such file.
    """
    seen = path.stat()
    settled = time.time_ns() - seen.st_mtime_ns > _SETTLED
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size), settled


def _is_entry(name: str, entry: Any) -> bool:
    """Whether an entry of a manifest may be one: a name in the folder, a hash, a size."""
    if not isinstance(entry, dict) or name.startswith("/") or ".." in name.split("/"):
        return False
    if name.endswith(".npy") and not {SHA256, "bytes"} <= entry.keys():
        return False
    return isinstance(entry.get(SHA256, ""), str) and isinstance(entry.get("bytes", 0), int)


def checked_json(value: dict) -> str:
    """A JSON object that says its own hash, as text; reading it with `Folder` checks the hash."""
    return _json_text({**value, SHA256: files.sha256_of_json(value)})


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
