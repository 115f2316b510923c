import json

import numpy as np
import pytest

from lira_jax.data.text import tokenizers
from lira_jax.errors import UserError

TEXTS = ["The cat sat on the mat.", "Zoë — naïve, 12 %\n\ttab", "  two  spaces ", "日本"]


def library():
    return pytest.importorskip(
        "tokenizers", reason="the extra text is not installed: pip install -e '.[text]'"
    )


def round_trip(tokenizer):
    for text, tokens in zip(TEXTS, tokenizer.encode(TEXTS), strict=True):
        assert tokens.dtype == np.int32
        assert tokens.min() >= 0
        assert tokens.max() < tokenizer.size
        assert tokenizer.decode(tokens) == text


def test_bytes_are_utf8():
    made = tokenizers.make("bytes", [])
    round_trip(made)
    assert list(next(made.encode(["é"]))) == [0xC3, 0xA9]
    assert made.decode([0xC3]) == "�"


def test_byte_pairs_are_trained_on_the_pool_and_know_every_byte():
    library()
    made = tokenizers.make("bpe:300", ["the cat the cat the cat"] * 5)
    round_trip(made)
    assert made.size <= 300
    assert len(next(made.encode(["the cat"]))) <= 2
    again = tokenizers.make("bpe:300", ["the cat the cat the cat"] * 5)
    assert [list(t) for t in made.encode(TEXTS)] == [list(t) for t in again.encode(TEXTS)]


def test_files_of_gpt_2_are_read(tmp_path):
    """Byte level: a space before a word is the sign U+0120."""
    library()
    (tmp_path / "vocab.json").write_text(
        json.dumps({"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120ab": 4})
    )
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n\u0120 ab\n", encoding="utf-8")
    made = tokenizers.make(str(tmp_path), [])
    assert list(next(made.encode(["ab ab b"]))) == [2, 4, 3, 1]
    assert made.decode([2, 4]) == "ab ab"
    assert made.size == 5


@pytest.mark.parametrize("name", ["bpe", "bpe:many", "bpe:100", "no/such/file.json"])
def test_what_is_no_tokenizer_is_refused_in_a_line(name):
    with pytest.raises(UserError, match="--tokenizer=") as refused:
        tokenizers.make(name, ["text"])
    assert "\n" not in str(refused.value)


def test_a_damaged_file_is_refused(tmp_path):
    library()
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as a tokenizer"):
        tokenizers.make(str(tmp_path / "tokenizer.json"), [])


def test_a_file_is_found_again_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    assert tokenizers.absolute("gpt2") == str(tmp_path / "gpt2")
    for name in ("bytes", "bpe:300", "bert"):  # the last is refused by the name that was given
        assert tokenizers.absolute(name) == name
