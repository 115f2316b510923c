"""Probes: examples that are in nobody's training set and, most of them, unlike the pool.

An attack that calls them members raises false alarms: Hintersdorf et al. 2022, To Trust or Not To
Trust Prediction Scores for Membership Inference Attacks, section 4.2 and figure 3. The models score
them like the pool.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.errors import UserError

_STREAM = 0x70726F6265  # sets these random numbers apart from other uses of the same seed
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def parse(text: str) -> dict[str, str]:
    """Names and descriptions of the probes in a flag, such as "noise,npz:/data/svhn.npz".

    Returns:
      name -> description. A data set is called after its file, or after the set where there is no
      file.

    Raises:
      UserError: two probes have one name.
    """
    found: dict[str, str] = {}
    for spec in filter(None, (part.strip() for part in text.split(","))):
        name = re.sub(
            r"[^\w-]", "_", pathlib.PurePath(spec.partition(":")[2] or spec).name.split(".")[0]
        )
        if name in found:
            raise UserError(
                f"--probes={text}: {found[name]} and {spec} are both called {name}; rename a file"
            )
        found[name] = spec
    return found


def make(
    spec: str, pool: Dataset, normalizer: Normalizer, seed: int, read: Callable[[str], Dataset]
) -> Dataset:
    """One set of probes, shaped like the pool.

    Permuted and scaled probes are made of the test set, or of the pool where there is none: no
    model trained on an example in that form. Their labels are the source's; those of noise are
    random, for it has none.

    Args:
      spec: permuted, scaled or noise, made of the run's own data, or a data set for `read`.
      pool: the run's data.
      normalizer: the run's.
      seed: of permutation, noise and random labels.
      read: reads a data set by its description.

    Raises:
      UserError: the data set cannot be read, or cannot be made to fit.
    """
    if pool.is_text:
        raise UserError(f"{spec}: there are no probes for text; leave it out")
    generator = np.random.default_rng([seed, _STREAM])
    x, y = _unseen(pool)
    if spec == "permuted":
        x = permuted(x, generator)
    elif spec == "scaled":
        x = scaled(x, normalizer)
    elif spec == "noise":
        x, y = noise(pool.x, len(x), generator), random_labels(len(x), pool.num_classes, generator)
    else:
        return fitted(spec, pool, seed, read)
    return dataclasses.replace(pool, x=x, y=y, x_test=None, y_test=None)


def fitted(spec: str, pool: Dataset, seed: int, read: Callable[[str], Dataset]) -> Dataset:
    """Another data set (its test set, if it has one) made to fit the pool.

    Its labels are its own where it has no more classes than the pool, else random: they name other
    things than the pool's, but an attack that looks at labels needs some.

    Raises:
      UserError: it cannot be read, or holds features where the pool holds images, or other values.
    """
    try:
        other = read(spec)
        x, y = _unseen(other)
        x = fit(x, pool.x)
    except UserError as error:
        raise UserError(f"{spec}: {error}") from None
    if other.num_classes > pool.num_classes:
        y = random_labels(len(y), pool.num_classes, np.random.default_rng([seed, _STREAM]))
    return dataclasses.replace(pool, x=x, y=y, x_test=None, y_test=None)


def _unseen(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Examples and labels of the test set, or of the pool where there is none."""
    if dataset.x_test is None or dataset.y_test is None:
        return dataset.x, dataset.y
    return dataset.x_test, dataset.y_test


def fit(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Images resized (bilinear, smoothed where they shrink) and made grey or RGB, like others.

    Args:
      x: [M, h, w, c], or [M, D], which must be alike already.
      like: [N, H, W, C] or [N, D].

    Returns:
      [M, H, W, C] or [M, D], of the type of `like`.

    Raises:
      UserError: they cannot be made alike.
    """
    if x.dtype != like.dtype:
        raise UserError(f"its values are {x.dtype}, the run's {like.dtype}; save both on one scale")
    if x.shape[1:] == like.shape[1:]:
        return x
    if x.ndim != 4 or like.ndim != 4:
        raise UserError(
            f"its examples have shape {x.shape[1:]}, the run's {like.shape[1:]}; only images are "
            "resized"
        )
    channels = like.shape[3]
    if x.shape[3] != channels:
        if {x.shape[3], channels} != {1, 3}:
            raise UserError(
                f"its images have {x.shape[3]} channels, the run's {channels}; give grey or RGB "
                "images"
            )
        x = x @ _LUMINANCE[:, None] if channels == 1 else np.repeat(x, 3, axis=3)
    import jax  # here, so that commands can check their flags without it

    resized = np.asarray(
        jax.image.resize(x.astype(np.float32), (len(x), *like.shape[1:]), "bilinear")
    )
    if like.dtype == np.uint8:
        resized = np.clip(np.rint(resized), 0, 255)
    return resized.astype(like.dtype)


def permuted(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """All examples with their pixels, or features, in one random order; channels stay together."""
    flat = x.reshape(len(x), -1, x.shape[-1] if x.ndim == 4 else 1)
    return flat[:, generator.permutation(flat.shape[1])].reshape(x.shape)


def scaled(x: np.ndarray, normalizer: Normalizer, factor: float = 255.0) -> np.ndarray:
    """Float32 examples that are `factor` times as large once they have been normalised."""
    return (normalizer.offset + factor * (x.astype(np.float32) - normalizer.offset)).astype(
        np.float32
    )


def noise(like: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Independent uniform values between the smallest and the largest of each channel or feature.

    Args:
      like: [N, ...], sets the range, the shape and the type.
      count: how many examples.
    """
    axes = tuple(range(like.ndim - 1))
    low, high = like.min(axes), like.max(axes)
    shape = (count, *like.shape[1:])
    if like.dtype == np.uint8:
        return generator.integers(low, high, shape, np.uint8, endpoint=True)
    return generator.uniform(low, high, shape).astype(like.dtype)


def random_labels(count: int, num_classes: int, generator: np.random.Generator) -> np.ndarray:
    """Uniform labels, int32 [count]."""
    return generator.integers(num_classes, size=count, dtype=np.int32)
