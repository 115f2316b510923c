"""The most exposed examples, each as a card."""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy

from lira_jax.data.dataset import Dataset
from lira_jax.report import histogram, picture, texts
from lira_jax.report.material import SHOWN, Exposed, Material

FEATURES = 6
ENOUGH = 16  # models in and out from which the fitted Gaussians may be taken at their word


@dataclasses.dataclass(frozen=True)
class Card:
    """One example.

    Attributes:
      rank: 1 is the most exposed.
      example: its index in the pool.
      label: its class's name; empty for text.
      exposure: as text.
      right: percentage of right guesses of an attacker who knows both Gaussians, as text;
        empty where too few models would make it a boast.
      image: a data URI, or None.
      features: (name, value, mean over the pool) of the most unusual ones, as text; empty for
        images.
      text: pieces of a text, and whether members find the tokens of each far likelier than others
        do; empty for other data.
      histogram: SVG.
      alt: the histogram in words.
    """

    rank: int
    example: int
    label: str
    exposure: str
    right: str
    image: str | None
    features: list[tuple[str, str, str]]
    text: list[tuple[str, bool]]
    histogram: str
    alt: str


def cards(material: Material, shown: int = SHOWN) -> list[Card]:
    """The most exposed examples; empty if exposure is unknown."""
    exposed = material.exposed
    if exposed is None:
        return []
    look_at = look(material.dataset)
    return [
        _card(material, exposed, rank, i, *look_at(i))
        for rank, i in enumerate(exposed.most(shown), 1)
    ]


def _card(
    material: Material,
    exposed: Exposed,
    rank: int,
    example: int,
    image: str | None,
    features: list[tuple[str, str, str]],
) -> Card:
    keep, phi = exposed.keep[:, example], exposed.phi[:, example]
    exposure = float(exposed.exposure[example])
    inside, outside = phi[keep], phi[~keep]
    label = material.class_name(int(exposed.labels[example]))
    return Card(
        rank=rank,
        example=example,
        label=label,
        exposure=f"{exposure:.2f}" if np.isfinite(exposure) else "∞",
        right=f"{100 * scipy.stats.norm.cdf(exposure):.1f} %"
        if min(inside.size, outside.size) >= ENOUGH
        else "",
        image=image,
        features=features,
        text=texts.pieces(material.dataset, example, exposed.gains.get(example)),
        histogram=histogram.in_out(inside, outside),
        alt=(
            f"Histogram of the scaled logit of example {example}{label and ', '}{label}: mean "
            f"{inside.mean():.1f}, spread {inside.std():.1f} in the {inside.size} models that "
            f"trained on it; mean {outside.mean():.1f}, spread {outside.std():.1f} in the "
            f"{outside.size} others."
        ),
    )


def look(
    dataset: Dataset | None,
) -> Callable[[int], tuple[str | None, list[tuple[str, str, str]]]]:
    """What `Card` has of an example itself: image and features."""
    if dataset is None or dataset.is_text:
        return lambda i: (None, [])
    x = dataset.x
    if dataset.is_image:
        black_white = picture.value_range(x)
        return lambda i: (picture.data_uri(picture.thumbnail(x[i], black_white)), [])
    mean, spread = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    return lambda i: (None, _unusual(x[i], mean, spread))


def _unusual(x: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> list[tuple[str, str, str]]:
    """The features farthest from their mean, in units of their spread."""
    distance = np.divide(np.abs(x - mean), spread, out=np.zeros_like(mean), where=spread > 0)
    top = np.argsort(-distance, kind="stable")[:FEATURES]
    return [(f"feature {i}", f"{x[i]:.4g}", f"{mean[i]:.3g}") for i in top]
