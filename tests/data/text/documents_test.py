import gzip

import numpy as np
import pytest

from lira_jax.data.text import documents
from lira_jax.errors import UserError


def test_documents_are_apart_by_blank_lines_or_else_are_lines(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\r\n\r\n \nthree\n")
    assert documents.read(tmp_path / "a.txt") == (["one\ntwo", "three\n"], None)
    (tmp_path / "b.txt").write_text("one\ntwo\n")
    assert documents.read(tmp_path / "b.txt") == (["one", "two", ""], None)
    assert documents.lines(["one\ntwo ", "three\n"]) == ["one", "two", "three"]


def test_json_lines_and_compressed_files_in_folders(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "train/1.jsonl").write_text('{"text": "a\\nb"}\n\n{"text": "c", "id": 3}\n')
    with gzip.open(tmp_path / "train/2.txt.gz", "wb") as file:
        file.write(b"d\n\ne")
    (tmp_path / "test/1.txt").write_text("f")
    (tmp_path / "train/ignored.pdf").write_bytes(b"\xff")
    assert documents.read(tmp_path) == (["a\nb", "c", "d", "e"], ["f"])


def test_bytes_in_an_archive(tmp_path):
    text = np.frombuffer("é\n\nb".encode(), np.uint8)
    np.savez(tmp_path / "text.npz", train=text, valid=text[-1:], extra=np.arange(3))
    assert documents.read(tmp_path / "text.npz") == (["é", "b"], ["b"])
    np.savez(tmp_path / "other.npz", x=text)
    with pytest.raises(UserError, match="no array train or text"):
        documents.read(tmp_path / "other.npz")
    np.savez(tmp_path / "words.npz", train=np.array(["a"]))
    with pytest.raises(UserError, match="uint8"):
        documents.read(tmp_path / "words.npz")


@pytest.mark.parametrize("line", ["{", "3", '{"text": 3}', '{"words": "a"}', "null"])
def test_a_line_that_is_no_document_is_named(tmp_path, line):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n' + line)
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: "):
        documents.read(tmp_path / "a.jsonl")


def test_a_folder_without_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(UserError, match=r"\.jsonl"):
        documents.read(tmp_path)
