"""The run directory: the only module that knows its paths, file formats and hashes.

Files are written under a temporary name and renamed, so a file that exists is whole. manifest.json
holds the sha256 of every dump; a dump counts as present only once it is in there, and its bytes are
checked whenever it is read. Several processes may fill one run directory at the same time.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Callable, Collection, Iterator
from typing import IO

import numpy as np
from absl import logging

from lira_jax import experiment as experiment_lib
from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.runs import files

FIRST_DUMP = {"train": "keep.npy", "score": "scores/"}
"""Stage -> what exists once the fields that it fixes are fixed."""


class RunDirectory:
    """Reads and writes the files of one run."""

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        self._locked = False

    # The experiment

    def read_experiment(self) -> Experiment:
        """The experiment stored here.

        Raises:
          UserError: there is none, or it cannot be read.
        """
        stored = self._json("experiment.json")
        fields = stored.get("experiment") if isinstance(stored, dict) else None
        return experiment_lib.from_json(fields, str(self._file("experiment.json")))

    def settle_experiment(self, asked: Experiment, given: Collection[str]) -> Experiment:
        """Agrees on the experiment of this directory, as `settling` does, and stores it."""
        with self.settling(asked, given) as experiment:
            self.store_experiment(experiment)
            return experiment

    @contextlib.contextmanager
    def settling(self, asked: Experiment, given: Collection[str]) -> Iterator[Experiment]:
        """Agrees on the experiment of this directory; the block checks that it can run, and then
        calls `store_experiment`.

        Other processes of the run wait for the end of the block if the experiment is new or
        changed. If the block fails before it is stored, nothing is left behind.

        Args:
          asked: the experiment from the command line.
          given: names of the fields that the command line really set. The others are taken from the
            run directory when it has an experiment, so that `--workdir` alone goes on with a run.

        Yields:
          The experiment to use.

        Raises:
          UserError: a given field contradicts a stored one that results here depend on already, or
            the directory holds something else.
        """
        if not self.has_experiment():
            experiment_lib.validate(asked)  # before the directory is made
        with contextlib.ExitStack() as held:
            held.enter_context(self._lock())
            settled = self._agreed(asked, given)
            if self.has_experiment() and settled == self.read_experiment():
                held.close()
            yield settled

    def _agreed(self, asked: Experiment, given: Collection[str]) -> Experiment:
        if not self.has_experiment():
            foreign = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
            if foreign:
                raise UserError(
                    f"--workdir={self.path}: it is not empty ({foreign[0]!r} is in it) and has "
                    "no experiment.json; give another directory"
                )
            return asked
        stored = self.read_experiment()
        changed = {n: getattr(asked, n) for n in given if getattr(asked, n) != getattr(stored, n)}
        for name, value in changed.items():
            if self._is_fixed(FIELDS[name].metadata["fixed_by"]):
                flag, has = (experiment_lib.shown(name, v) for v in (value, getattr(stored, name)))
                raise UserError(
                    f"--{flag}: the run in {self.path} has {has}; drop the flag, or give another "
                    "--workdir"
                )
        return experiment_lib.validate(dataclasses.replace(stored, **changed))

    def has_experiment(self) -> bool:
        """Whether an experiment is stored here."""
        return self._exists("experiment.json")

    def store_experiment(self, experiment: Experiment) -> None:
        """Writes the experiment that `settling` has given, unless it is stored already."""
        with self._lock():
            if not self.has_experiment() or experiment != self.read_experiment():
                self._write_experiment(experiment)

    def _is_fixed(self, stage: str) -> bool:
        first = FIRST_DUMP.get(stage)
        return first is not None and any(name.startswith(first) for name in self._manifest())

    def _write_experiment(self, experiment: Experiment) -> None:
        self.write_json(
            "experiment.json", {"experiment": experiment_lib.to_json(experiment), **_provenance()}
        )

    # Arrays

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
        """Maps a dump into memory, read-only, after its hash and shape are checked (None: any
        length).

        What is not looked at takes no memory, such as the other queries' logits of
        --save_logits=all.

        Raises:
          UserError: it is missing, truncated, not what the manifest says, or of another shape.
        """
        path, entry = self._file(name), self._manifest().get(name)
        if not path.exists():
            raise UserError(
                f"{path} is missing: run the stage that writes it "
                f"({_WRITTEN_BY[name.split('/')[0]]})"
            )
        if entry is not None and files.sha256(path) != entry["sha256"]:
            raise UserError(
                f"{path} does not match its sha256 in manifest.json: it was changed after it was "
                f"written; delete it and run {_WRITTEN_BY[name.split('/')[0]]} again"
            )
        if entry is None:
            raise UserError(
                f"{path} is not in manifest.json: run {_WRITTEN_BY[name.split('/')[0]]} again"
            )
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
        dtype, rows, path = np.dtype(dtype), 0, self._file(name)
        with files.replacing(path) as file:
            header = {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": tuple(shape),
            }
            np.lib.format.write_array_header_1_0(file, header)

            def write(piece: np.ndarray) -> None:
                nonlocal rows
                rows += len(piece)
                file.write(np.ascontiguousarray(piece, dtype).data)

            yield write
            if rows != shape[0]:
                raise ValueError(f"{rows} of {shape[0]} rows of {name} were written")
        self._enter(name, {"sha256": files.sha256(path), "bytes": path.stat().st_size})

    # The data's identity, text, checkpoints

    def settle_data(self, fingerprint: str, source: str, name: str = "data") -> None:
        """Enters the fingerprint of the data, or of what `name` says, or checks it against the one
        entered before.

        Raises:
          UserError: the data are not those this run began with.
        """
        with self._lock():
            before = self._manifest().get(name, {}).get("sha256")
            if before not in (None, fingerprint):
                raise UserError(
                    f"{source}: the data have sha256 {fingerprint[:16]}, but the run in "
                    f"{self.path} began with {before[:16]}; restore the data, or give another "
                    "--workdir"
                )
            if before is None:
                self._update_manifest(name, {"sha256": fingerprint})

    def data_fingerprint(self) -> str | None:
        """The fingerprint that `settle_data` has entered."""
        return self._manifest().get("data", {}).get("sha256")

    def write_json(self, name: str, value) -> None:
        """Writes a JSON file in one step."""
        self.write_text(name, json.dumps(value, indent=1, allow_nan=False) + "\n")

    def read_json(self, name: str, written_by: str):
        """Reads a JSON file; `written_by` is the command to run when it is missing."""
        return self._json(name, written_by)

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file in one step."""
        with files.replacing(self._file(name)) as file:
            file.write(text.encode())

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[pathlib.Path]:
        """Yields a temporary path beside `name` that takes its name when the block ends."""
        path = self._file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = files.temporary_name(path)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def append_metrics(self, records: list[dict]) -> None:
        """Appends lines to metrics.jsonl."""
        with self._lock(), open(self.path / "metrics.jsonl", "a") as file:
            file.write("".join(json.dumps(r) + "\n" for r in records))

    def read_metrics(self) -> list[dict]:
        """The records of metrics.jsonl; a line cut short by a kill is passed over."""
        records = []
        if self._exists("metrics.jsonl"):
            for line in self._file("metrics.jsonl").read_text().splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    records.append(json.loads(line))
        return records

    def read_plan(self, where: str) -> dict | None:
        """The fields of the Plan that was the fastest of several on such devices, or None if they
        were not timed."""
        match self.read_plans().get(where):
            case {"plan": plan, "timings": [_, _, *_]}:
                return plan
        return None

    def write_plan(self, where: str, plan: dict, timings: list[dict]) -> None:
        """Keeps in plan.json how training is lifted on some devices, and the timings that say so,
        if there are any."""
        with self._lock():
            self.write_json(
                "plan.json", {**self.read_plans(), where: {"plan": plan, "timings": timings}}
            )

    def read_plans(self) -> dict:
        """What plan.json holds: devices in words -> {"plan": ..., "timings": ...}.

        Nothing, if it cannot be read: all of it can be measured again.
        """
        with contextlib.suppress(UserError):
            plans = self._json("plan.json")
            return plans if isinstance(plans, dict) else {}
        return {}

    def checkpoints(self) -> pathlib.Path:
        """The folder of checkpoints, absolute."""
        return (self.path / "checkpoints").absolute()

    def targets(self) -> "RunDirectory":
        """The run directory inside this one of targets that another recipe trains."""
        return RunDirectory(self.path / "targets")

    def tensorboard(self) -> pathlib.Path:
        """The folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    # Manifest

    def _manifest(self) -> dict[str, dict]:
        return self._json("manifest.json") if self._exists("manifest.json") else {}

    def _enter(self, name: str, entry: dict) -> None:
        with self._lock():
            self._update_manifest(name, entry)

    def _update_manifest(self, name: str, entry: dict) -> None:
        self.write_json("manifest.json", dict(sorted({**self._manifest(), name: entry}.items())))

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
                if os.listdir(self.path) == [".lock"]:
                    (self.path / ".lock").unlink()
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
                file = open(self.path / ".lock", "w")  # noqa: SIM115, the caller closes it
                fcntl.flock(file, fcntl.LOCK_EX)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path / ".lock")):
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
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} is not JSON ({error}): restore it, or start anew in another --workdir"
            ) from None

    def _exists(self, name: str) -> bool:
        return self._file(name).exists()

    def _file(self, name: str) -> pathlib.Path:
        return self.path / name


def scores_name(model: int, probe: str = "") -> str:
    """Name of the dump of phi of one model, float32 [examples, queries], on the pool or on a set of
    probes."""
    return f"{_folder(probe)}scores/{model:04d}.npy"


def logits_name(model: int, probe: str = "") -> str:
    """Name of the dump of logits of one model, float32 [examples, classes] or [examples, queries,
    classes]."""
    return f"{_folder(probe)}logits/{model:04d}.npy"


def labels_name(probe: str = "") -> str:
    """Name of the labels, int32 [examples]."""
    return f"{_folder(probe)}labels.npy"


def _folder(probe: str) -> str:
    return f"probes/{probe}/" if probe else ""


_WRITTEN_BY = {
    "keep.npy": "lira-train",
    "labels.npy": "lira-train",
    "sources.npy": "lira-train",
    "scores": "lira-score",
    "logits": "lira-score",
    "probes": "lira-score --probes",
    "attacks": "lira-attack",
    "exposure.npy": "lira-attack",
}


def _provenance() -> dict:
    """Package versions, device and git commit, for the record."""
    import jax  # here, so that the stages that only read files start without it

    versions = {"python": platform.python_version()}
    for package in (
        "lira_jax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "orbax-checkpoint",
        "numpy",
        "scipy",
    ):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    here = pathlib.Path(__file__).parent
    commit = subprocess.run(
        ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=40"],
        capture_output=True,
        text=True,
    )
    return {
        "versions": versions,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "git_commit": commit.stdout.strip() or None,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
