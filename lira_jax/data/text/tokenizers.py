"""Tokenizers: text to token ids and back."""

import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from lira_jax.errors import UserError

BYTES = "bytes"
_SMALLEST_BPE = 256
_FLAG = "--tokenizer"


class Tokenizer(Protocol):
    """What turns text into tokens.

    Attributes:
      size: of the vocabulary; ids are 0..size - 1.
    """

    size: int

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Token ids of each text, int32 [tokens]."""
        ...

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of some token ids; what is no valid text is shown by the mark U+FFFD."""
        ...


class Bytes:
    """UTF-8 bytes as tokens: no vocabulary to train, no unknown word."""

    size = 256

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        for text in texts:
            yield np.frombuffer(text.encode(), np.uint8).astype(np.int32)

    def decode(self, tokens: Iterable[int]) -> str:
        return bytes(int(t) for t in tokens).decode("utf-8", "replace")


class Library:
    """A tokenizer of the package `tokenizers` (https://github.com/huggingface/tokenizers)."""

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        self.size = tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            yield np.array(encoding.ids, np.int32)

    def decode(self, tokens: Iterable[int]) -> str:
        return self._tokenizer.decode([int(t) for t in tokens], skip_special_tokens=False)


def make(name: str, pool: Sequence[str]) -> Tokenizer:
    """The tokenizer that --tokenizer names.

    Args:
      name: "bytes"; "bpe:SIZE", byte-level byte pair encoding (Sennrich et al. 2016,
        https://arxiv.org/abs/1508.07909) trained on the pool; a tokenizer.json; or a folder with
        GPT-2's vocab.json and merges.txt.
      pool: texts of the pool.

    Raises:
      UserError: an unknown name, a file that cannot be read, or the package is not installed.
    """
    if name == BYTES:
        return Bytes()
    kind, _, size = name.partition(":")
    if kind == "bpe":
        if not size.isdecimal() or int(size) <= _SMALLEST_BPE:
            raise UserError(
                f"{_FLAG}={name}: give the size of the vocabulary, more than {_SMALLEST_BPE} "
                "tokens, such as bpe:4096"
            )
        return Library(_train(int(size), pool))
    path = pathlib.Path(os.path.expanduser(name))
    if not path.exists():
        raise UserError(
            f"{_FLAG}={name}: neither bytes nor bpe:SIZE, and no such file; give a tokenizer.json, "
            "or a folder with vocab.json and merges.txt"
        )
    return Library(_read(name, path))


def absolute(name: str) -> str:
    """A tokenizer's name; the path of its file or folder absolute, if it is there."""
    path = os.path.expanduser(name)
    own = name == BYTES or name.startswith("bpe:")
    return os.path.abspath(path) if not own and os.path.exists(path) else name


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise UserError(
            f"{_FLAG}: any but bytes needs the package tokenizers; pip install 'lira_jax[text]'"
        ) from None
    return tokenizers


def _byte_level(library: Any, model: Any) -> Any:
    """A tokenizer of bytes as GPT-2's: a space belongs to the word after it."""
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    return tokenizer


def _train(size: int, pool: Sequence[str]) -> Any:
    library = _library()
    tokenizer = _byte_level(library, library.models.BPE())
    trainer = library.trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),  # no byte is unknown
        show_progress=False,
    )
    tokenizer.train_from_iterator(pool, trainer)
    return tokenizer


def _read(name: str, path: pathlib.Path) -> Any:
    library = _library()
    try:
        if path.is_dir():
            files = [str(path / file) for file in ("vocab.json", "merges.txt")]
            return _byte_level(library, library.models.BPE.from_file(*files))
        return library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        said = " ".join(str(error).split())
        raise UserError(
            f"{_FLAG}={name}: cannot be read as a tokenizer ({said}); give a tokenizer.json, or a "
            "folder with vocab.json and merges.txt"
        ) from None
