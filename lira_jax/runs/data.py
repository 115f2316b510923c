"""The data set of a run, in the order in which its masks, labels and scores have the examples."""

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lira_jax.data import dataset as dataset_lib
from lira_jax.data import masks, summary
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import DATA_PLACES, Data, Experiment
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import DATA, KEEP, POOL, REFERENCE, SOURCES
from lira_jax.runs.layout import probes as probes_view

if TYPE_CHECKING:  # commands that read start without waiting for JAX
    from lira_jax.data.normalize import Normalizer


def load_data(
    run: RunDirectory, experiment: Experiment | None = None, also: Sequence[RunDirectory] = ()
) -> Dataset:
    """Loads the run's data set, checked to be the one the run began with.

    Args:
      run: the run directory.
      experiment: of the run; read from there by default.
      also: other run directories, begun with the same data.

    Raises:
      UserError: there is no run, the data cannot be read, or they have changed.
    """
    e = experiment or run.read_experiment()
    dataset = read(e, run)
    settle(dataset, e, [run, *also])
    return dataset


def _where_they_are(e: Experiment, run: RunDirectory) -> Experiment:
    """The experiment, with the arrays inside a run directory that was moved as a whole.

    Raises:
      UserError: the data were moved elsewhere.
    """
    begun = run.data_fingerprint() is not None
    for spec in e.outliers_from.split(",") if begun else ():
        name, _, path = spec.partition(":")
        if path and name.strip() != "tfds" and not os.path.exists(os.path.expanduser(path)):
            raise UserError(
                f"--outliers_from={spec}: no such file or folder; if the data were moved, give "
                "--outliers_from=NEW, with all its kinds in their order"
            )
    if not begun or not e.data_path or os.path.exists(os.path.expanduser(e.data_path)):
        return e
    if pathlib.Path(e.data_path).name == DATA and (run.path / DATA).exists():
        return dataclasses.replace(e, data_path=str(run.path / DATA))
    raise UserError(
        f"--data_path={e.data_path}: no such file or folder; if the data were moved, give "
        "--data_path=NEW"
    )


def read(e: Experiment, run: RunDirectory) -> Dataset:
    """Reads the data set of an experiment, with its outliers.

    Args:
      run: the run directory of the experiment, begun or not.

    Raises:
      UserError: the data cannot be read.
    """
    e = _where_they_are(e, run)
    if _kept is None:
        return _read(e)
    names = (field.name for field in dataclasses.fields(Data) if field.name != "normalize")
    settings = tuple(getattr(e, name) for name in names)
    if settings not in _kept:
        _kept.clear()
        _kept[settings] = _read(e)
    return _kept[settings]


_kept: dict[tuple, Dataset] | None = None


@contextlib.contextmanager
def reading_once() -> Iterator[None]:
    """In the block, data are read, and remarks on them made, once and not in each stage."""
    global _kept
    _kept = {}
    try:
        yield
    finally:
        _kept = None


def _read(e: Experiment) -> Dataset:
    from lira_jax.data import (
        load,  # here, so that --help need not wait for scikit-learn
        outliers,
    )
    from lira_jax.data.readers import text

    dataset = load.load(
        e.dataset,
        e.data_path,
        num_examples=e.num_examples,
        drop_duplicates=e.drop_duplicates,
        seed=e.seed,
        data_dir=e.data_dir,
        splits=e.splits,
        test_splits=e.test_splits,
        as_tokens=text.Settings(e.unit, e.tokenizer, e.context),
        image_size=e.image_size,
        with_test=e.masks == masks.OFFICIAL,
    )
    spec = functools.partial(load.load_spec, data_dir=e.data_dir)
    return outliers.inject(dataset, e.outliers, e.outliers_from, e.seed, spec, e.outliers_mode)


def sources(run: RunDirectory) -> tuple[np.ndarray, list[str]] | None:
    """Where each example of the pool comes from, int8 [examples], and what the numbers mean.

    Returns:
      None if no outliers were put into the pool.

    Raises:
      UserError: the dump is damaged.
    """
    if not run.has(SOURCES):
        return None
    from lira_jax.data import outliers  # here, as above

    return run.read(SOURCES, (None,)), outliers.names(run.read_experiment().outliers_from)


def read_probes(e: Experiment, dataset: Dataset, normalizer: "Normalizer") -> dict[str, Dataset]:
    """The probes of an experiment by name.

    Args:
      dataset: of the run.
      normalizer: of its pool.

    Raises:
      UserError: one cannot be read, or cannot be made to fit.
    """
    from lira_jax.data import load, probes  # here, as above

    read = functools.partial(load.load_spec, data_dir=e.data_dir)
    sets = {}
    for name, spec in probes.parse(e.probes).items():
        try:
            sets[name] = probes.make(spec, dataset, normalizer, e.seed, read)
        except UserError as error:
            raise UserError(f"--probes={error}") from None
    return sets


def settle_probes(e: Experiment, sets: Mapping[str, Dataset], runs: Sequence[RunDirectory]) -> None:
    """Enters probes in run directories, with their labels.

    Args:
      sets: as `read_probes` gives them.

    Raises:
      UserError: probes of one name have been scored before that are others.
    """
    from lira_jax.data import probes

    specs = probes.parse(e.probes)
    found = {name: dataset_lib.fingerprint(examples) for name, examples in sets.items()}
    for run in runs:
        for name in sets:
            run.check_data(found[name], f"--probes={specs[name]}", f"probes/{name}")
    for run in runs:
        for name, examples in sets.items():
            run.settle_data(found[name], f"--probes={specs[name]}", f"probes/{name}")
            run.write_once(probes_view(name).labels, examples.y)


def check(dataset: Dataset, e: Experiment, runs: Sequence[RunDirectory]) -> None:
    """Checks data against what run directories began with; nothing is written.

    Raises:
      UserError: the data have changed.
    """
    fingerprint = dataset_lib.fingerprint(dataset)
    for directory in runs:
        directory.check_data(fingerprint, _source(e))


def settle(dataset: Dataset, e: Experiment, runs: Sequence[RunDirectory]) -> None:
    """Enters the data in run directories, or does as `check`.

    Raises:
      UserError: as `check`.
    """
    fingerprint, about = dataset_lib.fingerprint(dataset), summary.facts(dataset)
    for directory in runs:
        directory.settle_data(fingerprint, _source(e), about=about)


def _source(e: Experiment) -> str:
    return f"--dataset={e.dataset}" + (f" --data_path={e.data_path}" if e.data_path else "")


def moved(run: RunDirectory, e: Experiment) -> bool:
    """Whether an experiment has the data in another place than the one that the run has stored."""
    stored = run.read_experiment() if run.has_experiment() else e
    return any(getattr(stored, n) != getattr(e, n) for n in DATA_PLACES)


def line(run: RunDirectory, dataset: Dataset | None = None) -> str:
    """One line on the data of a run that has begun.

    Args:
      run: the run directory.
      dataset: the data, if they are at hand; else it tells what the run has stored of them.

    Raises:
      UserError: labels or masks are missing or damaged.
    """
    labels = run.read(POOL.labels, (None,))
    keep = run.read(KEEP, (None, len(labels)))
    known = run.about_data() if dataset is None else summary.facts(dataset)
    return summary.line(known or summary.facts_of_labels(labels), keep)


def reference(run: RunDirectory, num_examples: int | None = None) -> np.ndarray | None:
    """The non-members that a defender keeps apart (--reference), bool [examples]; None if none.

    Raises:
      UserError: they are damaged, or of another number of examples; None stands for any.
    """
    return run.read(REFERENCE, (num_examples,)) if run.has(REFERENCE) else None
