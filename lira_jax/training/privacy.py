"""What a run with --defence=dp_sgd proves: settled, printed and stored when training begins."""

import dataclasses
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.defences import accounting
from lira_jax.defences import table as defences
from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.models import recipe
from lira_jax.runs.directory import RunDirectory


def settle(experiment: Experiment, keep: np.ndarray, *, begun: bool) -> Experiment:
    """The experiment as it is stored: with the noise that --dp_epsilon chooses.

    Args:
      keep: bool [models, examples]; the bound is for the model with the fewest members.
      begun: whether the run has its noise already.

    Raises:
      UserError: batches are larger than the number of members, noise is given too, or
        dp-accounting is not installed.
    """
    e, (fewest, steps) = experiment, _size(experiment, keep)
    if "dp_sgd" not in defences.parse(e.defence):
        return e
    if e.batch_size > fewest:
        raise UserError(
            f"--batch_size={e.batch_size}: the smallest training set has {fewest} members; give at "
            "most as many"
        )
    if begun or not e.dp_epsilon:
        return e
    if e.dp_noise != FIELDS["dp_noise"].default:
        raise UserError(
            f"--dp_noise={e.dp_noise:g}: --dp_epsilon={e.dp_epsilon:g} chooses it; drop one of them"
        )
    noise = accounting.noise_for(e, fewest, steps)
    progress.note(f"--dp_epsilon={e.dp_epsilon:g} takes --dp_noise={noise:g}")
    return dataclasses.replace(e, dp_noise=noise)


def store(run: RunDirectory, experiment: Experiment, keep: np.ndarray) -> None:
    """Writes privacy.json, and says what is in it, unless that is done already."""
    known = run.read_privacy()
    if "dp_sgd" not in defences.parse(experiment.defence) or (known and known["epsilon"]):
        return
    if known and not accounting.version():
        return
    found = accounting.epsilon(defences.effective(experiment), *_size(experiment, keep))
    run.write_privacy(found)
    progress.note(line(found))


def line(found: dict[str, Any]) -> str:
    """What is proved, in a line.

    Args:
      found: what `accounting.epsilon` gives.
    """
    how = f"{found['batches']} batches, noise {found['noise']:g}, clip {found['clip']:g}"
    if found["epsilon"] is None:
        return f"dp_sgd ({how}): no epsilon, for {found['why']}"
    text = f"dp_sgd ({how}): epsilon {found['epsilon']:.4g} at delta {found['delta']:g}"
    if found.get("epsilon_as_poisson"):
        text += (
            f" by epochs alone; {found['epsilon_as_poisson']:.4g} if the batches were Poisson's, "
            "which is not proved for shuffled ones"
        )
    return text


def _size(e: Experiment, keep: np.ndarray) -> tuple[int, int]:
    """The fewest members of any model, and the steps of a training."""
    return int(keep.sum(1).min()), e.epochs * recipe.steps_per_epoch(e, keep.shape[1])
