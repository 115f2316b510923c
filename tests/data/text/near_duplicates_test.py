import numpy as np

from lira_jax.data import load
from lira_jax.data.text import near_duplicates

PASSAGE = [f"word{i}" for i in range(13)]


def by_hand(texts, length):
    """Every pair of texts, every pair of runs."""
    runs = []
    for text in texts:
        words = text.lower().split()
        runs.append({tuple(words[i : i + length]) for i in range(len(words) - length + 1)})
    return [i for i in range(len(texts)) if any(runs[i] & runs[j] for j in range(i))]


def test_those_that_share_a_run_of_words_are_those_of_a_loop_over_pairs():
    rng = np.random.default_rng(0)
    for length in (1, 3, 4):
        texts = [" ".join(rng.choice(list("abC"), rng.integers(0, 9))) for _ in range(30)]
        assert near_duplicates.of_texts(texts, length).tolist() == by_hand(texts, length)
    assert near_duplicates.of_texts(["", "a"]).tolist() == []


def test_thirteen_words_are_a_near_duplicate_and_twelve_are_not(tmp_path, capsys):
    lines = [
        " ".join(["ALPHA", *PASSAGE, "omega"]),
        " ".join(PASSAGE[:12]),
        "\t".join(["so", *PASSAGE]),
        "something else",
        "something else",
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    data = load.load("text", str(tmp_path / "a.txt"))
    said = "".join(capsys.readouterr())
    assert "1 of 5 sequences share 13 words in a row" in said
    assert "1 of 5 examples equal an earlier one" in said
    assert near_duplicates.find(data).tolist() == [2]
    kept = load.load("text", str(tmp_path / "a.txt"), drop_duplicates=True)
    np.testing.assert_array_equal(kept.x, data.x[[0, 1, 3]])
