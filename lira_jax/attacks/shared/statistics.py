"""Statistics of a model's own output for the plain example, to compare with a threshold.

Song and Mittal 2021, Systematic Evaluation of Privacy Risks of Machine Learning Models
(https://arxiv.org/abs/2003.10595), section 3.1, and the baselines of Rezaei and Liu 2021
(https://arxiv.org/abs/2005.13702) and Hintersdorf et al. 2022 (https://arxiv.org/abs/2111.09076).
All take logits [..., classes] and labels that broadcast to [...], compute in float64 and never go
through a rounded softmax: an overfitted model's probabilities round to 1 in float32 while its
logits still tell examples apart.
"""

from collections.abc import Callable

import numpy as np

from lira_jax.attacks.shared.blocks import over_blocks

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def log_confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """log p_y, which orders as the confidence p_y does but does not round to 1.

    log p_y = -log(1 + exp(-phi)) keeps all its digits up to phi = 708, where exp(-phi) underflows.
    Song and Mittal 2021, section 3.1.2, equation 6; the minus loss of Yeom et al. 2018.

    Args:
      logits: float [..., classes].
      labels: int [...].

    Returns:
      float64 [...], at most 0; higher = more likely a member.
    """
    below, _, log_total = _totals(logits)
    return _of_label(below, labels) - log_total[..., 0]


def correctness(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the prediction is the label, else 0; all that label-only access shows of one example.

    The baseline of Leino and Fredrikson 2020 (https://arxiv.org/abs/1906.11798); Song and Mittal
    2021, section 3.1.1, equation 5; the "naive attack" of Rezaei and Liu 2021, elsewhere the "gap
    attack": its balanced accuracy is (1 + train accuracy - test accuracy) / 2.

    Args:
      logits: float [..., classes].
      labels: int [...].

    Returns:
      float64 [...]; higher = more likely a member.
    """
    return (np.argmax(logits, -1) == labels).astype(np.float64)


def entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the Shannon entropy of the prediction, in nats; it does not look at the label.

    Salem et al. 2019 (https://arxiv.org/abs/1806.01246); Song and Mittal 2021, section 3.1.2,
    equation 7.

    Args:
      logits: float [..., classes].
      labels: int [...], unused.

    Returns:
      float64 [...], at most 0; higher = more likely a member.
    """
    below, _, log_total = _totals(logits)
    log_p = below - log_total
    return np.sum(np.exp(log_p) * log_p, -1)


def modified_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the modified entropy, which is low where the prediction is certain and right.

    Song and Mittal 2021, section 3.1.3, equation 8: Mentr = -(1 - p_y) log p_y - sum_{j != y} p_j
    log(1 - p_j). It has all its digits where p_y rounds to 0 or 1, and underflows to 0 only above
    phi = 372 (exp(-2 phi)).

    Args:
      logits: float [..., classes].
      labels: int [...].

    Returns:
      float64 [...], at most 0; higher = more likely a member.
    """
    below, log_rest, log_total = _totals(logits)
    log_p, log_not_p = _log_probabilities(below, log_rest, log_total)
    terms = np.exp(log_p) * log_not_p
    own = np.exp(_of_label(log_not_p, labels)) * _of_label(log_p, labels)
    np.put_along_axis(terms, _index(terms, labels), own[..., None], -1)
    return terms.sum(-1)


def maximum_score(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """log max_j p_j, which orders as the maximum prediction score does but does not round to 1.

    Hintersdorf et al. 2022, after Salem et al. 2019. It does not look at the label.

    Args:
      logits: float [..., classes].
      labels: int [...], unused.

    Returns:
      float64 [...], at most 0; higher = more likely a member.
    """
    _, _, log_total = _totals(logits)
    return 0 - log_total[..., 0]


def zero_r(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """0 for everybody: the attack that calls everybody a member, a floor for accuracies.

    Rezaei and Liu 2021, table 2: ZeroR has a recall of members, and a false alarm rate, of 100 %.

    Args:
      logits: float [..., classes].
      labels: int [...], unused.

    Returns:
      float64 [...].
    """
    return np.zeros(np.shape(logits)[:-1])


def of_models(statistic: Statistic, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A statistic of many models, block by block: no float64 copy of all the logits is made.

    Args:
      statistic: one of the above.
      logits: float [models, examples, classes].
      labels: int [examples].

    Returns:
      float64 [models, examples].
    """
    num_models, num_examples, num_classes = logits.shape
    result = np.empty((num_models, num_examples))

    def fill(block: slice) -> None:
        result[:, block] = statistic(logits[:, block], labels[block])

    for _ in over_blocks(fill, num_examples, num_models * num_classes):
        pass
    return result


def _totals(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What every probability is made of, float64.

    Returns:
      below [..., classes], each logit less the largest; log_rest [..., 1], the log of what all
      others make up beside the largest, (1 - p_top) / p_top; and log_total [..., 1], of both
      together, so that log p_j = below_j - log_total.
    """
    logits = np.asarray(logits, np.float64)
    top = logits.argmax(-1)[..., None]
    below = logits - np.take_along_axis(logits, top, -1)
    others = below.copy()
    np.put_along_axis(others, top, -np.inf, -1)
    second = others.max(-1, keepdims=True)
    log_rest = second + np.log(np.exp(others - second).sum(-1, keepdims=True))
    return below, log_rest, np.log1p(np.exp(log_rest))


def _log_probabilities(
    below: np.ndarray, log_rest: np.ndarray, log_total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """log p_j and log(1 - p_j) of every class j, both [..., classes] and both to full relative
    precision.

    Only the largest probability can come near 1, and then 1 - p is the sum of the others: it is
    formed from their logits. The others are at most 1/2, where 1 - p loses nothing.

    Args:
      below, log_rest, log_total: of `_totals`.
    """
    log_p = below - log_total
    top = below.argmax(-1)[..., None]
    p_of_others = np.exp(log_p)
    np.put_along_axis(p_of_others, top, 0, -1)
    log_not_p = np.log1p(-p_of_others)
    np.put_along_axis(log_not_p, top, log_rest - log_total, -1)
    return log_p, log_not_p


def _of_label(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, _index(values, labels), -1)[..., 0]


def _index(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(labels, values.shape[:-1])[..., None]
