"""Sequences that share a run of words with an earlier one.

A member's words in a non-member make its membership bit false, as an exact copy does. A run of 13
words is what Brown et al. 2020 (Language Models are Few-Shot Learners, appendix C,
https://arxiv.org/abs/2005.14165) take for an overlap of two texts.
"""

from collections.abc import Iterable

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.text import sequences

WORDS = 13
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that a product of 64 bits loses nothing


def find(dataset: Dataset) -> np.ndarray:
    """The sequences of a pool of text that share WORDS words in a row with an earlier one: int64,
    ascending."""
    assert dataset.tokenizer is not None, "it is text"
    lengths = sequences.lengths(dataset.x)
    decode = dataset.tokenizer.decode
    return of_texts(decode(row[:n]) for row, n in zip(dataset.x, lengths, strict=True))


def of_texts(texts: Iterable[str], length: int = WORDS) -> np.ndarray:
    """The same of texts; words are what white space parts, in lower case."""
    number: dict[str, int] = {}
    runs, owners = [], []
    for owner, text in enumerate(texts):
        words = [number.setdefault(word, len(number)) for word in text.lower().split()]
        if len(words) >= length:
            hashes = _hashes(np.array(words, np.uint64), length)
            runs.append(hashes)
            owners.append(np.full(len(hashes), owner))
    if not runs:
        return np.empty(0, np.int64)
    of_run = np.concatenate(owners)
    _, first, which = np.unique(np.concatenate(runs), return_index=True, return_inverse=True)
    return np.unique(of_run[of_run[first][which] < of_run])


def _hashes(words: np.ndarray, length: int) -> np.ndarray:
    """A number of 64 bits for each run of so many words, uint64 [runs]."""
    runs = len(words) - length + 1
    hashes = np.zeros(runs, np.uint64)
    for offset in range(length):
        hashes = (hashes ^ (words[offset : offset + runs] + np.uint64(1))) * _FACTOR
        hashes ^= hashes >> np.uint64(29)
    return hashes
