"""How exposed each example is: how far its scores in and out of training lie apart."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class SourceExposure:
    """Exposure of the examples of one source.

    Attributes:
      num_examples: of the source.
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
      the means differ.

    Raises:
      UserError: an example is in the training set of fewer than 2 models, or out of it of fewer
        than 2.
    """
    keep = np.asarray(keep, bool)
    num_in = keep.sum(0)
    fewest = np.minimum(num_in, len(keep) - num_in)
    if fewest.min() < 2:
        example = int(fewest.argmin())
        raise UserError(
            f"exposure needs 2 models in and 2 out: example {example} has {num_in[example]} in and "
            f"{len(keep) - num_in[example]} out: train more models"
        )
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
      exposed: [examples], as `exposure` gives it.
      sources: int [examples], indices into names.
      names: of the sources.

    Returns:
      name -> exposure; without the sources that have no example.
    """
    found = {}
    for number, name in enumerate(names):
        own = exposed[sources == number]
        if own.size:
            # This method takes no mean of inf and a number.
            quartiles = np.quantile(own, (0.25, 0.5, 0.75), method="inverted_cdf")
            found[name] = SourceExposure(int(own.size), *quartiles.tolist())
    return found
