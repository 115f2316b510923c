"""The run directory: what its files hold, and what stages agree on through them.

layout.py has their names; folder.py says how they are written and checked (manifest.json, the
hashes of all dumps).
"""

import contextlib
import dataclasses
import os
import pathlib
import re
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from lira_jax import experiment as experiment_lib
from lira_jax import progress
from lira_jax.data.readers.reading import regular
from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.runs import files, layout
from lira_jax.runs import records as records_lib
from lira_jax.runs.folder import Folder
from lira_jax.runs.health import Diagnosis
from lira_jax.runs.provenance import provenance

if TYPE_CHECKING:  # commands that read start without waiting for JAX
    from lira_jax.models.fingerprint import Fingerprint

_WORDS = {str, type(None)}  # what a diagnosis may hold


class RunDirectory(Folder):
    """Reads and writes the files of one run."""

    def __init__(self, path: str | os.PathLike):
        path = pathlib.Path(os.path.expanduser(path))
        super().__init__(path, layout.written_by, layout.RESULTS)
        self._seen: Experiment | None = None

    # The experiment

    def read_experiment(self) -> Experiment:
        """The experiment stored here.

        Raises:
          UserError: there is none, or it cannot be read.
        """
        stored = self._json(layout.EXPERIMENT)
        fields: Any = stored.get("experiment") if isinstance(stored, dict) else None
        return experiment_lib.from_json(fields, str(self._file(layout.EXPERIMENT)))

    def settle_experiment(self, asked: Experiment, given: Collection[str]) -> Experiment:
        """Agrees on the experiment of this directory, as `settling` does, and stores it."""
        with self.settling(asked, given) as experiment:
            self.store_experiment(experiment)
            return experiment

    @contextlib.contextmanager
    def settling(self, asked: Experiment, given: Collection[str]) -> Iterator[Experiment]:
        """Agrees on the experiment of this directory with the command line.

        The block checks that the experiment can run, and then calls `store_experiment`.

        Other processes of the run wait for the end of the block if the experiment is new or
        changed; else nothing is written, so that a run that is only read may be read-only. If the
        block fails before it is stored, nothing is left behind.

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
        elif (settled := self._agreed(asked, given)) == self.read_experiment():
            with self._seeing(settled):
                yield settled
            return
        with contextlib.ExitStack() as held:
            held.enter_context(self._lock())
            settled = self._agreed(asked, given)
            stored = self.read_experiment() if self.has_experiment() else None
            if settled == stored:
                held.close()
            with self._seeing(stored):
                yield settled

    @contextlib.contextmanager
    def _seeing(self, stored: Experiment | None) -> Iterator[None]:
        """A block that `store_experiment` may replace this experiment in, and no other."""
        self._seen = stored
        try:
            yield
        finally:
            self._seen = None

    def check_whole(self) -> None:
        """Checks that what is trained here can be told from its manifest.

        Raises:
          UserError: there are checkpoints, and no entry of the masks that they were trained on.
        """
        if layout.KEEP not in self._manifest() and any(self.checkpoints().glob("[0-9]*/[!.]*")):
            raise UserError(
                f"--workdir={self.path}: it has checkpoints, and no manifest.json that says what "
                "they were trained on; restore it, or start anew in another --workdir"
            )

    def identity(self) -> str | None:
        """What `settle_identity` has entered; None in runs of earlier versions."""
        return self._manifest().get(layout.IDENTITY, {}).get("sha256")

    def settle_identity(self, experiment: Experiment) -> None:
        """Enters a hash of the masks and of the experiment that the run begins with.

        Checkpoints say it, so that one of another run is none of this one's.
        """
        if self.identity() is not None:
            return
        with self._lock():
            entries = self._manifest()
            if layout.IDENTITY not in entries:
                fields = {
                    "keep": entries[layout.KEEP]["sha256"],
                    **experiment_lib.to_json(experiment),
                }
                self.enter({layout.IDENTITY: {"sha256": files.sha256_of_json(fields)}})

    def working(
        self, stage: str, experiment: Experiment, models: Collection[int]
    ) -> AbstractContextManager[None]:
        """Claims models for a stage of this process, with the settings as they are stored.

        Args:
          experiment: that this process goes by.

        Raises:
          UserError: another process is at work on one of the models, or has changed a setting that
            they depend on since this one has read it.
        """

        def check() -> None:
            stored = self.read_experiment() if self.has_experiment() else experiment
            for name, field in FIELDS.items():
                ours, now = (getattr(e, name) for e in (experiment, stored))
                fixed = field.metadata["fixed_by"]
                if fixed in ("train", stage, *experiment.signal_names) and ours != now:
                    shown = (experiment_lib.shown(name, v) for v in (ours, now))
                    raise UserError(
                        "--{}: another process has begun with {} in {}; drop the flag, or give "
                        "another --workdir".format(*shown, self.path)
                    )

        return self.at_work(stage, models, check)

    def _agreed(self, asked: Experiment, given: Collection[str]) -> Experiment:
        if not self.has_experiment():
            foreign = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
            if foreign:
                raise UserError(
                    f"--workdir={self.path}: it is not empty ({foreign[0]!r} is in it) and has "
                    "no experiment.json; give another directory"
                )
            return asked
        self.check_whole()
        stored = self.read_experiment()
        changed = {n: getattr(asked, n) for n in given if getattr(asked, n) != getattr(stored, n)}
        if changed.get("normalize") == "auto":  # of which the run has what was chosen
            del changed["normalize"]
        chosen = asked.dp_epsilon == stored.dp_epsilon != 0  # by which the run has its noise
        if chosen and changed.get("dp_noise") == FIELDS["dp_noise"].default:
            del changed["dp_noise"]
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
        return self._exists(layout.EXPERIMENT)

    def store_experiment(self, experiment: Experiment) -> None:
        """Writes the experiment that `settling` has given, unless it is stored already.

        Nor does it write over what another process has stored since; `working` tells of that.
        """
        if self.has_experiment() and experiment == self.read_experiment():
            return
        with self._lock():
            if self._seen is None or self._seen == self.read_experiment():
                self._write_experiment(experiment)

    def _is_fixed(self, stage: str) -> bool:
        first = layout.FIRST_DUMPS.get(stage, ())
        begun = any(name.startswith(first) for name in self._manifest())
        return begun or any(claim.stage == stage for claim in self.claims())

    def _write_experiment(self, experiment: Experiment) -> None:
        self.write_checked_json(
            layout.EXPERIMENT, {"experiment": experiment_lib.to_json(experiment), **provenance()}
        )

    # The data's identity, text, checkpoints

    def check_data(self, fingerprint: str, source: str, name: str = "data") -> None:
        """Checks the fingerprint of the data, or of what `name` says, against the one entered.

        Raises:
          UserError: the data are not those this run began with.
        """
        before = self._manifest().get(name, {}).get("sha256")
        if before not in (None, fingerprint):
            raise UserError(
                f"{source}: the data have sha256 {fingerprint[:16]}, but the run in {self.path} "
                f"began with {before[:16]}; restore the data, or give another --workdir"
            )

    def settle_data(
        self, fingerprint: str, source: str, name: str = "data", about: dict | None = None
    ) -> None:
        """Enters the fingerprint, and facts about the data beside it, or does as `check_data`.

        Raises:
          UserError: as `check_data`.
        """
        if self._manifest().get(name, {}).get("sha256") == fingerprint:
            return  # without a lock: a reader's directory may be read-only
        with self._lock():
            self.check_data(fingerprint, source, name)
            if name not in self._manifest():
                self.enter({name: {"sha256": fingerprint, **(about or {})}})

    def about_data(self) -> dict:
        """The facts that `settle_data` has entered; empty in runs of earlier versions."""
        return {n: v for n, v in self._manifest().get("data", {}).items() if n != "sha256"}

    def check_code(self, fingerprint: "Fingerprint | None", flag: str) -> None:
        """Checks that code of the user's own is what the run began with; nothing is entered.

        Args:
          fingerprint: of the code; None if there is none, or it cannot be told.
          flag: that names it.

        Raises:
          UserError: it computes something else than before, under the same packages.
        """
        known = self._manifest().get(layout.CODE, {})
        if fingerprint and known.get(fingerprint.versions, fingerprint.sha256) != (
            fingerprint.sha256
        ):
            raise UserError(
                f"{flag}: its code computes something else than when the run in {self.path} began; "
                "restore it, or give another --workdir"
            )

    def settle_code(self, fingerprint: "Fingerprint | None", flag: str) -> None:
        """Enters the fingerprint of code of the user's own, or checks it as `check_code` does.

        Under other packages than those that it was entered with it cannot be compared; a note says
        so once.

        Raises:
          UserError: as `check_code`.
        """
        self.check_code(fingerprint, flag)
        if fingerprint is None or fingerprint.versions in self._manifest().get(layout.CODE, {}):
            return
        with self._lock():
            self.check_code(fingerprint, flag)
            known = self._manifest().get(layout.CODE, {})
            self.enter({layout.CODE: {**known, fingerprint.versions: fingerprint.sha256}})
        if known:
            progress.note(
                f"note: {flag}: the run in {self.path} began with {next(iter(known))}; whether the "
                f"code is the same cannot be told under {fingerprint.versions}"
            )

    def saved_signals(self, view: layout.View = layout.POOL) -> list[str]:
        """Names of the signals of which there are dumps of some model, phi and logits first."""
        return view.signals(self.dumps())

    def facts(self) -> list[str]:
        """Names of what is known of the pool's examples themselves."""
        files = sorted(name for name in self.dumps() if name.startswith(layout.FACTS))
        return [name.removeprefix(layout.FACTS).removesuffix(".npy") for name in files]

    def record_diagnosis(self, model: int, diagnosis: Diagnosis) -> None:
        """Enters what is wrong with a model, or that nothing is, as its signals show."""
        self._enter(layout.diagnosis(model), dataclasses.asdict(diagnosis))

    def diagnoses(self) -> dict[int, Diagnosis]:
        """Model -> what `record_diagnosis` has entered."""
        return {
            int(name.removeprefix(layout.DIAGNOSIS)): Diagnosis.of_entry(entry)
            for name, entry in self._manifest().items()
            if re.fullmatch(rf"{layout.DIAGNOSIS}\d+", name)
            and set(map(type, entry.values())) <= _WORDS
        }

    def data_fingerprint(self) -> str | None:
        """The fingerprint that `settle_data` has entered."""
        return self._manifest().get("data", {}).get("sha256")

    def append_metrics(self, records: list[dict]) -> None:
        """Appends lines to metrics.jsonl, none of them to a line that a kill has cut short."""
        lines = records_lib.to_lines(records)
        if self._exists(layout.METRICS):
            regular(self._file(layout.METRICS))
        with self._lock(), open(self.path / layout.METRICS, "ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                lines = lines if file.read(1) == b"\n" else "\n" + lines
            file.write(lines.encode())

    def read_metrics(self) -> list[dict]:
        """The records of metrics.jsonl; a line cut short by a kill, or changed, is passed over."""
        if not self._exists(layout.METRICS):
            return []
        regular(self._file(layout.METRICS))
        found, changed = records_lib.from_lines(self._file(layout.METRICS).read_bytes())
        if changed and layout.METRICS not in self._told:
            self._told.add(layout.METRICS)
            progress.remark(
                f"{self._file(layout.METRICS)}: lines that were changed after they were written "
                f"are passed over: {changed}"
            )
        return found

    def read_privacy(self) -> dict[str, Any] | None:
        """What privacy.json holds; None if there is none.

        Raises:
          UserError: it is damaged.
        """
        return self._json(layout.PRIVACY) if self._exists(layout.PRIVACY) else None

    def write_privacy(self, found: dict[str, Any]) -> None:
        """Writes privacy.json."""
        with self._lock():
            self.write_checked_json(layout.PRIVACY, found)

    def read_plan(self, where: str) -> dict | None:
        """The fields of the fastest Plan of several on such devices; None if none was timed."""
        match self.read_plans().get(where):
            case {"plan": plan, "timings": [_, _, *_]}:
                return plan
        return None

    def write_plan(self, where: str, plan: dict, timings: list[dict]) -> None:
        """Keeps in plan.json how training is lifted on some devices, and the timings, if any."""
        with self._lock():
            self.write_json(
                layout.PLAN, {**self.read_plans(), where: {"plan": plan, "timings": timings}}
            )

    def read_plans(self) -> dict:
        """What plan.json holds: devices in words -> {"plan": ..., "timings": ...}.

        Nothing, if it cannot be read: all of it can be measured again.
        """
        with contextlib.suppress(UserError):
            plans = self._json(layout.PLAN)
            return plans if isinstance(plans, dict) else {}
        return {}

    def checkpoints(self) -> pathlib.Path:
        """The folder of checkpoints, absolute."""
        return (self.path / "checkpoints").absolute()

    def targets(self) -> "RunDirectory":
        """The run directory inside this one of targets that another recipe trains."""
        return RunDirectory(self.path / "targets")

    def on_release(self, name: str, naive: bool) -> "RunDirectory":
        """Where the results of attacks on released outputs are.

        Args:
          naive: whether the shadow models are undefended.
        """
        return RunDirectory(self.path / layout.RELEASED / name / (layout.NAIVE if naive else ""))

    def tensorboard(self) -> pathlib.Path:
        """The folder of TensorBoard's event files."""
        return self.path / "tensorboard"
