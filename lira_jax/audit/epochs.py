"""One attack on the models as they were after some epochs (Rezaei and Liu 2021, section 7.1)."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.audit.attacks import can_be_evaluated, run_attacks
from lira_jax.audit.results import EpochRow
from lira_jax.audit.shadow_targets import shadow_targets
from lira_jax.errors import UserError
from lira_jax.evaluation import loss_traces as traces_lib
from lira_jax.evaluation.loss_traces import FEWEST_EPOCHS, LossTraces
from lira_jax.runs.evidence import Loaded

LOGGED = tuple(
    f"{kind}_{what}" for what in ("accuracy", "loss") for kind in ("train", "out", "test")
)
"""Entries of metrics.jsonl that stand beside what an attack finds."""


def over_epochs(
    read: Callable[[int], Loaded],
    epochs: Sequence[int],
    attack: str,
    table: dict[str, Attack],
    logged: Mapping[tuple[int, int], Mapping[str, Any]],
) -> tuple[EpochRow, ...]:
    """Attacks the models after each of some epochs.

    Args:
      read: epoch -> what is attacked then.
      attack: its name; one for all epochs, so that none is chosen by what it finds.
      table: the attacks by name.
      logged: (model, epoch) -> a line of metrics.jsonl of the targets.

    Raises:
      UserError: the attack cannot be made at an epoch, or a dump is missing or damaged.
    """
    rows = []
    for epoch in progress.each("epochs", list(epochs), "epochs"):
        loaded = read(epoch)
        if not can_be_evaluated(loaded.evidence.members):
            raise UserError("the targets' membership is unknown, or the same of all examples")
        means: dict[str, Any] = logged_means(loaded.targets, epoch, logged)
        row = at_epoch(loaded.evidence, epoch, attack, table)
        rows.append(dataclasses.replace(row, **means))
    return tuple(rows)


def logged_means(
    targets: Sequence[int | str], epoch: int, logged: Mapping[tuple[int, int], Mapping[str, Any]]
) -> dict[str, float]:
    """Name of LOGGED -> mean over targets after an epoch; arguments as `over_epochs`."""
    lines = [logged.get((int(target), epoch), {}) for target in targets]
    return {name: _mean([line.get(name) for line in lines]) for name in LOGGED}


def at_epoch(evidence: Evidence, epoch: int, attack: str, table: dict[str, Attack]) -> EpochRow:
    """What an attack finds after one epoch, without what metrics.jsonl knows.

    Raises:
      UserError: the attack cannot be made.
    """
    found = run_attacks(
        evidence,
        table,
        [attack],
        lambda name, scores: None,
        skip_failures=False,
        shadows=shadow_targets(evidence),
    )[attack]
    wrong = math.nan
    members = evidence.members
    assert members is not None, "they are evaluated"
    if "logits" in evidence.signals:
        predicted = evidence.of_targets("logits").argmax(-1)
        wrong = float((members & (predicted != evidence.labels)).sum(1).mean())
    return EpochRow(
        **vars(found.row(attack)),
        epoch=epoch,
        correct=found.correct,
        misclassified=found.misclassified,
        groups=found.groups,
        misclassified_members=wrong,
    )


def traces(
    read: Callable[[int], Loaded], epochs: Sequence[int]
) -> tuple[LossTraces | None, np.ndarray | None]:
    """How well losses over epochs rank members by exposure, and LT-IQR [targets, examples].

    The exposure is that of the models after the last of the epochs.

    Returns:
      (None, None) where there are too few epochs; None first where the targets are no models whose
      shadows tell exposure.

    Raises:
      UserError: phi is not scored, or a dump is missing or damaged.
    """
    if len(epochs) < FEWEST_EPOCHS:
        return None, None
    found = []
    for epoch in progress.each("losses", list(epochs), "epochs"):
        evidence = read(epoch).evidence
        found.append(traces_lib.losses(evidence.of_targets("phi")[:, :, 0]))
    if len({array.shape for array in found}) > 1:
        progress.note("left out losses over epochs: a target has diverged in some")
        return None, None
    losses = np.stack(found)
    measured = None
    if isinstance(evidence.targets, Inside):
        try:
            measured = traces_lib.loss_traces(
                losses, evidence.targets.models, evidence.signals["phi"][:, :, 0], evidence.keep
            )
        except UserError as error:
            progress.note(f"left out the rankings by losses over epochs: {error}")
    return measured, traces_lib.lt_iqr(losses)


def _mean(values: Sequence[float | None]) -> float:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else math.nan
