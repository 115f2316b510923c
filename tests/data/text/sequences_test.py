import numpy as np
import pytest

from lira_jax.data.text import sequences
from lira_jax.errors import UserError


def test_units_become_sequences_of_one_length(capsys):
    units = [np.arange(n, dtype=np.int32) for n in (3, 1, 7, 2)]
    x = sequences.pad(units, 4, "line")
    assert x.tolist() == [[0, 1, 2, -1], [0, 1, 2, 3], [4, 5, 6, -1], [0, 1, -1, -1]]
    assert sequences.lengths(x).tolist() == [3, 4, 3, 2]
    said = capsys.readouterr()
    assert "1 of 4 lines are longer than --context=4" in said.out + said.err
    assert "1 sequences of fewer than 2" in said.out + said.err


def test_windows_cover_the_text_but_its_end():
    assert sequences.windows(np.arange(11), 3).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_tokens_beyond_the_vocabulary_are_refused():
    sequences.check(np.array([[1, 2], [3, -1]], np.int32), 4, "x")
    with pytest.raises(UserError, match="vocabulary has 3"):
        sequences.check(np.array([[1, 2], [3, -1]], np.int32), 3, "x")
    with pytest.raises(UserError, match="at least 2"):
        sequences.check(np.zeros((1, 2), np.int32), 3, "x")
