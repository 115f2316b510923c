"""Outliers put into the pool before training sets are drawn, to see how exposed they are.

Carlini et al. 2022, section VII-B: examples with wrong labels and examples of another data set are
far more exposed than those of the pool.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from lira_jax.data import probes
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError

RANDOM_LABELS = "random_labels"
POOL = "pool"

_STREAM = 0x6F75746C  # sets these random numbers apart from other uses of the same seed


def names(outliers_from: str) -> list[str]:
    """What the numbers in sources.npy mean, in their order: "pool", then each kind of outliers.

    Paths are without their folders, if that tells them apart.
    """
    kinds = _kinds(outliers_from)
    parts = [kind.partition(":") for kind in kinds]
    short = [
        kind if name == "tfds" else name + colon + pathlib.PurePath(path).name
        for kind, (name, colon, path) in zip(kinds, parts, strict=True)
    ]
    return [POOL, *(short if len(set(short)) == len(short) else kinds)]


def _kinds(outliers_from: str) -> list[str]:
    return [kind for part in outliers_from.split(",") if (kind := part.strip())]


def inject(
    dataset: Dataset, count: int, outliers_from: str, seed: int, read: Callable[[str], Dataset]
) -> Dataset:
    """Replaces random examples of the pool by outliers, so that its size stays as it is.

    Args:
      dataset: the pool; its test set is left alone.
      count: outliers of each kind; 0 for none.
      outliers_from: kinds, comma separated: random_labels (the examples stay, with a label drawn
        from the wrong ones), or data sets for `read`, made to fit as `probes.fitted` does.
      seed: of which examples are replaced and by what.
      read: reads a data set by its description.

    Returns:
      The data set, with `sources`.

    Raises:
      UserError: there are not that many examples, or a data set cannot be read or made to fit.
    """
    if not count:
        return dataset
    generator = np.random.default_rng([seed, _STREAM])
    kinds = _kinds(outliers_from)
    if count * len(kinds) > len(dataset.y):
        raise UserError(
            f"--outliers={count}: {len(kinds)} x {count} outliers do not fit in {len(dataset.y)} "
            "examples"
        )
    x, y, sources = dataset.x.copy(), dataset.y.copy(), np.zeros(len(dataset.y), np.int8)
    places = generator.permutation(len(y))[: count * len(kinds)].reshape(len(kinds), count)
    for number, (kind, place) in enumerate(zip(kinds, places, strict=True), start=1):
        sources[place] = number
        if kind == RANDOM_LABELS:
            y[place] = (
                y[place] + generator.integers(1, dataset.num_classes, count)
            ) % dataset.num_classes
            continue
        try:
            other = probes.fitted(kind, dataset, seed, read)
        except UserError as error:
            raise UserError(f"--outliers_from={error}") from None
        if len(other.y) < count:
            raise UserError(f"--outliers={count}: {kind} has only {len(other.y)} examples")
        chosen = generator.choice(len(other.y), count, replace=False)
        x[place], y[place] = other.x[chosen], other.y[chosen]
    return dataclasses.replace(dataset, x=x, y=y, sources=sources)
