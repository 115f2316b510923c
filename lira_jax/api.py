"""An audit in one call, and what is saved of a run as arrays."""

import dataclasses
import os
import pathlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from lira_jax.attacks import selection
from lira_jax.attacks.shared.signals import Signals
from lira_jax.audit.results import Results
from lira_jax.audit.run import audit_run
from lira_jax.audit.sequence import Request
from lira_jax.data import dataset as datasets
from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import FIELDS, Experiment, check_named
from lira_jax.report.write import write_page
from lira_jax.runs import files
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import load_evidence, saved_signals
from lira_jax.runs.layout import DATA, KEEP, POOL, RESULTS
from lira_jax.runs.restricted import without_reference

if TYPE_CHECKING:  # so that the package is imported without waiting for JAX
    from lira_jax.models.network import Network

_ARRAYS = ("x", "y", "x_test", "y_test")
"""What is saved of a data set that was given as arrays."""

_QUERIES = {"none": 1, "mirror": 2}
"""Augmentation in training -> queries that help the attack; 18 of those that shift too."""


def audit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    workdir: str | os.PathLike,
    x_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
    attacks: str = "fast",
    page: bool = True,
    **settings: Any,
) -> Results:
    """Trains shadow models on random halves of the examples, and attacks each with the others.

    It makes the same run directory as the commands, which go on with it too. Called again, it goes
    on where it was interrupted; what is finished is not done again, but for the attacks.

    >>> import tempfile
    >>> import numpy as np
    >>> import lira_jax
    >>> generator = np.random.default_rng(0)
    >>> x, y = generator.normal(size=(120, 8)), generator.integers(0, 2, 120)
    >>> workdir = tempfile.mkdtemp() + "/run"
    >>> recipe = {"model": "mlp", "hidden": (32,), "num_models": 8, "epochs": 100}
    >>> results = lira_jax.audit(x, y, workdir=workdir, attacks="loss", page=False, **recipe)
    >>> results.attacks["loss"].metrics["auc"].value > 0.6  # random labels can only be memorised
    True
    >>> lira_jax.open_run(workdir).signals["phi"].shape  # [models, examples, queries]
    (8, 120, 1)

    Args:
      x: images [examples, height, width, channels] or features [examples, D], whole numbers or
        floats. Each example is in the training sets of about half of the models.
      y: labels [examples], whole numbers from 0, or words.
      workdir: folder of the run, a new one or that of an earlier call.
      x_test, y_test: examples that no model trains on, for accuracy alone.
      attacks: names, comma separated; "fast", or "all".
      page: also write report/index.html.
      **settings: fields of `Experiment`, such as model="cnn", num_models=64, epochs=30. The queries
        follow the augmentation if they are not given.

    Returns:
      What results.json holds.

    Raises:
      UserError: naming what is wrong and how to mend it.
    """
    from lira_jax.ensemble import start
    from lira_jax.signals.epochs import EpochScorer
    from lira_jax.signals.score import score_models
    from lira_jax.training import loop

    names = selection.named(attacks)
    run = RunDirectory(workdir)
    data = (run.path / DATA).absolute()
    given = Dataset(x, y, x_test, y_test)
    dataset = datasets.check(given, "x and y")
    asked, same = _experiment(settings, data, dataset), datasets.fingerprint(dataset)
    with start.usual_settings():
        experiment, network, pool, keep = _begin(run, asked, settings, given, same, data)
        ids = range(experiment.num_models)
        score = EpochScorer(experiment, network, pool, run) if experiment.score_epochs else None
        loop.train(experiment, network, pool, keep, run, ids, score=score)
        score_models(experiment, network, pool, run, ids)
    request = Request(names, skip_failures=attacks in ("all", "fast"))
    loaded = without_reference(load_evidence(run, experiment, "all"), run)
    results = audit_run(loaded, request, run, run=run)
    if page and results.attacks:
        write_page(run, pool)
    return results


def _begin(
    run: RunDirectory,
    asked: Experiment,
    settings: Collection[str],
    given: Dataset,
    fingerprint: str,
    data: pathlib.Path,
) -> tuple[Experiment, "Network", Dataset, np.ndarray]:
    """Agrees on the run, checks that it can be trained, and stores it.

    Args:
      asked: the experiment of the settings, which are named too.
      given: the arrays as they were given, which go to the file `data`.
      fingerprint: of the data set that they are.

    Returns:
      The experiment, its network, the data as they are trained on, and the masks.

    Raises:
      UserError: it cannot be trained; nothing is left behind then.
    """
    from lira_jax.training import setup

    written = False
    with run.settling(asked, {*settings, "dataset"}) as experiment:
        check_named(experiment, settings, f"the run in {run.path}")
        runs = [(run, experiment)]
        try:
            if not data.exists():
                _save(given, data)
                written = True
            pool, keep, [network] = setup.check(runs)
            if not written and datasets.fingerprint(_read(data)) != fingerprint:
                raise UserError(
                    f"workdir={run.path}: it was begun with other x and y; give another"
                )
            ((_, experiment),) = setup.store(runs, pool, keep, [network])
        except BaseException:
            if written and not run.has_experiment():
                data.unlink(missing_ok=True)
            raise
    return experiment, network, pool, keep


@dataclasses.dataclass(frozen=True)
class Run:
    """What is saved of a run.

    Attributes:
      path: the run directory.
      experiment: its settings.
      labels: int32 [examples].
      keep: bool [models, examples], true where a model trained on an example.
      signals: name -> float32 [models, examples, ...], read when it is first asked for: phi
        [models, examples, queries], logits [models, examples, classes], and what is derived from
        them, such as confidence and hinge.
      diverged: model -> why attacks leave it out, such as outputs that are no numbers.
      learned_nothing: model -> how little; these models are attacked like the others.
      results: what lira-attack has found; None before.
    """

    path: pathlib.Path
    experiment: Experiment
    labels: np.ndarray
    keep: np.ndarray
    signals: Signals
    diverged: dict[int, str]
    learned_nothing: dict[int, str]
    results: Results | None


def open_run(workdir: str | os.PathLike) -> Run:
    """What is saved of a run that was trained and scored, by `audit` or by the commands.

    Raises:
      UserError: there is no run, it is not scored, or a file is damaged.
    """
    run = RunDirectory(workdir)
    experiment = run.read_experiment()
    run.check_whole()
    labels, found = run.read(POOL.labels, (None,)), run.diagnoses()
    return Run(
        run.path,
        experiment,
        labels,
        run.read(KEEP, (experiment.num_models, len(labels))),
        saved_signals(run, POOL, list(range(experiment.num_models)), labels),
        {m: d.diverged for m, d in found.items() if d.diverged},
        {m: d.learned_nothing for m, d in found.items() if d.learned_nothing},
        Results.read(run.path) if (run.path / RESULTS).exists() else None,
    )


def _experiment(settings: dict[str, Any], data: pathlib.Path, dataset: Dataset) -> Experiment:
    own = ("dataset", "data_path", "data_dir", "splits", "test_splits", "target_recipe")
    for name in settings:
        if name not in FIELDS or name in own:
            raise bad_choice("setting", name, [n for n in FIELDS if n not in own])
    for name, value in settings.items():
        default = FIELDS[name].default
        if isinstance(default, tuple) and isinstance(value, (list, tuple)):
            settings[name] = value = tuple(value)
        fits = isinstance(value, (int, float) if isinstance(default, float) else type(default))
        if not fits or (isinstance(value, bool) and not isinstance(default, bool)):
            raise UserError(f"{name}={value!r}: give a value of type {type(default).__name__}")
    if "masks" in settings:
        settings["masks"] = masks.absolute(settings["masks"])
        if settings["masks"] == masks.OFFICIAL:
            raise UserError(
                f"masks={masks.OFFICIAL}: models of one training set are no shadows of one "
                "another; use lira-train and lira-attack --protocol=known, or other masks"
            )
    if "queries" not in settings:
        settings["queries"] = _QUERIES.get(settings.get("augment", "none"), 18)
    return Experiment(dataset="npz", data_path=str(data), **settings)


def _save(dataset: Dataset, path: pathlib.Path) -> None:
    """Saves arrays as they were given: float32 may not tell all examples apart."""
    given = {name: getattr(dataset, name) for name in _ARRAYS}
    saved: dict[str, Any] = {
        name: datasets.as_array(name, a) for name, a in given.items() if a is not None
    }
    with files.replacing(path) as file:
        np.savez(file, **saved)


def _read(path: pathlib.Path) -> Dataset:
    with np.load(path, allow_pickle=False) as file:
        arrays: dict[str, Any] = {n: file[n] if n in file.files else None for n in _ARRAYS}
    return datasets.check(Dataset(**arrays))
