"""Token sequences of one length, each with a membership bit of its own."""

from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.errors import UserError

PADDING = -1
"""Stands after the last token of a sequence that is shorter than the others."""

SHORTEST = 2  # tokens; a shorter sequence says next to nothing


def pad(tokens: Sequence[np.ndarray], context: int, what: str) -> np.ndarray:
    """Sequences of units; those longer than the context become several.

    Args:
      tokens: of each unit, int [tokens].
      context: the most tokens of a sequence.
      what: a unit is, for the note on those that are cut or left out.

    Returns:
      int32 [N, L], L the length of the longest; PADDING after the last token.
    """
    long = sum(len(t) > context for t in tokens)
    pieces = [t[i : i + context] for t in tokens for i in range(0, len(t), context)]
    kept = [t for t in pieces if len(t) >= SHORTEST]
    if long:
        progress.remark(
            f"{long} of {len(tokens)} {what}s are longer than --context={context} tokens and "
            "become several sequences, each with a membership bit of its own"
        )
    if len(kept) < len(pieces):
        progress.remark(
            f"{len(pieces) - len(kept)} sequences of fewer than {SHORTEST} tokens are left out"
        )
    if not kept:
        return np.empty((0, context), np.int32)
    padded = np.full((len(kept), max(map(len, kept))), PADDING, np.int32)
    for row, t in zip(padded, kept, strict=True):
        row[: len(t)] = t
    return padded


def windows(tokens: np.ndarray, length: int) -> np.ndarray:
    """All text cut into pieces of one length, int32 [N, length]; what is left at its end goes."""
    count = len(tokens) // length
    return tokens[: count * length].reshape(count, length).astype(np.int32)


def lengths(tokens):
    """Tokens of each sequence [N, L], padding apart; of numpy or JAX."""
    return (tokens != PADDING).sum(-1)


def check(tokens: np.ndarray, vocabulary: int, name: str, fewest: int = 2) -> None:
    """Raises UserError if these are no sequences that a model can be trained on.

    Args:
      tokens: int32 [N, L].
      vocabulary: the number of ids.
      name: what they are called.
      fewest: how many there must be.
    """
    if len(tokens) < fewest:
        raise UserError(f"{name}: {len(tokens)} sequences; at least {fewest} are needed")
    if tokens.max() >= vocabulary:
        raise UserError(
            f"{name}: token {tokens.max()}, and the vocabulary has {vocabulary}; give the "
            "tokenizer that made the tokens"
        )
