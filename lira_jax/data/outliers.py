"""Outliers put into the pool before training sets are drawn, to see how exposed they are.

Carlini et al. 2022, Membership Inference Attacks From First Principles, section VII-B and figure 13
(https://arxiv.org/abs/2112.03570): examples with wrong labels and examples of another data set are
far more exposed than those of the pool. Each of them is in as many models as any other example.
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
    dataset: Dataset,
    count: int,
    outliers_from: str,
    seed: int,
    read: Callable[[str], Dataset],
    mode: str = "replace",
) -> Dataset:
    """Puts outliers into the pool.

    Args:
      dataset: the pool and its test set.
      count: outliers of each kind; 0 for none.
      outliers_from: kinds, comma separated: random_labels (with a label drawn from the wrong ones),
        or data sets for `read`, made to fit as `probes.fitted` does.
      seed: of which examples are replaced and by what.
      read: reads a data set by its description.
      mode: "replace": outliers take the places of random examples, and the pool's size stays as it
        is; random_labels are examples of the pool, and the test set is left alone. "insert", as the
        paper does: outliers come after the pool's own examples, kind by kind; random_labels are
        examples of the test set, which loses them.

    Returns:
      The data set, with `sources`.

    Raises:
      UserError: there are not that many examples, or a data set cannot be read or made to fit.
    """
    if not count:
        return dataset
    if dataset.is_text:
        raise UserError(
            f"--outliers={count}: text has none yet; write the texts into the file, and look at "
            "their lines in exposure.npy"
        )
    generator = np.random.default_rng([seed, _STREAM])
    if mode == "insert":
        return _inserted(dataset, count, _kinds(outliers_from), seed, generator, read)
    return _replaced(dataset, count, _kinds(outliers_from), seed, generator, read)


def _replaced(
    dataset: Dataset,
    count: int,
    kinds: list[str],
    seed: int,
    generator: np.random.Generator,
    read: Callable[[str], Dataset],
) -> Dataset:
    """The pool with random examples replaced by outliers of each kind."""
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
            y[place] = _wrong(y[place], dataset.num_classes, generator)
        else:
            x[place], y[place] = _foreign(dataset, count, kind, seed, generator, read)
    return dataclasses.replace(dataset, x=x, y=y, sources=sources)


def _inserted(
    dataset: Dataset,
    count: int,
    kinds: list[str],
    seed: int,
    generator: np.random.Generator,
    read: Callable[[str], Dataset],
) -> Dataset:
    """The pool with outliers of each kind after its own examples."""
    pool, x, y = dataset, [dataset.x], [dataset.y]
    for kind in kinds:
        if kind == RANDOM_LABELS:
            pool, more_x, more_y = _mislabelled(pool, count, generator)
        else:
            more_x, more_y = _foreign(dataset, count, kind, seed, generator, read)
        x.append(more_x)
        y.append(more_y)
    sources = np.repeat(np.arange(len(y)), [len(part) for part in y]).astype(np.int8)
    return dataclasses.replace(pool, x=np.concatenate(x), y=np.concatenate(y), sources=sources)


def _wrong(labels: np.ndarray, num_classes: int, generator: np.random.Generator) -> np.ndarray:
    """Labels, each drawn uniformly from the others."""
    return (labels + generator.integers(1, num_classes, len(labels))) % num_classes


def _mislabelled(
    pool: Dataset, count: int, generator: np.random.Generator
) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Examples of the test set with wrong labels, and the data set without them there."""
    if pool.x_test is None or pool.y_test is None:
        raise UserError(
            f"--outliers_from={RANDOM_LABELS}: --outliers_mode=insert takes them from the test "
            "set, and the data have none; add one (x_test, y_test), or take --outliers_mode=replace"
        )
    if count >= len(pool.y_test):
        raise UserError(
            f"--outliers={count}: {RANDOM_LABELS} are taken from the test set, which has only "
            f"{len(pool.y_test)} examples and must keep one"
        )
    chosen = generator.choice(len(pool.y_test), count, replace=False)
    rest = np.setdiff1d(np.arange(len(pool.y_test)), chosen)
    left = dataclasses.replace(pool, x_test=pool.x_test[rest], y_test=pool.y_test[rest])
    labels = _wrong(pool.y_test[chosen], pool.num_classes, generator)
    return left, pool.x_test[chosen], labels.astype(pool.y.dtype)


def _foreign(
    dataset: Dataset,
    count: int,
    kind: str,
    seed: int,
    generator: np.random.Generator,
    read: Callable[[str], Dataset],
) -> tuple[np.ndarray, np.ndarray]:
    """Random examples of another data set, and their labels."""
    try:
        other = probes.fitted(kind, dataset, seed, read)
    except UserError as error:
        raise UserError(f"--outliers_from={error}") from None
    if len(other.y) < count:
        raise UserError(f"--outliers={count}: {kind} has only {len(other.y)} examples")
    chosen = generator.choice(len(other.y), count, replace=False)
    return other.x[chosen], other.y[chosen]
