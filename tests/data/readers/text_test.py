import numpy as np
import pytest

from lira_jax.data import load, outliers, probes
from lira_jax.data.readers.text import Settings, read
from lira_jax.errors import UserError

TEXT = "To be, or not\nto be\n\nthat is\n\n\nthe question:\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "hamlet.txt").write_text(TEXT)
    return tmp_path / "hamlet.txt"


def words(dataset):
    return [bytes(row[row >= 0].astype(np.uint8)).decode() for row in dataset.x]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ["To be, or not", "to be", "that is", "the question:"]),
        (Settings("document"), ["To be, or not\nto be", "that is", "the question:"]),
        (Settings(context=8), ["To be, o", "r not", "to be", "that is", "the ques", "tion:"]),
        (Settings("window:10"), ["To be, or ", "not\nto be\n", "that is\nth"]),
    ],
)
def test_what_has_a_membership_bit(path, settings, expected):
    found = read(path, settings)
    assert words(found)[:3] == expected[:3]
    assert words(found)[: len(expected)] == expected
    assert found.x.dtype == np.int32
    assert found.vocabulary == 256
    assert not found.y.any()


def test_a_test_set_has_the_pools_length(tmp_path):
    np.savez(
        tmp_path / "t.npz",
        train=np.frombuffer(b"ab\ncde", np.uint8),
        test=np.frombuffer(b"abcdefg", np.uint8),
    )
    found = load.load("text", str(tmp_path / "t.npz"))
    assert found.x.shape == (2, 7)
    assert found.x_test.shape == (1, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings("word"), "--unit=word"),
        (Settings("window"), "--unit=window"),
        (Settings("window:x"), "--unit=window:x"),
        (Settings("line:3"), "--unit=line:3"),
        (Settings(context=1), "--context=1"),
        (Settings(tokenizer="bert"), "--tokenizer=bert"),
        (Settings("window:1000"), "at least 2 are needed; give more text, or a shorter window"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(path, settings, message):
    with pytest.raises(UserError, match=message) as refused:
        load.load("text", str(path), as_tokens=settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b" \n\n \n", b"caf\xe9 au lait\nnoir"])
def test_no_text_or_another_encoding_is_refused(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"^--data_path=.*a\.txt: "):
        load.load("text", str(tmp_path / "a.txt"))


def test_copies_are_counted_and_dropped(path, tmp_path, capsys):
    (tmp_path / "twice.txt").write_text(TEXT + "to be\n")
    load.load("text", str(tmp_path / "twice.txt"))
    assert "1 of 5 examples equal" in "".join(capsys.readouterr())
    assert len(load.load("text", str(tmp_path / "twice.txt"), drop_duplicates=True).x) == 4


def test_other_data_have_no_use_for_how_text_is_cut():
    with pytest.raises(UserError, match="--unit=document: --dataset=digits has no use for it"):
        load.load("digits", as_tokens=Settings("document"))
    load.load("digits", as_tokens=Settings())


def test_text_has_neither_outliers_nor_probes(path):
    data = load.load("text", str(path))
    with pytest.raises(UserError, match="--outliers=1: text has none"):
        outliers.inject(data, 1, "random_labels", 0, load.load_spec)
    with pytest.raises(UserError, match="noise: there are no probes for text"):
        probes.make("noise", data, None, 0, load.load_spec)
