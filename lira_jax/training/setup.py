"""What must hold before a run is stored: data that can be read, masks, models that train."""

import contextlib
import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from lira_jax import progress
from lira_jax.data import examples, masks, normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.text import facts
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL, REFERENCE, SOURCES, fact
from lira_jax.training import event_files

if TYPE_CHECKING:  # commands look at their flags without waiting for JAX
    from lira_jax.models.network import Network

Runs = list[tuple[RunDirectory, Experiment]]
"""The run and its experiment, and after it those of its targets, if another recipe trains them."""


def check(
    runs: Runs, about_targets: AbstractContextManager | None = None
) -> tuple[Dataset, np.ndarray, list["Network"]]:
    """Checks that the models of a run, and its targets, can be trained. Nothing is stored.

    Args:
      runs: what is to be trained.
      about_targets: a context in which errors are about the targets' recipe.

    Returns:
      The data; the masks, bool [models, examples], drawn if there are none yet; and the networks
      of the models and of the targets, if there are any, with the user's own code's fingerprints.

    Raises:
      UserError: naming the flag.
    """
    run, experiment = runs[0]
    if experiment.tensorboard:
        event_files.check_installed()
    dataset = run_data.read(experiment, run)
    run_data.check(dataset, experiment, [run for run, _ in runs])
    runs = _with_share(runs, dataset)
    experiment = runs[0][1]
    shape = (experiment.num_models, len(dataset.y))
    if run.has(KEEP):
        keep = run.read(KEEP, shape)
        masks.check_same(experiment.masks, keep)
    else:
        keep = masks.draw(experiment.masks, *shape, pkeep=experiment.pkeep, seed=experiment.seed)
    for one, e in runs:
        reference(one, e, keep)

    from lira_jax.ensemble import start  # after the cheap checks
    from lira_jax.models import fingerprint, recipe
    from lira_jax.training import loop

    start.check_devices()
    normalizer = normalize.fit(dataset.x, _scaling(run, experiment, dataset)[0])

    def network(run: RunDirectory, e: Experiment) -> "Network":
        checked = loop.check(e, dataset, normalizer)
        code = fingerprint.of(e, dataset)
        run.check_code(code, recipe.flag(e))
        return dataclasses.replace(checked, code=code)

    networks = [network(*runs[0])]
    with about_targets or contextlib.nullcontext():
        networks += [network(*other) for other in runs[1:]]
    return dataset, keep, networks


def store(runs: Runs, dataset: Dataset, keep: np.ndarray, networks: Sequence["Network"]) -> Runs:
    """Stores what `check` has found: experiments, identities of data and code, labels and masks.

    Returns:
      The runs, with the experiments as they are stored: --normalize=auto is replaced by what it
      stands for, and --pkeep by the share of the official training set, with official masks.

    Raises:
      UserError: the data or the code are not those that a run began with.
    """
    from lira_jax.models import recipe
    from lira_jax.training import privacy

    runs = _with_share(runs, dataset)
    kind, seen = _scaling(*runs[0], dataset)
    if seen:
        progress.note(f"--normalize=auto is {kind} {seen}")
    elif not runs[0][0].has(KEEP) and (doubt := normalize.doubt(dataset.x, kind)):
        progress.note(f"note: {doubt}")
    runs = [
        (run, privacy.settle(dataclasses.replace(e, normalize=kind), keep, begun=run.has(KEEP)))
        for run, e in runs
    ]
    run_data.check(dataset, runs[0][1], [run for run, _ in runs])
    for run, experiment in runs:
        run.store_experiment(experiment)
    run_data.settle(dataset, runs[0][1], [run for run, _ in runs])
    for (run, e), network in zip(runs, networks, strict=True):
        run.settle_code(network.code, recipe.flag(e))
        run.write_once(POOL.labels, dataset.y)
        run.write_once(KEEP, keep)
        run.settle_identity(e)
        if dataset.sources is not None:
            run.write_once(SOURCES, dataset.sources)
        if dataset.is_text and not run.facts():
            for name, values in facts.of(dataset).items():
                run.write_once(fact(name), values)
        if (apart := reference(run, e, keep)) is not None:
            run.write_once(REFERENCE, apart)
        privacy.store(run, e, keep)
    return runs


def reference(run: RunDirectory, experiment: Experiment, keep: np.ndarray) -> np.ndarray | None:
    """The defender's own non-members, bool [examples]; None without --reference.

    A run that has begun has them itself, and its file may be gone.

    Raises:
      UserError: they cannot be read, or a model trains on one.
    """
    if not experiment.reference:
        return None
    if (stored := run_data.reference(run, keep.shape[1])) is not None:
        return stored
    flag = f"--reference={experiment.reference}"
    apart = examples.named(flag, experiment.reference, keep.shape[1])
    trained_on = keep[:, apart].sum(1)
    if trained_on.any():
        worst = int(trained_on.argmax())
        raise UserError(
            f"{flag}: model {worst} would train on {trained_on[worst]} of its {apart.sum()} "
            "examples; give masks that leave them out (--masks=file:PATH)"
        )
    if (apart | keep).all(1).any():
        raise UserError(f"{flag}: no non-member is left to attack; name fewer examples")
    return apart


def _with_share(runs: Runs, dataset: Dataset) -> Runs:
    """The runs, with --pkeep as official masks make it.

    Raises:
      UserError: it is given otherwise.
    """
    e = runs[0][1]
    share = masks.official_share(e.masks, e.pkeep, dataset.num_official, len(dataset.y))
    return [(run, dataclasses.replace(of, pkeep=share)) for run, of in runs]


def _scaling(run: RunDirectory, experiment: Experiment, dataset: Dataset) -> tuple[str, str]:
    """How inputs are scaled, and what was seen if auto chose that, which it does for a new run.

    A run that an earlier version has begun with auto goes on with what it meant then.
    """
    if experiment.normalize != "auto" or run.has(KEEP):
        return experiment.normalize, ""
    return normalize.choose(dataset.x)
