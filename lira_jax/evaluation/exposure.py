"""How exposed each example is: how far its scores in and out of training lie apart."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class SourceExposure:
    """Exposure of the examples of one source.

    Attributes:
      num_examples: of the source, that have an exposure.
      lower_quartile: one of the exposures, as all three are; inf among them.
      median: of the exposures.
      upper_quartile: of the exposures.
    """

    num_examples: int
    lower_quartile: float
    median: float
    upper_quartile: float


def exposure(phi: np.ndarray, keep: np.ndarray, *, average_queries: bool = False) -> np.ndarray:
    """Exposure d = |mean_in - mean_out| / (std_in + std_out) of every example, over all models.

    LiRA (Carlini et al. 2022), section VII-B.

    Args:
      phi: [models, examples, queries].
      keep: bool [models, examples].
      average_queries: take the mean over the queries instead of query 0, the plain example.

    Returns:
      float64 [examples], at least 0, with population standard deviations; inf where both are 0 and
      the means differ; NaN where fewer than 2 models trained on the example, or fewer than 2 did
      not.

    Raises:
      UserError: no example has 2 models of each kind.
    """
    keep = np.asarray(keep, bool)
    num_in = keep.sum(0)
    enough = np.minimum(num_in, len(keep) - num_in) >= 2
    if not enough.all():
        if not enough.any():
            raise UserError("exposure needs an example with 2 models in and 2 out: use more models")
        found = np.full(len(enough), np.nan)
        found[enough] = exposure(phi[:, enough], keep[:, enough], average_queries=average_queries)
        return found
    phi = phi.mean(axis=2, dtype=np.float64) if average_queries else phi[:, :, 0].astype(np.float64)
    mean_in, mean_out = np.mean(phi, axis=0, where=keep), np.mean(phi, axis=0, where=~keep)
    spread = np.std(phi, axis=0, where=keep) + np.std(phi, axis=0, where=~keep)
    distance = np.abs(mean_in - mean_out)
    # Constant scores on both sides: 0 apart is no exposure, anything else is certain exposure.
    limit = np.where(distance > 0, np.inf, 0.0)
    return np.divide(distance, spread, out=limit, where=spread > 0)


def by_source(
    exposed: np.ndarray, sources: np.ndarray, names: Sequence[str]
) -> dict[str, SourceExposure]:
    """Quartiles of the exposure of examples from different sources.

    LiRA (Carlini et al. 2022), section VII-B: outliers are more exposed than the pool they were put
    in.

    Args:
      exposed: [examples], as `exposure` gives it; NaN is left out.
      sources: int [examples], indices into names.
      names: of the sources.

    Returns:
      name -> exposure; without the sources that have no example.
    """
    found = {}
    for number, name in enumerate(names):
        own = exposed[(sources == number) & ~np.isnan(exposed)]
        if own.size:
            # This method takes no mean of inf and a number.
            quartiles = np.quantile(own, (0.25, 0.5, 0.75), method="inverted_cdf")
            found[name] = SourceExposure(int(own.size), *quartiles.tolist())
    return found


def densities(
    exposed: np.ndarray, sources: np.ndarray, names: Sequence[str], bins: int = 40
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Histograms of the exposure of examples from different sources, as densities.

    LiRA (Carlini et al. 2022), figure 13. All have the same bins, from 0 to the largest value that
    is finite; inf counts in the last bin.

    Args:
      exposed, sources, names: as `by_source` takes them.
      bins: how many.

    Returns:
      The edges of the bins, [bins + 1], and name -> density in each, [bins], whose sum is 1 over
      the width of a bin; without the sources that have no example.
    """
    finite = exposed[np.isfinite(exposed)]
    edges = np.linspace(0, (finite.max() if finite.size else 0) or 1.0, bins + 1)
    found = {}
    for number, name in enumerate(names):
        own = exposed[(sources == number) & ~np.isnan(exposed)]
        if own.size:
            found[name] = np.histogram(np.minimum(own, edges[-1]), edges, density=True)[0]
    return edges, found
