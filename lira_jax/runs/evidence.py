"""Reads the dumps of a run into the arrays that attacks take."""

import dataclasses

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import directory, health


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Evidence, and what its rows and columns are called in the run directory.

    Attributes:
      evidence: what attacks may look at.
      models: ids of its models.
      targets: ids of its targets; for a target from outside, where it comes from.
      examples: bool [N], the examples of the pool that it is about; None for all.
    """

    evidence: Evidence
    models: list[int]
    targets: list[int | str]
    examples: np.ndarray | None = None


def load_evidence(run: directory.RunDirectory, experiment: Experiment, targets: str) -> Loaded:
    """Loads scores, logits, masks and labels of all models that learned something.

    With disjoint masks the shadows are the second half of the models, the targets come from the
    first, and the evidence is about the targets' half of the pool, where no shadow trained on
    anything.

    Args:
      run: the run directory, scored.
      experiment: of the run.
      targets: "all", or model ids.

    Raises:
      UserError: a dump is missing or damaged, or a target is a shadow or has diverged.
    """
    labels = run.read("labels.npy", (None,))
    num_models, num_examples = experiment.num_models, len(labels)
    keep = run.read("keep.npy", (num_models, num_examples))
    asked = masks.parse_ids(targets, num_models)
    phi, logits = None, None
    healthy = []
    for model in progress.each("read", range(num_models), "models"):
        own_phi = run.read(directory.scores_name(model), (num_examples, None))
        own_logits = run.read(directory.logits_name(model))
        if own_logits.ndim == 3:
            own_logits = own_logits[:, 0]
        finite = np.isfinite(own_phi).all(-1) & np.isfinite(own_logits).all(-1)
        wrong = health.diagnose(own_logits.argmax(-1) == labels, finite, labels, keep[model])
        if wrong:
            progress.note(f"WARNING: model {model} has diverged and is left out: {wrong}")
            continue
        if phi is None:
            phi = np.empty((num_models, *own_phi.shape), np.float32)
            logits = np.empty((num_models, *own_logits.shape), np.float32)
        phi[len(healthy)], logits[len(healthy)] = own_phi, own_logits
        healthy.append(model)
    if len(healthy) < 2:
        raise UserError(
            f"{run.path}: {len(healthy)} of {num_models} models learned anything; lower "
            "--learning_rate"
        )
    lost = sorted(set(asked) - set(healthy))
    if lost and targets != "all":
        raise UserError(f"--targets={targets}: model {lost[0]} has diverged; name others")
    asked = [t for t in asked if t in healthy]
    positions = np.array([healthy.index(t) for t in asked])
    evidence = Evidence(
        labels, keep[healthy], phi[: len(healthy)], logits[: len(healthy)], positions
    )
    if experiment.masks != "disjoint":
        return Loaded(evidence, healthy, asked)
    return _apart(evidence, healthy, asked, keep, targets)


def _apart(
    evidence: Evidence, models: list[int], asked: list[int], keep: np.ndarray, flag: str
) -> Loaded:
    """The targets of disjoint masks as targets from outside, on their own half of the pool."""
    first, pool = masks.first_shadow(len(keep)), masks.targets_pool(keep)
    if flag == "all":
        asked = [t for t in asked if t < first]
    elif asked[-1] >= first:
        raise UserError(
            f"--targets={flag}: with --masks=disjoint the targets are models 0 to {first - 1}"
        )
    targets = [models.index(t) for t in asked]
    shadows = [row for row, model in enumerate(models) if model >= first]
    if not targets or len(shadows) < 2:
        raise UserError(
            f"{len(targets)} targets and {len(shadows)} shadow models learned anything; too few "
            "to attack"
        )
    apart = Evidence(
        evidence.labels[pool],
        *(array[shadows][:, pool] for array in (evidence.keep, evidence.phi, evidence.logits)),
        None,
        *(array[targets][:, pool] for array in (evidence.phi, evidence.logits, evidence.keep)),
    )
    return Loaded(apart, [models[row] for row in shadows], asked, pool)


def with_shadows_of(
    other: directory.RunDirectory, run: directory.RunDirectory, loaded: Loaded
) -> Loaded:
    """The same targets, attacked with the models of another run: another recipe on the same data
    and masks.

    Carlini et al. 2022, section VI-E. Model m of the other run has the very training set of target
    m, and may have its initial weights; it is left out as the target itself would be.

    Args:
      other: the run of the shadow models, scored.
      run: the run of the targets.
      loaded: of the run of the targets.

    Raises:
      UserError: data or masks differ, a dump of the other run is missing, or no target is left.
    """
    flag = f"--shadows={other.path}"
    theirs = load_evidence(other, other.read_experiment(), "all")
    masks_of = [r.read("keep.npy") for r in (run, other)]
    if run.data_fingerprint() != other.data_fingerprint() or not np.array_equal(*masks_of):
        raise UserError(
            f"{flag}: it has other data or masks than {run.path}; train both with the same data "
            "flags, --seed, --num_models, --masks and --pkeep"
        )
    mine, shadows = loaded.evidence, theirs.evidence
    judged = (mine.target_phi, mine.target_logits, mine.members)
    models, targets = theirs.models, loaded.targets
    if mine.targets is not None:
        # A target needs its counterpart, or leaving that out would not even the lists.
        rows = [row for row, target in enumerate(targets) if target in models]
        judged, targets = tuple(array[rows] for array in judged), [targets[row] for row in rows]
        if not targets:
            raise UserError(f"{flag}: the counterparts of all targets have diverged")
        shadows = dataclasses.replace(shadows, targets=np.array([models.index(t) for t in targets]))
    phi, logits, members = judged
    if phi.shape[2] != shadows.phi.shape[2]:
        progress.note(
            f"note: {run.path} and {other.path} have other queries; only the plain one is used"
        )
        phi, shadows = phi[:, :, :1], dataclasses.replace(shadows, phi=shadows.phi[:, :, :1])
    shadows = dataclasses.replace(
        shadows, outside_phi=phi, outside_logits=logits, outside_members=members
    )
    return Loaded(shadows, models, targets, theirs.examples)


def load_probe(
    run: directory.RunDirectory,
    name: str,
    loaded: Loaded,
    target_run: directory.RunDirectory | None = None,
) -> Evidence:
    """Loads what the same models, with the same targets, say of a set of probes, which none trained
    on.

    Args:
      run: the run directory, scored with --probes.
      name: of the probes.
      loaded: of the pool.
      target_run: of the targets, if they are no models of `run`; scored with the same probes.

    Raises:
      UserError: a dump is missing or damaged.
    """
    labels = run.read(directory.labels_name(name), (None,))

    def read(source: directory.RunDirectory, models: list[int]) -> tuple[np.ndarray, np.ndarray]:
        phi = [source.read(directory.scores_name(m, name), (len(labels), None)) for m in models]
        logits = [source.read(directory.logits_name(m, name)) for m in models]
        return np.stack(phi), np.stack([a if a.ndim == 2 else a[:, 0] for a in logits])

    phi, logits = read(run, loaded.models)
    outside = (
        (None, None)
        if loaded.evidence.outside_phi is None
        else read(target_run or run, loaded.targets)
    )
    return Evidence(
        labels, np.zeros(phi.shape[:2], bool), phi, logits, loaded.evidence.targets, *outside
    )
