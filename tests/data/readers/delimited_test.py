"""However a program writes a table, the numbers are the same, or a line and a column are named."""

import contextlib
import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.data.readers import delimited
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
Y = np.arange(40) % 4
X = np.round(RNG.normal(size=(40, 3)), 3)
NAMES = ["a", "b", "c"]


def _read(text, labelled=True):
    data = text if isinstance(text, bytes) else text.encode()
    parts = list(delimited.blocks(io.BytesIO(data), "f.csv", labelled))
    _, labels, features = zip(*parts, strict=True)
    return np.concatenate(labels), np.concatenate(features)


def _write(separator=",", header=None, labels=Y, x=X, end="\n", **options):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end, **options)
    if header:
        writer.writerow(header)
    writer.writerows([[label, *row] for label, row in zip(labels, x.tolist(), strict=True)])
    return file.getvalue()


def _table(fmt="%.18g", **options):
    """As numpy.savetxt writes it."""
    file = io.StringIO()
    np.savetxt(file, np.c_[Y, X], fmt=fmt, **options)
    return file.getvalue()


FORMS = {
    "plain": _write(),
    "semicolons": _write(";"),
    "tabs": _write("\t"),
    "bars": _write("|"),
    "blanks": _table(),
    "columns of blanks": _table("%24.18g"),
    "blanks after commas": _write().replace(",", ",  "),
    "header": _write(header=["label", *NAMES]),
    "header of other words": _write(header=["species", *NAMES]),
    "header in quotes with commas": _write(header=["class", "a, b", "b;", "c\td"]),
    "header of semicolons": _write(";", header=["Label", *NAMES]),
    "numbered header with a name first": _write(header=["label", "0", "1", "2"]),
    "numbered header, as of pandas": _write(header=["0", "1", "2", "3"]),
    "comment, as of numpy": _table(delimiter=",", header="label,a,b,c"),
    "several comments": "# made by hand\n#\n\n" + _write(),
    "quoted": _write(quoting=csv.QUOTE_ALL),
    "quoted header only": _write(header=['"label', *NAMES], quoting=csv.QUOTE_MINIMAL),
    "numbers quoted late": _write().replace("\n3,", '\n"3",'),
    "trailing commas": _write().replace("\n", ",\n"),
    "trailing commas and header": _write(header=["y", *NAMES]).replace("\n", ",\n"),
    "trailing tabs": _write("\t").replace("\n", "\t\n"),
    "CRLF": _write(end="\r\n"),
    "CR": _write(end="\r"),
    "BOM": "\ufeff" + _write(header=["label", *NAMES]),
    "blank lines": _write().replace("\n", "\n\n  \n"),
    "empty rows, as of Excel": _write() + ",,,\n" * 5,
    "no last line break": _write().rstrip(),
    "no last line break and CRLF": _write(end="\r\n").rstrip(),
    "labels as floats": _write(labels=Y.astype(float)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rows_at_once", [7, 4096])
def test_every_form_gives_the_same_numbers(form, rows_at_once, monkeypatch):
    monkeypatch.setattr(delimited, "_ROWS_AT_ONCE", rows_at_once)
    labels, x = _read(FORMS[form])
    np.testing.assert_array_equal(labels, Y)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (["a", "b", "c", "label"], 3),
        (["a", "Target", "b", "c"], 1),
        (["a", "b", "c", "y"], 3),
        (["label", "b", "c", "y"], 0),
        (["x", "b", "c", "y"], 0),  # coordinates, perhaps
        (["q", "b", "y", "c"], 0),
        (["q", "b", "c", "d"], 0),
    ],
)
def test_the_header_says_where_the_labels_are_else_they_are_the_first_column(header, place):
    table = np.c_[X, Y]
    text = _write(header=header, labels=table[:, 0], x=table[:, 1:])
    labels, x = _read(text)
    np.testing.assert_array_equal(labels, table[:, place])
    np.testing.assert_array_equal(x, np.delete(table, place, axis=1))


def test_two_names_of_labels_are_refused():
    with pytest.raises(UserError, match=r"both 'class' and 'label' may be the labels"):
        _read(_write(header=["a", "class", "label", "c"]))


@pytest.mark.parametrize("words", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
def test_truth_values_are_one_and_nought(words):
    bits = RNG.random((30, 4)) > 0.5
    rows = ["".join(f",{words[0] if bit else words[1]}" for bit in row) for row in bits]
    labels, x = _read("".join(f"{i % 3}{row}\n" for i, row in enumerate(rows)))
    np.testing.assert_array_equal(labels, np.arange(30) % 3)
    np.testing.assert_array_equal(x, bits)


def test_labels_may_be_words():
    words = np.array(["setosa", "virginica, dark", "zürich", "True north"])[Y]
    for text in (
        _write(labels=words),
        _write("\t", labels=words, header=["label", *NAMES]),
        _write(";", labels=words, quoting=csv.QUOTE_ALL, end="\r\n"),
    ):
        labels, x = _read(text)
        assert labels.tolist() == words.tolist()
        np.testing.assert_array_equal(x, X)


def test_labels_alone_and_features_alone():
    labels, x = _read("".join(f"{label}\n" for label in Y))
    np.testing.assert_array_equal(labels, Y)
    assert x.shape == (40, 0)
    labels, x = _read("label\n" + "".join(f"{label}\n" for label in Y))
    np.testing.assert_array_equal(labels, Y)
    words = ["cat", "dog", "cat"]
    assert _read("\n".join(words))[0].tolist() == words
    assert _read("class\n" + "\n".join(words))[0].tolist() == words
    labels, x = _read("1,2\n3,4\n", labelled=False)
    assert labels.size == 0
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])


def _line(number, text):
    lines = _write(";", header=["label", *NAMES]).splitlines()
    lines[number - 1] = text
    return "\n".join(lines)


@pytest.mark.parametrize("rows_at_once", [5, 4096])
@pytest.mark.parametrize("line", [3, 31])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1;2;;4", r"column 3 \('b'\) has no value; fill it in, or remove the line"),
        ("1;NA;2;4", r"column 2 \('a'\) has no value, but 'NA'; fill"),
        ("1;nan;2;4", r"column 2 \('a'\) has no value, but 'nan'"),
        ("1;2;-inf;4", r"column 3 \('b'\) has no value, but '-inf'"),
        ("1;2;3;", r"column 4 \('c'\) has no value"),
        ("1;2,5;3;4", r"column 2 \('a'\) has '2,5' where a number should be; write it like 1234.5"),
        ("1;Rome;3;4", r"column 2 \('a'\) has 'Rome' where a number should be; write words as n"),
        ('1;"1,234";3;4', r"column 2 \('a'\) has '1,234' where"),
        ("1;1_000;3;4", r"column 2 \('a'\) has '1_000' where"),
        ("1;1 000;3;4", r"column 2 \('a'\) has '1 000' where"),
        ("1;2;3;4x", r"column 4 \('c'\) has '4x' where"),
        ("1;2;3;0x1F", r"column 4 \('c'\) has '0x1F' where"),
        ("1;2;3;12 %", r"column 4 \('c'\) has '12 %' where"),
        ("1;2;3;2024-01-02", r"column 4 \('c'\) has '2024-01-02' where"),
        ("1;2;3;1e999", r"column 4 \('c'\) has '1e999', too large"),
        ("1;2;3;1700000000123456789", r"column 4 \('c'\) has 17\d+, of which a float64 keeps 16"),
        ("1;2;3;-1700000000123456789", r"column 4 \('c'\) has -17\d+, of which a float64 keeps"),
        ("1;2;3;\x00", r"column 4 \('c'\) has '\\x00' where|line contains NUL"),
        ("1;2;3", r"3 fields, the first 4 \(separated by ';'\); make them equal"),
        ("1;2;3;4;5", r"5 fields, the first 4 \(separated by ';'\)"),
        ("1,2,3,4", r"1 fields, the first 4 \(separated by ';'\)"),
        ('1;"2;3;4', r"2 fields, the first 4|column 2"),
    ],
)
def test_what_is_no_number_is_named_with_separator_line_and_column(
    text, message, line, rows_at_once, monkeypatch
):
    monkeypatch.setattr(delimited, "_ROWS_AT_ONCE", rows_at_once)
    with pytest.raises(UserError, match=rf"^f\.csv: line {line}(, | has |: )({message})") as error:
        _read(_line(line, text))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows in it"),
        ("\n \n,,\n", "no rows in it"),
        ("# nothing\n", "no rows in it"),
        ("1,2\n1,\n", r"line 2, column 2 has no value"),
        ("1,x\n1,2\n0,3\n", r"line 1, column 2 has 'x' where a number should be"),
        ("label,a,b\n", "no rows under its header"),
        ("label;a;b\n1,2,3\n2,3,4\n", "its header, line 1, has 1 names, the row below 3 fields"),
        (_write(header=["a", "b", "c"]), "its header, line 1, has 3 names, the row below 4 fields"),
        (_write().replace("\n3,", "\ncat,"), r"line 4, column 1 has 'cat' where a number"),
        (_write(labels=np.where(Y == 3, "dog", "cat")).replace("\ndog,", "\n,"), "has no value"),
        (
            "\n".join([*(f"{w},1" for w in ["cat", "dog"] * 20), "7,1"]),
            "line 41, column 1 has '7' where other lines have words",
        ),
        ("1 2:0.5 7:1\n2 1:1\n", "line 2 has 2 fields|line 1, column 2 has '2:0.5'"),
        ("9" * 200_000 + ",1\n1,2\n", r"line 1: field larger|has '9{40}'"),
    ],
)
def test_other_tables_are_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as error:
        _read(text)
    assert str(error.value).startswith("f.csv: ")
    assert "\n" not in str(error.value)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=2), min_size=21, max_size=30),
    st.sampled_from([",", ";", "\t", " ", "|"]),
    st.booleans(),
)
def test_floats_come_back_bit_for_bit(rows, separator, header):
    text = f"kind{separator}a{separator}b\n" * header
    for i, row in enumerate(rows):
        text += separator.join([str(i % 3), *map(repr, row)]) + "\n"
    labels, x = _read(text)
    np.testing.assert_array_equal(labels, np.arange(len(rows)) % 3)
    np.testing.assert_array_equal(x, rows)


@settings(max_examples=300)
@given(st.text(alphabet='0123,;\t" \n#.-ex', max_size=60))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(UserError):
        labels, x = _read(text)
        assert len(labels) == len(x)
        assert np.isfinite(x).all()
