"""Evidence about some of the pool's examples, and of shadow models that trained on others."""

import dataclasses

import numpy as np

from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.errors import UserError
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded, load_evidence
from lira_jax.runs.layout import KEEP, POOL, View


def without_reference(loaded: Loaded, run: RunDirectory) -> Loaded:
    """The same, not about the non-members that a defence has kept apart (--reference)."""
    apart = run_data.reference(run)
    return loaded if apart is None else about(loaded, ~apart, "--reference")


def about(loaded: Loaded, which: np.ndarray, flag: str) -> Loaded:
    """The same, about some of the examples. Attacks that learn do so from these too, unless they
    have others already.

    Args:
      which: bool [examples of the pool].
      flag: that says so, for messages.

    Raises:
      UserError: none of them is attacked.
    """
    before = np.ones(len(which), bool) if loaded.examples is None else loaded.examples
    if not (before & which).any():
        raise UserError(f"{flag}: none of its examples is attacked")
    part = loaded.evidence.select(which[before])
    return dataclasses.replace(loaded, evidence=part, examples=before & which)


def learning_from(loaded: Loaded, known: np.ndarray, flag: str) -> Loaded:
    """The same, where attacks that learn do so from other examples than those that are judged.

    Args:
      known: bool [examples of the pool], of which the attacker knows on which of his shadow models
        they are members.
      flag: that says so, for messages.

    Raises:
      UserError: attacks learn from examples of their own already (disjoint masks).
    """
    evidence = loaded.evidence
    if evidence.attack_training is not None or loaded.examples is not None:
        raise UserError(f"{flag}: with disjoint masks the shadow models' half is learned from")
    learned = dataclasses.replace(evidence, targets=Inside(np.arange(len(loaded.models))))
    evidence = dataclasses.replace(evidence, attack_training=learned.select(known))
    return dataclasses.replace(loaded, evidence=evidence, learned=known)


def with_shadows_on_others(
    other: RunDirectory,
    run: RunDirectory,
    loaded: Loaded,
    judged: np.ndarray,
    known: np.ndarray,
    *,
    view: View = POOL,
    quiet: bool = False,
) -> Loaded:
    """The same targets, attacked with the models of a run that trained on other examples.

    Song and Mittal 2021 and Hintersdorf et al. 2022: the shadow models have members and non-members
    of their own, of the same data set.

    Args:
      other: the run of the shadow models, scored.
      run: the run of the targets.
      loaded: of the run of the targets.
      judged: bool [examples of the pool], those that are attacked.
      known: bool [examples of the pool], those that attacks learn from.
      view: where the shadow models' outputs are.
      quiet: no notes on models that have diverged or learned nothing.

    Raises:
      UserError: the data differ, or a shadow model trained on an example that is judged.
    """
    flag = f"--shadows={other.path}"
    if run.data_fingerprint() != other.data_fingerprint():
        raise UserError(
            f"{flag}: it has other data than {run.path}; train both with the same data flags"
        )
    stop_at = loaded.stop_at
    theirs = load_evidence(
        other, other.read_experiment(), "all", stop_at=stop_at, view=view, quiet=quiet
    )
    shadows = theirs.evidence
    members = shadows.keep[:, judged].sum(1)
    if members.any():
        worst = int(members.argmax())
        raise UserError(
            f"{flag}: its model {theirs.models[worst]} trained on {members[worst]} of the "
            f"{judged.sum()} examples that are judged; name others by --examples, or shadow models "
            "that trained on others"
        )
    ids = np.array([int(target) for target in loaded.targets])
    outputs = loaded.evidence.targets.apart(loaded.evidence.signals).outputs
    targets = Outside(outputs, run.read(KEEP)[ids]).queries(slice(1))  # the queries may differ
    shadows = dataclasses.replace(shadows, signals=shadows.signals.plain())
    learned = dataclasses.replace(shadows, targets=Inside(np.arange(len(theirs.models))))
    evidence = dataclasses.replace(shadows, targets=targets, attack_training=learned.select(known))
    return Loaded(
        evidence.select(judged),
        theirs.models,
        loaded.targets,
        examples=judged,
        learned=known,
        stop_at=stop_at,
        epochs=loaded.epochs,
        release=loaded.release,
        naive=bool(loaded.release) and view == POOL,
    )
