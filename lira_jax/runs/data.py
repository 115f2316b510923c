"""The data set of a run, in the order in which its masks, labels and scores have the examples."""

import functools
from collections.abc import Sequence

from lira_jax.data import dataset as dataset_lib
from lira_jax.data.dataset import Dataset
from lira_jax.experiment import Experiment
from lira_jax.runs.directory import RunDirectory


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
    dataset = read(e)
    settle(dataset, e, [run, *also])
    return dataset


def read(e: Experiment) -> Dataset:
    """Reads the data set of an experiment, with its outliers.

    Raises:
      UserError: the data cannot be read.
    """
    from lira_jax.data import (
        load,  # here, so that --help need not wait for scikit-learn
        outliers,
    )

    dataset = load.load(
        e.dataset,
        e.data_path,
        num_examples=e.num_examples,
        drop_duplicates=e.drop_duplicates,
        seed=e.seed,
        data_dir=e.data_dir,
        splits=e.splits,
        test_splits=e.test_splits,
    )
    spec = functools.partial(load.load_spec, data_dir=e.data_dir)
    return outliers.inject(dataset, e.outliers, e.outliers_from, e.seed, spec)


def settle(dataset: Dataset, e: Experiment, runs: Sequence[RunDirectory]) -> None:
    """Enters the data in run directories, or checks them against those entered before.

    Raises:
      UserError: the data have changed.
    """
    source = f"--dataset={e.dataset}" + (f" --data_path={e.data_path}" if e.data_path else "")
    fingerprint = dataset_lib.fingerprint(dataset)
    for directory in runs:
        directory.settle_data(fingerprint, source)
