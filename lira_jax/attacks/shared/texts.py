"""Signals of sequences that follow from the saved log-probabilities of their tokens.

The functions take signals [models, examples, ...] by name; token_losses and token_z are [models,
examples, 1, tokens], and what stands after the last token of a sequence counts for nothing.
"""

from collections.abc import Mapping

import numpy as np

FACTS = ("num_tokens", "zlib_bytes")
"""What is known of the sequences themselves, the same whatever the model."""

SHARE = 0.2  # of the tokens, the least likely, that min_k looks at
_LEAST = 1e-30

Arrays = Mapping[str, np.ndarray]


def token_phi(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """The mean over tokens of log p - log(1 - p), float64 [models, examples]."""
    log_p = signals["token_losses"][:, :, 0].astype(np.float64)
    logits = log_p - np.log(np.maximum(-np.expm1(log_p), _LEAST))
    within = _within(log_p, signals["num_tokens"])
    return np.where(within, logits, 0).sum(-1) / signals["num_tokens"]


def zlib(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """Minus the mean loss by the bytes that zlib makes of the text, float64 [models, examples].

    Carlini et al. 2021, Extracting Training Data from Large Language Models, 5.2
    (https://arxiv.org/abs/2012.07805): a text that is hard for a model and easy for zlib is not
    merely unusual.
    """
    phi = signals["phi"]
    plain = (phi if phi.ndim == 2 else phi[:, :, 0]).astype(np.float64)
    return -np.logaddexp(0, -plain) / signals["zlib_bytes"]


def min_k(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """The mean log p of the least likely fifth of the tokens, float64 [models, examples].

    Shi et al. 2024, Detecting Pretraining Data from Large Language Models
    (https://arxiv.org/abs/2310.16789), with their k = 20 %.
    """
    return _mean_of_least(signals["token_losses"], signals["num_tokens"])


def min_k_plus(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """The same of log p less its mean over all tokens, by its standard deviation: token_z.

    Zhang et al. 2025, Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large
    Language Models (https://arxiv.org/abs/2404.02936), equation 3.
    """
    return _mean_of_least(signals["token_z"], signals["num_tokens"])


def _within(tokens: np.ndarray, number: np.ndarray) -> np.ndarray:
    """bool [models, examples, tokens], false after the last token; of number [models, examples]."""
    return np.arange(tokens.shape[-1]) < number[..., None]


def _mean_of_least(signal: np.ndarray, number: np.ndarray) -> np.ndarray:
    values = signal[:, :, 0].astype(np.float64)
    ascending = np.sort(np.where(_within(values, number), values, np.inf), -1)
    least = np.maximum(1, (SHARE * number).astype(int))
    counted = _within(ascending, least)
    return np.where(counted, ascending, 0).sum(-1) / least
