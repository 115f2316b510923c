"""A text as the page shows it, with the tokens that moved most."""

import itertools

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.text import sequences

MOVED = 0.1  # of the tokens, those that members find most likelier than others do


def pieces(
    dataset: Dataset | None, example: int, gain: np.ndarray | None = None
) -> list[tuple[str, bool]]:
    """A sequence in pieces, and whether the tokens of each are among those that moved most.

    Args:
      dataset: of the run, if it is at hand.
      example: index of the sequence.
      gain: [tokens], how much likelier members find each token; None marks none.

    Returns:
      The pieces in their order; empty for other data than text.
    """
    if dataset is None or dataset.tokenizer is None:
        return []
    tokens = dataset.x[example][: sequences.lengths(dataset.x[example])]
    marked = np.zeros(len(tokens), bool)
    if gain is not None:
        gain = gain[: len(tokens)]
        most = np.argsort(-gain, kind="stable")[: max(1, round(MOVED * len(tokens)))]
        marked[most] = gain[most] > 0
    runs = itertools.groupby(range(len(tokens)), key=lambda t: bool(marked[t]))
    return [(dataset.tokenizer.decode(tokens[list(run)]), moved) for moved, run in runs]
