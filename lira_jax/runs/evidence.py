"""Reads the dumps of a run into the evidence that attacks take: signals when they are asked for."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.plain import is_plain
from lira_jax.attacks.shared.signals import Fact, Saved, Signals
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import diagnoses, health, layout, stops
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis
from lira_jax.runs.layout import KEEP, POOL, View


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Evidence, and what its rows and columns are called in the run directory.

    Attributes:
      evidence: what attacks may look at.
      models: ids of its models.
      targets: ids of its targets; for a target from outside, where it comes from.
      examples: bool [N], the examples of the pool that it is about; None for all.
      learned: bool [N], the examples that attacks learn from; None for the same, or, with disjoint
        masks, the rest.
      queries: int [queries], those of the saved queries that it is about; None for all.
      stop_at: where the models were stopped, as `stops.of_models` takes it; empty for the end.
      epochs: that the targets were trained for; empty where that is not known.
      release: what the targets release, the name of the view; empty for their logits.
      naive: whether the shadow models do not.
    """

    evidence: Evidence
    models: list[int]
    targets: Sequence[int | str]
    examples: np.ndarray | None = None
    learned: np.ndarray | None = None
    queries: np.ndarray | None = None
    stop_at: str = ""
    epochs: Sequence[int] = ()
    release: str = ""
    naive: bool = False

    @property
    def examples_sha256(self) -> str:
        """What tells which examples it is about and learned from; empty for all of the pool."""
        given = [e for e in (self.examples, self.learned) if e is not None]
        return hashlib.sha256(b"".join(e.tobytes() for e in given)).hexdigest() if given else ""

    def asking(self, queries: np.ndarray) -> "Loaded":
        """The same, of some of the queries, int [queries]."""
        return dataclasses.replace(self, evidence=self.evidence.queries(queries), queries=queries)


def load_evidence(
    run: RunDirectory,
    experiment: Experiment,
    targets: str,
    outside: bool = False,
    *,
    stop_at: str = "",
    view: View = POOL,
    quiet: bool = False,
) -> Loaded:
    """Evidence of all models but those that have diverged.

    With disjoint masks the shadows are the second half of the models, the targets come from the
    first, and the evidence is about the targets' half of the pool, where no shadow trained on
    anything. Attacks learn from the shadows' own half.

    Args:
      run: the run directory, scored.
      experiment: of the run.
      targets: "all", or model ids.
      outside: whether targets from outside will take their place, for whom one model is enough.
      stop_at: where the models are stopped, as `stops.of_models` takes it; empty for the end.
      view: where the outputs are, a released one or the pool's.
      quiet: no notes on models that have diverged or learned nothing.

    Raises:
      UserError: a dump is missing or damaged, too many models have diverged, or a target is a
        shadow or has diverged.
    """
    num_models = experiment.num_models
    diagnoses.check_trained(run, num_models)
    labels = run.read(POOL.labels, (None,))
    keep = run.read(KEEP, (num_models, len(labels)))
    asked = masks.parse_ids(targets, num_models)
    stopped = stops.of_models(run, experiment, stop_at)
    views = [stop.view for stop in stopped]
    signals = saved_signals(run, views, list(range(num_models)), labels)
    found = diagnose(run, keep, signals, views, quiet=quiet)
    if view != POOL:  # whether a model can be used is seen in what it says itself
        signals = saved_signals(run, view, list(range(num_models)), labels)
    healthy = [m for m, wrong in found.items() if wrong is None]
    if len(healthy) < 2 and not outside and experiment.masks != masks.OFFICIAL:
        raise UserError(
            f"{run.path}: of {num_models} models model {healthy[0]} alone has not diverged, and a "
            "target needs shadow models; train again in another --workdir, with a lower "
            "--learning_rate"
        )
    lost = sorted(set(asked) - set(healthy))
    if lost and targets != "all":
        raise UserError(f"--targets={targets}: model {lost[0]} has diverged; name others")
    everything = Evidence(labels, keep, signals, Inside(np.array(asked)))
    if masks.is_disjoint(experiment.masks):
        loaded = _apart(everything, healthy, asked, targets, experiment.masks)
    else:
        asked = [t for t in asked if t in healthy]
        loaded = Loaded(everything.models(np.array(healthy)), healthy, asked)
    epochs = [stopped[int(target)].epoch for target in loaded.targets]
    release = view.name if view != POOL else ""
    return dataclasses.replace(loaded, stop_at=stop_at, epochs=epochs, release=release)


def saved_signals(
    run: RunDirectory, view: View | Sequence[View], models: list[int], labels: np.ndarray
) -> Signals:
    """The signals that are saved of some models, none of them read yet.

    Args:
      view: where they are, of all models or of each.

    Raises:
      UserError: there are none.
    """
    views = [view] * len(models) if isinstance(view, View) else view
    saved = [run.saved_signals(one) for one in dict.fromkeys(views)]
    names = [name for name in saved[0] if all(name in others for others in saved)]
    if not names:
        run.read(views[0].signal("phi", models[0]))  # which says what to do
    saved_here: dict[str, Saved] = {
        name: _Files(run, views, name, models, len(labels)) for name in names
    }
    if not any(layout.is_probes(one) for one in views):
        for name in run.facts():
            values = run.read(layout.fact(name), (len(labels),))
            saved_here[name] = Fact(values, len(models))
    return Signals(saved_here, labels)


@dataclasses.dataclass(frozen=True)
class _Files:
    """A signal's dumps, each mapped and checked against its hash when it is indexed."""

    run: RunDirectory
    views: Sequence[View]
    name: str
    models: list[int]
    num_examples: int

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, row: int) -> np.ndarray:
        array = self._read(row)
        return plain_logits(array) if self.name == "logits" else array

    def of_queries(self, row: int) -> np.ndarray:
        """Logits of all queries that they are saved of, [examples, queries, classes]."""
        array = self._read(row)
        return array if array.ndim == 3 else array[:, None]

    def _read(self, row: int) -> np.ndarray:
        file = self.views[row].signal(self.name, self.models[row])
        array = self.run.read(file)
        if len(array) != self.num_examples or array.ndim < 2 - is_plain(self.name):
            raise UserError(
                f"{self.run.path / file} has shape "
                f"{array.shape}, not of {self.num_examples} examples: it belongs to another run"
            )
        return array


def plain_logits(logits: np.ndarray) -> np.ndarray:
    """Logits of the plain query [examples, classes], of those saved with --save_logits=all too."""
    return logits[:, 0] if logits.ndim == 3 else logits


def diagnose(
    run: RunDirectory,
    keep: np.ndarray,
    signals: Signals,
    views: Sequence[View] | None = None,
    *,
    quiet: bool = False,
) -> dict[int, str | None]:
    """Model -> why it has diverged, or None. Notes say so, and which models learned nothing.

    lira-score has entered it; of a run that an older version has scored, phi and logits tell. Of
    models without either, training's last word in metrics.jsonl counts.

    Args:
      keep: bool [models, examples].
      signals: of all models.
      views: where the signals of each are; the pool's in the end by default. After an epoch, a
        model without signals that training calls diverged was stopped before.
      quiet: no notes.

    Raises:
      UserError: a model is not scored, or all have diverged.
    """
    known, trained = run.diagnoses(), diagnoses.of_training(run)
    found: dict[int, Diagnosis] = {}
    dumps = run.dumps()
    for model in progress.each("diagnose", range(len(keep)), "models"):
        view = views[model] if views else POOL
        missing = [name for name in signals.saved if view.signal(name, model) not in dumps]
        if missing and view != POOL and (said := trained.get(model)) and said.diverged:
            found[model] = said
            continue
        for name in missing:
            run.read(view.signal(name, model))  # which says what to do
        if model in known and view == POOL:
            found[model] = known[model]
        else:
            found[model] = diagnose_outputs(signals, model, keep[model], trained.get(model))
    diagnoses.check_any_usable(run, found)
    for line in [] if quiet else diagnoses.warnings(run, found):
        progress.note(line)
    return {model: diagnosis.diverged for model, diagnosis in found.items()}


def diagnose_outputs(
    signals: Signals, model: int, keep: np.ndarray, trained: Diagnosis | None = None
) -> Diagnosis:
    """What is wrong with a model, as its saved signals tell.

    Args:
      signals: of several models.
      model: one of their rows.
      keep: bool [examples], its members.
      trained: what training said of it, which counts where there are no logits.
    """
    own = {name: signals.of_model(name, model) for name in signals.saved}
    flat = [array.reshape(len(array), -1) for array in own.values()]
    finite = np.all([np.isfinite(array).all(-1) for array in flat], axis=0)
    classifies = "logits" in own
    outputs = health.summarise(own["logits" if classifies else signals.saved[0]], classifies)
    found = health.diagnose(outputs, signals.labels, keep, finite)
    return found if classifies or found.diverged or trained is None else trained


def _apart(
    everything: Evidence, healthy: list[int], asked: list[int], flag: str, kind: str
) -> Loaded:
    """The targets of disjoint masks as targets from outside, on their own half of the pool."""
    keep = everything.keep
    first, pool = masks.first_shadow(len(keep)), masks.targets_pool(keep, kind)
    if flag != "all" and asked[-1] >= first:
        raise UserError(
            f"--targets={flag}: with disjoint masks the targets are models 0 to {first - 1}"
        )
    targets = [t for t in asked if t < first and t in healthy]
    shadows = [model for model in healthy if model >= first]
    if not targets or not shadows:
        raise UserError(
            f"{len(targets)} targets and {len(shadows)} shadow models have not diverged; an attack "
            "needs one of each: train again in another --workdir, with a lower --learning_rate"
        )
    outside = Outside(everything.signals.of(models=np.array(targets)), keep[targets])
    known = dataclasses.replace(everything, targets=Inside(np.array(shadows))).select(~pool)
    apart = dataclasses.replace(everything, targets=outside, attack_training=known).select(pool)
    return Loaded(apart.models(np.array(shadows)), shadows, targets, examples=pool)


def with_shadows_of(
    other: RunDirectory,
    run: RunDirectory,
    loaded: Loaded,
    *,
    view: View = POOL,
    quiet: bool = False,
) -> Loaded:
    """The same targets, attacked with another run's models: other recipe, same data and masks.

    Carlini et al. 2022, section VI-E. Model m of the other run has the very training set of target
    m, and may have its initial weights; it is left out as the target itself would be.

    Args:
      other: the run of the shadow models, scored.
      run: the run of the targets.
      loaded: of the run of the targets; its shadow models are stopped by the same rule.
      view: where the shadow models' outputs are.
      quiet: no notes on models that have diverged or learned nothing.

    Raises:
      UserError: data or masks differ, a dump of the other run is missing, or no target is left.
    """
    flag = f"--shadows={other.path}"
    stop_at = loaded.stop_at
    theirs = load_evidence(
        other, other.read_experiment(), "all", stop_at=stop_at, view=view, quiet=quiet
    )
    ours, other_keep = (r.read(KEEP) for r in (run, other))
    if run.data_fingerprint() != other.data_fingerprint() or not np.array_equal(ours, other_keep):
        raise UserError(
            f"{flag}: it has other data or masks than {run.path}; train both with the same data "
            "flags, --seed, --num_models, --masks and --pkeep, or say by --shadow_examples what "
            "other shadow models know"
        )
    judged = loaded.evidence.targets.apart(loaded.evidence.signals)
    shadows, targets, epochs = theirs.evidence, loaded.targets, loaded.epochs
    if isinstance(loaded.evidence.targets, Inside):
        # A target needs its counterpart, or leaving that out would not even the lists.
        rows = [row for row, target in enumerate(targets) if target in theirs.models]
        targets, epochs = [targets[row] for row in rows], [epochs[row] for row in rows]
        if not targets:
            raise UserError(f"{flag}: the counterparts of all targets have diverged")
        counterparts = np.array([theirs.models.index(int(t)) for t in targets])
        judged = Counterparts(judged.outputs.of(models=np.array(rows)), counterparts)
    shadows, judged = _same_queries(run, other, shadows, judged, stop_at, loaded.release)
    evidence = dataclasses.replace(shadows, targets=judged)
    found = Loaded(evidence, theirs.models, targets, examples=theirs.examples, stop_at=stop_at)
    naive = bool(loaded.release) and view == POOL
    return dataclasses.replace(found, epochs=epochs, release=loaded.release, naive=naive)


def _same_queries(
    run: RunDirectory,
    other: RunDirectory,
    shadows: Evidence,
    judged: Outside | Counterparts,
    stop_at: str,
    release: str,
) -> tuple[Evidence, Outside | Counterparts]:
    """Shadows and targets with the plain query alone, if their queries differ in number, or one of
    them is released, for which others may be missing."""
    of_runs = [r.read_experiment() for r in (run, other)]
    queries = [(stop_at and e.epoch_queries) or e.queries for e in of_runs]
    if queries[0] == queries[1] and not release:
        return shadows, judged
    if queries[0] != queries[1]:
        progress.note(
            f"note: {run.path} and {other.path} have other queries; only the plain one is used"
        )
    return (
        dataclasses.replace(shadows, signals=shadows.signals.plain()),
        judged.queries(slice(1)),
    )


def with_plain_shadows(loaded: Loaded, plain: Loaded) -> Loaded:
    """Targets with released outputs, attacked by one whose shadow models have no such defence.

    Song and Mittal 2021, https://arxiv.org/abs/2003.10595, call such attacks non-adaptive.

    Args:
      loaded: of the released outputs.
      plain: of the same models without the release.
    """
    judged = loaded.evidence.targets.apart(loaded.evidence.signals)
    if isinstance(plain.evidence.targets, Inside):  # a target is no shadow of its own
        judged = Counterparts(judged.outputs, plain.evidence.targets.models)
    shadows = plain.evidence
    # Of the released outputs there may be the plain query alone (--save_logits).
    if _num_queries(judged.outputs) != _num_queries(shadows.signals):
        known, judged = shadows.attack_training, judged.queries(slice(1))
        if known is not None:
            known = dataclasses.replace(known, signals=known.signals.plain())
        shadows = dataclasses.replace(
            shadows, signals=shadows.signals.plain(), attack_training=known
        )
    evidence = dataclasses.replace(shadows, targets=judged)
    return dataclasses.replace(plain, evidence=evidence, release=loaded.release, naive=True)


def _num_queries(signals: Signals) -> int:
    """Queries of phi; 1 where it is not saved."""
    return signals.of_model("phi", 0).shape[-1] if "phi" in signals.saved else 1


def load_probe(
    run: RunDirectory, name: str, loaded: Loaded, target_run: RunDirectory | None = None
) -> Evidence:
    """What the same models, with the same targets, say of a set of probes, which none trained on.

    Args:
      run: the run directory, scored with --probes.
      name: of the probes.
      loaded: of the pool.
      target_run: of the targets, if they are no models of `run`; scored with the same probes.

    Raises:
      UserError: a dump is missing or damaged.
    """
    view = layout.probes(name)
    labels = run.read(view.labels, (None,))
    outputs = saved_signals(run, view, loaded.models, labels)
    of_targets = loaded.evidence.targets
    if not isinstance(of_targets, Inside):
        ids = [int(target) for target in loaded.targets]
        outside = saved_signals(target_run or run, view, ids, labels)
        of_targets = dataclasses.replace(of_targets, outputs=outside)
    keep = np.zeros((len(loaded.models), len(labels)), bool)
    evidence = Evidence(labels, keep, outputs, of_targets)
    return evidence if loaded.queries is None else evidence.queries(loaded.queries)
