"""What attacks on text know of the sequences themselves."""

import zlib

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.text import sequences


def of(dataset: Dataset) -> dict[str, np.ndarray]:
    """Facts of the pool's sequences by name.

    Args:
      dataset: of text, with its tokenizer.

    Returns:
      num_tokens, and zlib_bytes: the size of the UTF-8 text as zlib compresses it at its default
      level; int32 [N] each.
    """
    assert dataset.tokenizer is not None, "it is text"
    decode = dataset.tokenizer.decode
    texts = (
        decode(row[:n]) for row, n in zip(dataset.x, sequences.lengths(dataset.x), strict=True)
    )
    compressed = [len(zlib.compress(text.encode())) for text in texts]
    return {
        "num_tokens": sequences.lengths(dataset.x).astype(np.int32),
        "zlib_bytes": np.array(compressed, np.int32),
    }
