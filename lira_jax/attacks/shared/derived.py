"""Signals that are computed from saved ones, and cost no forward pass and no file.

LiRA (Carlini et al. 2022, https://arxiv.org/abs/2112.03570), figure 8, compares these statistics of
the plain query. To add one, write a function in a file beside this one and a line in DERIVED.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from lira_jax.attacks import thresholds
from lira_jax.attacks.shared import saturation, texts
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.gradient_norm import NORMS, gradient_norm

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Derived:
    """A signal computed from others.

    Attributes:
      derive: (signals, labels int [examples]) -> float [models, examples], higher for members.
      needs: names of the saved signals that it reads.
      summary: what it is, in a line.
      source: the paper and its section.
      by_model: whether `derive` is given a model at a time, whose large signals are not kept.
    """

    derive: Callable[[Arrays, np.ndarray], np.ndarray]
    needs: tuple[str, ...]
    summary: str
    source: str
    by_model: bool = False


def confidence(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """p_y of the plain query, float64 [models, examples]; it rounds to 1 where phi exceeds 37."""
    return np.exp(log_confidence(signals, labels))


def log_confidence(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """log p_y of the plain query, minus the loss: float64 [models, examples]."""
    return thresholds.loss(signals["phi"])


def phi_centred(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """phi of the plain query less the model's mean over the examples, float64 [models, examples].

    Models that differ as a whole, as short trainings of language models do, differ in this mean,
    which lists of their scores then hold beside what membership does. It takes nobody's
    membership, but many examples that the target is asked about.
    """
    phi = thresholds.phi_plain(signals["phi"])
    return phi - phi.mean(1, keepdims=True)


def naive_logit(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """log p_y - log(1 - p_y) through a softmax in float32, as one would write it first.

    It is phi but for its rounding: from about 8 on it moves in steps, and where p_y rounds to 0 or
    1 it takes the largest finite value of float32's neighbours of these, about -103 and 16.6.

    Returns:
      float32 [models, examples].
    """
    logits = signals["logits"]
    naive = np.empty(logits.shape[:2], np.float32)
    smallest, largest = np.float32(2**-149), np.float32(1 - 2**-24)

    def fill(block: slice) -> None:
        z = logits[:, block].astype(np.float32)
        p = np.exp(_difference(z, z.max(-1, keepdims=True)))
        p /= p.sum(-1, keepdims=True)
        p = np.clip(_of_label(p, labels[block]), smallest, largest)
        naive[:, block] = np.log(p) - np.log(1 - p)

    _in_blocks(fill, logits)
    return naive


def hinge(signals: Arrays, labels: np.ndarray) -> np.ndarray:
    """z_y - max_{j != y} z_j of the plain query, float32 [models, examples].

    The paper recommends it where logits are at hand.
    """
    logits = signals["logits"]
    margin = np.empty(logits.shape[:2], np.float32)

    def fill(block: slice) -> None:
        z = logits[:, block]
        others = z.copy()
        index = np.broadcast_to(labels[block], z.shape[:-1])[..., None]
        np.put_along_axis(others, index, -np.inf, -1)
        margin[:, block] = _difference(_of_label(z, labels[block]), others.max(-1))

    _in_blocks(fill, logits)
    return margin


_A_B = "Carlini et al. 2022, appendix A-B"
_FIGURE_8 = "Carlini et al. 2022, figure 8"

DERIVED: dict[str, Derived] = {
    "confidence": Derived(confidence, ("phi",), "p_y, the label's probability", _FIGURE_8),
    "log_confidence": Derived(log_confidence, ("phi",), "log p_y, minus the loss", _FIGURE_8),
    "phi_centred": Derived(
        phi_centred,
        ("phi",),
        "phi less the model's mean over all examples",
        "ours, after Carlini et al. 2022",
    ),
    "naive_logit": Derived(
        naive_logit, ("logits",), "log p_y - log(1 - p_y) by a float32 softmax", _FIGURE_8
    ),
    "hinge": Derived(hinge, ("logits",), "z_y less the largest other logit", _FIGURE_8),
    "token_phi": Derived(
        texts.token_phi,
        ("token_losses", "num_tokens"),
        "of text, the mean over tokens of log p - log(1 - p)",
        "Carlini et al. 2022, IV-C, token by token",
        by_model=True,
    ),
    "zlib": Derived(
        texts.zlib,
        ("phi", "zlib_bytes"),
        "of text, minus the mean loss by the bytes that zlib makes of it",
        "Carlini et al. 2021, 5.2",
    ),
    "min_k": Derived(
        texts.min_k,
        ("token_losses", "num_tokens"),
        "of text, the mean log p of the least likely fifth of its tokens",
        "Shi et al. 2024, Min-K% Prob",
        by_model=True,
    ),
    "min_k_plus": Derived(
        texts.min_k_plus,
        ("token_z", "num_tokens"),
        "of text, the same of log p standardised by all tokens that could stand there",
        "Zhang et al. 2025, Min-K%++, equation 3",
        by_model=True,
    ),
    **{
        f"gradient_norm_{by}_{norm}": Derived(
            gradient_norm(by, norm),
            (f"gradient_norms_{by}",),
            f"minus the logarithm of the {norm} norm of the loss gradient by the {of}",
            _A_B,
        )
        for by, of in (("w", "weights"), ("x", "input"))
        for norm in NORMS
    },
}


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b in float32, of float32 numbers: what exceeds its range is its largest number."""
    return saturation.clip(a.astype(np.float64) - b)


def _of_label(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    index = np.broadcast_to(labels, values.shape[:-1])[..., None]
    return np.take_along_axis(values, index, -1)[..., 0]


def _in_blocks(fill: Callable[[slice], None], logits: np.ndarray) -> None:
    for _ in over_blocks(fill, logits.shape[1], len(logits) * logits.shape[2]):
        pass
