"""How far a run is: what its files say, and which processes of it live on this machine."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import platform
import re
import shlex
import time
from collections.abc import Callable

from lira_jax.data import masks, probes
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment, own_code, target_experiment
from lira_jax.progress import named_models
from lira_jax.runs import checkpoint, diagnoses, files, layout
from lira_jax.runs.claims import Claim
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis
from lira_jax.runs.layout import KNOWN_TABLE, PAGE, POOL, RESULTS, attack_of

STAGES = ("train", "score", "attack", "report")


@dataclasses.dataclass(frozen=True)
class Status:
    """What `inspect` finds.

    Attributes:
      path: the run directory.
      summary: the experiment in a line.
      num_models: of the experiment.
      trained: models that are trained to the end.
      partial: model -> (epochs of its newest checkpoint, of how many).
      last_metrics: the newest line of metrics.jsonl, or None.
      diagnoses: model -> what is wrong with it.
      scored: models whose signals are all whole, on the pool and on the probes.
      attacks: names of saved attack scores.
      evaluated: whether results.json is here; with official masks, known.csv.
      stale: what is older than the files it was made from: attack, report.
      reported: whether the page is here.
      damaged: file -> what is wrong, for each that is not what the manifest says, or cannot be
        read.
      leftover: temporary files of writers that live no more; harmless.
      processes: (process id, stage) of this run on this machine.
      elsewhere: what processes on other machines are at work on.
      age: seconds since anything in the directory was written.
      targets: the same of the targets, if another recipe trains them.
      own_code: field -> code of the user's own, which train and score run only if they are given
        it.
      official: whether all models have one training set, so that no page is made: known.csv is then
        what the attack writes.
    """

    path: pathlib.Path
    summary: str
    num_models: int
    trained: list[int]
    partial: dict[int, tuple[int, int]]
    last_metrics: dict | None
    diagnoses: dict[int, Diagnosis]
    scored: list[int]
    attacks: list[str]
    evaluated: bool
    stale: list[str]
    reported: bool
    damaged: dict[str, str]
    leftover: list[str]
    processes: list[tuple[int, str]]
    elsewhere: list[Claim]
    age: float
    targets: "Status | None" = None
    own_code: dict[str, str] = dataclasses.field(default_factory=dict)
    official: bool = False

    def left(self, stage: str) -> list[int]:
        """The models that train or score has left, those of targets that it has left too."""
        parts = [self, self.targets] if self.targets else [self]
        done = [set(p.trained if stage == "train" else p.scored) for p in parts]
        return [m for m in range(self.num_models) if any(m not in models for models in done)]

    @property
    def unfinished(self) -> str | None:
        """The first stage that has work left, or None."""
        for stage in ("train", "score"):
            if self.left(stage):
                return stage
        if not self.evaluated or "attack" in self.stale:
            return "attack"
        if self.official:
            return None
        return "report" if not self.reported or "report" in self.stale else None


def inspect(run: RunDirectory, read_results: Callable[[pathlib.Path], object]) -> Status:
    """Reads every dump and checks its hash; nothing is changed.

    Args:
      read_results: (run directory) -> what results.json holds; raises a UserError if that is
        damaged.

    Raises:
      UserError: there is no run here, or its experiment or manifest cannot be read.
    """
    experiment = run.read_experiment()
    run.check_whole()
    other = target_experiment(experiment)
    targets = _inspect(run.targets(), other, read_results, None) if other else None
    return _inspect(run, experiment, read_results, targets)


def _inspect(
    run: RunDirectory, e: Experiment, read_results: Callable, targets: Status | None
) -> Status:
    folder = run.checkpoints()
    dumps = run.dumps()
    damaged = {}
    for name in dumps:
        try:
            run.read(name)
        except UserError as error:
            damaged[name] = str(error)
    whole = dumps.keys() - damaged.keys()
    if targets:
        damaged |= {f"targets/{name}": text for name, text in targets.damaged.items()}
    if (run.path / RESULTS).exists():
        try:
            read_results(run.path)
        except UserError as error:
            damaged[RESULTS] = str(error)
    models = range(e.num_models)
    saved = {m: newest for m in models if (newest := checkpoint.newest(folder, m))}
    for model, which in saved.items():
        try:
            checkpoint.check(folder, model, which)
        except UserError as error:
            damaged[f"checkpoints/{model:04d}/{which}"] = str(error)
    trained = [m for m, which in saved.items() if which == checkpoint.FINAL]
    epochs = {m: checkpoint.latest_epoch(folder, m) for m in sorted(set(models) - set(trained))}
    views = [POOL, *(layout.probes(name) for name in probes.parse(e.probes))]
    signals = [(view, name) for view in views for name in e.signal_names]
    scored = [m for m in models if all(view.signal(n, m) in whole for view, n in signals)]
    metrics = run.read_metrics()
    last = max((_written(p) for p in run.path.rglob("*") if p.is_file()), default=0.0)
    claims, official = run.claims(), e.masks == masks.OFFICIAL
    return Status(
        path=run.path,
        summary=f"{e.num_models} x {e.model} on {e.dataset}, {e.epochs} epochs, {e.queries} "
        "queries",
        num_models=e.num_models,
        trained=trained,
        partial={m: (epoch, e.epochs) for m, epoch in epochs.items() if epoch},
        last_metrics=metrics[-1] if metrics else None,
        diagnoses=diagnoses.of_training(run) | run.diagnoses(),
        scored=scored,
        attacks=sorted(attack for n in whole if (attack := attack_of(n)) is not None),
        evaluated=(run.path / (KNOWN_TABLE if official else RESULTS)).exists(),
        stale=_stale(run),
        reported=(run.path / PAGE).exists(),
        damaged=damaged,
        leftover=[str(p) for p in files.abandoned(run.path, {(c.host, c.pid) for c in claims})],
        processes=processes(run.path),
        elsewhere=[c for c in claims if c.host != platform.node()],
        age=time.time() - last,
        targets=targets,
        own_code=own_code(e),
        official=official,
    )


def as_text(status: Status) -> str:
    """The status for a terminal."""
    s, parts = status, {"models": status} | ({"targets": status.targets} if status.targets else {})
    lines = [f"{s.path}: {s.summary}"]
    if s.targets:
        lines.append(f"{s.targets.path}: {s.targets.summary}, the targets")
    for kind, part in parts.items():
        lines += _training(part, kind)
    lines += [_scoring(part, kind) for kind, part in parts.items()]
    table = KNOWN_TABLE if s.official else RESULTS
    attacks = f"{len(s.attacks)} attacks saved" + (f", {table} is here" if s.evaluated else "")
    old = {"attack": "; older than the scores", "report": "; older than the results"}
    lines.append(
        _line(
            "attack",
            s.evaluated and "attack" not in s.stale,
            attacks + (old["attack"] if "attack" in s.stale else ""),
        )
    )
    page = f"{PAGE} is here" if s.reported else "no page yet"
    lines.append(
        _line(
            "report",
            s.reported and "report" not in s.stale,
            page + (old["report"] if "report" in s.stale else ""),
        )
    )
    lines += [f"DAMAGED   {text}" for text in s.damaged.values()]
    if s.leftover:
        lines.append(
            f"leftover  {len(s.leftover)} temporary files of killed writers, harmless: "
            f"{s.leftover[0]}"
        )
    lines.append(_activity(s))
    lines.append(_advice(s))
    return "\n".join(lines)


def _training(s: Status, kind: str) -> list[str]:
    """How far the training of the models or targets is."""
    n = s.num_models
    begun = "".join(
        f"; {named_models(models)} at epoch {epoch} of {of}"
        for (epoch, of), models in _by_value(s.partial).items()
    )
    never = [m for m in range(n) if m not in set(s.trained) and m not in s.partial]
    waiting = f"; {named_models(never)} without a checkpoint" if never and len(never) < n else ""
    lines = [
        _line(
            "train", len(s.trained) == n, f"{len(s.trained)} of {n} {kind} finished{begun}{waiting}"
        )
    ]
    if s.last_metrics:
        shown = [
            ("loss", "{:.4g}"),
            ("train_accuracy", "{:.1%}"),
            ("out_accuracy", "{:.1%}"),
            ("test_accuracy", "{:.1%}"),
        ]
        values = ", ".join(
            f"{k} {f.format(s.last_metrics[k])}"
            for k, f in shown
            if s.last_metrics.get(k) is not None
        )
        lines.append(
            f"          newest metrics: model {s.last_metrics['model']}, epoch "
            f"{s.last_metrics['epoch']}: {values}"
        )
    found = (diagnoses.diverged(s.diagnoses), diagnoses.learned_nothing(s.diagnoses))
    return [*lines, *(f"          {line}" for line in found if line)]


def _scoring(s: Status, kind: str) -> str:
    """How far the scoring of the models or targets is."""
    n, done = s.num_models, set(s.scored)
    left = [m for m in range(n) if m not in done]
    named = f"; {named_models(left)} to be scored" if 0 < len(left) < n else ""
    return _line("score", not left, f"{len(done)} of {n} {kind} finished{named}")


def processes(path: pathlib.Path) -> list[tuple[int, str]]:
    """(process id, stage) of the lira commands here with this run directory; Linux only."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            stage = next(
                (
                    m[1]
                    for a in arguments[:4]
                    if (m := re.search(r"lira(?:_jax\.cli\.|-)(\w+)$", a))
                ),
                None,
            )
            workdirs = [a.split("=", 1)[1] for a in arguments if re.match(r"--?workdir=", a)]
            workdirs += [
                b for a, b in itertools.pairwise(arguments) if re.fullmatch(r"--?workdir", a)
            ]
            if (
                stage in STAGES
                and workdirs
                and os.path.realpath(entry / "cwd" / workdirs[-1]) == os.path.realpath(path)
            ):
                found.append((int(entry.name), stage))
    return sorted(found)


def _activity(s: Status) -> str:
    running = [f"lira-{stage} (process {pid})" for pid, stage in s.processes]
    running += [f"lira-{claim.stage} ({claim.process})" for claim in s.elsewhere]
    if running:
        return "running   " + ", ".join(running)
    idle = f"no process of this run on this machine; last written {_duration(s.age)} ago"
    if s.unfinished:
        idle += f": lira-{s.unfinished} is not begun, was killed, or runs on another machine"
    return "idle      " + idle


def _advice(s: Status) -> str:
    workdir = shlex.quote(f"--workdir={s.path}")
    if s.processes or s.elsewhere:
        return f"next      wait, or look again: lira-status {workdir}"
    if len(s.diagnoses) == s.num_models and all(d.diverged for d in s.diagnoses.values()):
        return "next      train again in another --workdir, with a lower --learning_rate"
    if s.damaged:
        return (
            "next      delete those damaged files that are there and run the commands above; "
            "whole files are kept"
        )
    stage = s.unfinished
    if stage is None:
        return "next      nothing is left to do"
    ids = s.left(stage) if stage in ("train", "score") else []
    code = {"--target_flagfile": "FILE"} if s.targets and s.targets.own_code else {}
    code |= {f"--{name}": value for name, value in s.own_code.items()}
    if stage in ("train", "score"):
        workdir += "".join(f" {shlex.quote(f'{n}={v}')}" for n, v in code.items())
    some = f" --model_ids={masks.write_ids(ids)}" if 0 < len(ids) < s.num_models else ""
    if stage == "attack" and s.official:
        some = " --protocol=known"
    return f"next      lira-{stage} {workdir}{some}"


def _line(stage: str, finished: bool, text: str) -> str:
    return f"{stage:8}{'+' if finished else '-'} {text}"


def _stale(run: RunDirectory) -> list[str]:
    results, page = run.path / RESULTS, run.path / PAGE
    scores = [
        r.path / name for r in (run, run.targets()) for name in r.dumps() if POOL.signals([name])
    ]
    stale = []
    if results.exists() and any(p.exists() and _written(p) > _written(results) for p in scores):
        stale.append("attack")
    if page.exists() and results.exists() and _written(results) > _written(page):
        stale.append("report")
    return stale


def _written(path: pathlib.Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # a temporary file that has its name by now
        return 0.0


def _by_value(groups: dict[int, tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    inverse: dict[tuple[int, int], list[int]] = {}
    for model, value in groups.items():
        inverse.setdefault(value, []).append(model)
    return dict(sorted(inverse.items(), reverse=True))


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
