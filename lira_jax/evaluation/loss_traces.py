"""Who is exposed, told from the losses of one model over its training, without shadow models.

LT-IQR (Pollock et al. 2024, https://arxiv.org/abs/2411.05743): the inter-quartile range of an
example's loss over the epochs of a training is large where the model first fails on it and then
learns it by heart.
"""

import dataclasses

import numpy as np
import scipy

from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.exposure import exposure

FEWEST_EPOCHS = 4
"""Quartiles of fewer losses say little."""
TOP = (0.01, 0.1)
_MOST_TARGETS = 16


@dataclasses.dataclass(frozen=True)
class Ranking:
    """How well a number of one model ranks its members by their exposure.

    Attributes:
      spearman: rank correlation with exposure, mean over targets.
      precision: share of the top, one of TOP -> share of that many members with the largest number
        that are among as many with the largest exposure, mean over targets; guessing has the share
        itself.
    """

    spearman: Estimate
    precision: dict[str, Estimate]


@dataclasses.dataclass(frozen=True)
class LossTraces:
    """What losses over epochs say of exposure.

    Attributes:
      num_epochs: of which there are losses.
      num_targets: at most 16, evenly spread, whose members are ranked.
      rankings: "lt_iqr", the inter-quartile range over epochs; "first", "mean" and "last" loss ->
        how well it ranks.
    """

    num_epochs: int
    num_targets: int
    rankings: dict[str, Ranking]


def lt_iqr(losses: np.ndarray) -> np.ndarray:
    """The inter-quartile range of losses [epochs, ...] over the epochs, [...]."""
    low, high = np.quantile(losses, (0.25, 0.75), axis=0)
    return high - low


def losses(phi: np.ndarray) -> np.ndarray:
    """Cross-entropies -log p_y of scaled logits phi = log p_y - log(1 - p_y), of any shape."""
    return np.logaddexp(0, -phi.astype(np.float64))


def loss_traces(
    traces: np.ndarray, targets: np.ndarray, phi: np.ndarray, keep: np.ndarray
) -> LossTraces:
    """Measures rankings of a target's members against their exposure in all other models.

    Args:
      traces: [epochs, targets, examples], losses of the targets.
      targets: int [targets], which models they are.
      phi: [models, examples], of the plain query in the end.
      keep: bool [models, examples].

    Raises:
      UserError: there are too few models for exposure.
    """
    count = min(_MOST_TARGETS, len(targets))
    chosen = np.unique(np.linspace(0, len(targets) - 1, count).round().astype(int))
    ranked = {
        "lt_iqr": lt_iqr(traces),
        "first": traces[0],
        "mean": traces.mean(0),
        "last": traces[-1],
    }
    found: dict[str, list[list[float]]] = {name: [] for name in ranked}
    for row in chosen:
        model = targets[row]
        others = np.arange(len(phi)) != model
        exposed = exposure(phi[others][:, :, None], keep[others])
        own = keep[model] & np.isfinite(exposed)
        for name, numbers in ranked.items():
            found[name].append(_against(numbers[row][own], exposed[own]))
    rankings = {}
    for name, rows in found.items():
        spearman, *precision = (_mean(np.array(column)) for column in zip(*rows, strict=True))
        rankings[name] = Ranking(
            spearman, {f"{top:g}": p for top, p in zip(TOP, precision, strict=True)}
        )
    return LossTraces(len(traces), len(chosen), rankings)


def _against(numbers: np.ndarray, exposed: np.ndarray) -> list[float]:
    """Spearman's correlation, and the precision of each of TOP, of one target's members."""
    by_number, by_exposure = (np.argsort(-a, kind="stable") for a in (numbers, exposed))
    varied = len(numbers) > 1 and np.ptp(numbers) > 0 and np.ptp(exposed) > 0
    found = [float(scipy.stats.spearmanr(numbers, exposed).statistic) if varied else np.nan]
    for top in TOP:
        size = round(top * len(exposed))
        common = np.intersect1d(by_number[:size], by_exposure[:size])
        found.append(len(common) / size if size else np.nan)
    return found


def _mean(values: np.ndarray) -> Estimate:
    """The mean over targets with the 95 % interval of Student's t."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Estimate(np.nan)
    if known.size == 1:
        return Estimate(float(known[0]))
    margin = scipy.stats.t.ppf(0.975, known.size - 1) * known.std(ddof=1) / np.sqrt(known.size)
    return Estimate(float(known.mean()), float(known.mean() - margin), float(known.mean() + margin))
