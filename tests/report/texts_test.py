import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.text import tokenizers
from lira_jax.report import texts


def dataset(text, places=30):
    x = np.full((1, places), -1, np.int32)
    x[0, : len(text.encode())] = np.frombuffer(text.encode(), np.uint8)
    return Dataset(x, np.zeros(1), vocabulary=256, tokenizer=tokenizers.Bytes())


def test_the_tenth_of_the_tokens_that_moved_most_is_marked():
    text = "abcdefghijklmnopqrst"
    gain = np.zeros(30)
    gain[[3, 4]], gain[25] = (1, 2), 9  # the last stands after the text
    assert texts.pieces(dataset(text), 0, gain) == [
        ("abc", False),
        ("de", True),
        ("fghijklmnopqrst", False),
    ]


def test_tokens_that_others_find_likelier_are_never_marked():
    assert texts.pieces(dataset("abc"), 0, np.full(30, -1.0)) == [("abc", False)]
    assert texts.pieces(dataset("abc"), 0) == [("abc", False)]
    assert texts.pieces(None, 0) == []
