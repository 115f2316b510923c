"""Four examples on two axes: inlier or outlier, easy or hard to fit (LiRA, figure 3).

Carlini et al. 2022, https://arxiv.org/abs/2112.03570: the loss in models that did not train on an
example says whether it is an inlier or an outlier, the loss in those that did whether it is easy or
hard to fit. These are different things, and the attack succeeds on outliers that are easy to fit.
"""

import dataclasses
import itertools

import numpy as np

from lira_jax.report import gallery, histogram, texts
from lira_jax.report.material import Material

COLUMNS = ("inlier", "outlier")
"""Of low and of high OUT loss."""
ROWS = ("easy to fit", "hard to fit")
"""Of low and of high IN loss."""


@dataclasses.dataclass(frozen=True)
class Quadrant:
    """One example.

    Attributes:
      title: which of COLUMNS and of ROWS it is.
      example: its index in the pool.
      label: its class's name.
      in_loss: mean over the models that trained on it, as text.
      out_loss: mean over the others, as text.
      image: a data URI, or None.
      text: pieces of a text, as `gallery.Card` has them; empty for other data.
      histogram: SVG of the common logarithms of its losses.
      alt: the histogram in words.
    """

    title: str
    example: int
    label: str
    in_loss: str
    out_loss: str
    image: str | None
    text: list[tuple[str, bool]]
    histogram: str
    alt: str


def losses(phi: np.ndarray) -> np.ndarray:
    """Cross-entropy of scaled logits, -log(1 / (1 + e^-phi)), float64."""
    return np.logaddexp(0, -phi.astype(np.float64))


def choose(in_loss: np.ndarray, out_loss: np.ndarray) -> dict[tuple[str, str], int]:
    """For each corner of the two axes the example that lies furthest in it, by ranks.

    Args:
      in_loss: [examples], mean over models that trained on it.
      out_loss: [examples], mean over the others.

    Returns:
      (one of COLUMNS, one of ROWS) -> index of an example.
    """
    out_rank, in_rank = (np.argsort(np.argsort(v, kind="stable")) for v in (out_loss, in_loss))
    last = len(in_loss) - 1
    columns = {"inlier": last - out_rank, "outlier": out_rank}
    rows = {"easy to fit": last - in_rank, "hard to fit": in_rank}
    corners = itertools.product(COLUMNS, ROWS)
    return {(c, r): int(np.argmax(np.minimum(columns[c], rows[r]))) for c, r in corners}


def quadrants(material: Material) -> list[Quadrant]:
    """The four examples, row by row; empty if phi is unknown."""
    exposed = material.exposed
    if exposed is None:
        return []
    known = np.flatnonzero(~np.isnan(exposed.exposure))
    loss, keep = losses(exposed.phi[:, known]), exposed.keep[:, known]
    in_loss, out_loss = loss.mean(0, where=keep), loss.mean(0, where=~keep)
    chosen, look = choose(in_loss, out_loss), gallery.look(material.dataset)
    found = []
    for row, column in itertools.product(ROWS, COLUMNS):
        place = chosen[column, row]
        example = int(known[place])
        # Below 1e-7 float32 logits say nothing of a loss.
        logs = np.log10(np.maximum(loss[:, place], 1e-7))
        inside, outside = (f"{values[place]:.2g}" for values in (in_loss, out_loss))
        found.append(
            Quadrant(
                title=f"{column}, {row}",
                example=example,
                label=material.class_name(int(exposed.labels[example])),
                in_loss=inside,
                out_loss=outside,
                image=look(example)[0],
                text=texts.pieces(material.dataset, example),
                histogram=histogram.in_out(logs[keep[:, place]], logs[~keep[:, place]]),
                alt=f"Histogram of the logarithm of the loss of example {example}: mean loss "
                f"{inside} in the models that trained on it, {outside} in the others.",
            )
        )
    return found
