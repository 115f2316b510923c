import gzip
import io
import os
import tarfile

import numpy as np
import pytest

from lira_jax import progress
from lira_jax.data.dataset import check
from lira_jax.data.readers import delimited, tabular
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 2, (30, 8)), np.arange(30) % 5


def _text(x=X, labels=None):
    labels = Y + 1 if labels is None else labels
    return "".join(
        f"{label},{','.join(map(str, row))}\n" for label, row in zip(labels, x, strict=True)
    ).encode()


def _tar(path, mode="w:gz", **files):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _plain(folder):
    (folder / "rows.csv").write_bytes(_text())
    return folder / "rows.csv"


def _gzipped(folder):
    (folder / "rows.txt.gz").write_bytes(gzip.compress(_text()))
    return folder / "rows.txt.gz"


def _archive(folder):
    return _tar(
        folder / "dataset_location.tgz",
        **{"bangkok": _text(), "._bangkok": b"what macOS leaves behind"},
    )


def _two_in_archive(folder):
    labels = "".join(f"{label}\n" for label in Y + 1).encode()
    features = "".join(",".join(map(str, row)) + "\n" for row in X).encode()
    return _tar(
        folder / "dataset_texas.tgz", **{"texas/100/feats": features, "texas/100/labels": labels}
    )


def _two_in_folder(folder):
    np.savetxt(folder / "labels", Y + 1, fmt="%d")
    np.savetxt(folder / "feats", X, fmt="%d", delimiter=",")
    return folder


def _one_hot_npz(folder):
    np.savez(folder / "purchase100.npz", features=X, labels=np.eye(5)[Y])
    return folder / "purchase100.npz"


def _numbered_npz(folder):
    np.savez(folder / "data", features=X, labels=Y + 1)
    return (folder / "data.npz").rename(folder / "name_without_suffix")


@pytest.mark.parametrize(
    "make",
    [_plain, _gzipped, _archive, _two_in_archive, _two_in_folder, _one_hot_npz, _numbered_npz],
)
def test_every_form_gives_the_same_table(tmp_path, make):
    data = check(tabular.read(make(tmp_path)))
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    assert data.x.dtype == np.uint8
    assert data.num_classes == 5


def test_an_archive_is_not_unpacked_to_disk(tmp_path):
    path = _archive(tmp_path)
    tabular.read(path)
    assert os.listdir(tmp_path) == [path.name]


def test_labels_from_zero_stay(tmp_path):
    (tmp_path / "rows").write_bytes(_text(labels=Y))
    np.testing.assert_array_equal(tabular.read(tmp_path / "rows").y, Y)


def test_both_label_sets_of_an_npz_are_shifted_alike(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y + 1, x_test=X[:9], y_test=Y[:9] + 1)
    np.testing.assert_array_equal(tabular.read(tmp_path / "d.npz").y_test, Y[:9])


def test_rows_that_are_not_small_whole_numbers_become_floats(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_ROWS_AT_ONCE", 4)
    x = X.astype(float)
    x[29, 7] = -0.125
    (tmp_path / "rows").write_bytes(_text(x))
    data = tabular.read(tmp_path / "rows")
    assert data.x.dtype == np.float64  # so that equal rows are told from those that float32 merges
    np.testing.assert_array_equal(data.x, x)
    assert check(data).x.dtype == np.float32


@pytest.mark.parametrize("rows_at_once", [1, 7, 30, 31])
def test_blocks_do_not_show(tmp_path, monkeypatch, rows_at_once):
    monkeypatch.setattr(delimited, "_ROWS_AT_ONCE", rows_at_once)
    (tmp_path / "rows").write_bytes(b"\xef\xbb\xbf" + _text().replace(b"\n", b"\r\n\r\n"))
    data = tabular.read(tmp_path / "rows")
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)


@pytest.mark.parametrize("rows_at_once", [4, 4096])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [*lines[:10], b"1,0,1", *lines[11:]], "line 11 has 3 fields, the first 9"),
        (
            lambda lines: [*lines[:8], *(b"1,0" for _ in lines[8:])],
            "line 9 has 2 fields, the first 9",
        ),
        (
            lambda lines: [b"label,a,b,c,d,e,f,g", *lines],
            "its header, line 1, has 8 names, the row below 9 fields",
        ),
        (
            lambda lines: [*lines[:10], lines[10] + b"x", *lines[11:]],
            r"line 11, column 9 has '.x' where a number should be; .* separated by ','\)",
        ),
        (lambda lines: [], "no rows in it"),
        (
            lambda lines: [b"\xff\xfe" + lines[0], *lines[1:]],
            "damaged, or not UTF-8 text .*; save it as UTF-8",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path, monkeypatch, rows_at_once, damage, message):
    monkeypatch.setattr(delimited, "_ROWS_AT_ONCE", rows_at_once)
    (tmp_path / "rows").write_bytes(b"\n".join(damage(_text().splitlines())))
    with pytest.raises(UserError, match=message) as error:
        tabular.read(tmp_path / "rows")
    assert str(error.value).startswith(f"--data_path={tmp_path}/rows: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("labels", [Y + 2, Y * 2, Y - 1, Y + 0.5, np.where(Y == 2, 3, Y)])
def test_labels_with_gaps_are_refused(tmp_path, labels):
    (tmp_path / "rows").write_bytes(_text(labels=labels))
    with pytest.raises(
        UserError, match=r"number the classes 0\.\.K-1 or 1\.\.K without a gap; if another"
    ):
        tabular.read(tmp_path / "rows")


@pytest.fixture
def remarks(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "remark", lines.append)
    return lines


def test_a_header_is_told_with_the_column_of_the_labels(tmp_path, remarks):
    rows = np.c_[X[:, :3], Y, X[:, 3:]]
    np.savetxt(tmp_path / "t.csv", rows, fmt="%d", delimiter=";", header="a;b;c;class;d;e;f;g;h")
    data = check(tabular.read(tmp_path / "t.csv"))
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    assert remarks == [
        f"--data_path={tmp_path}/t.csv: line 1 is a header, labels are column 4 ('class')"
    ]


def test_words_as_labels_become_classes(tmp_path, remarks):
    words = np.array(["b", "c", "a", "e", "d"])
    (tmp_path / "t.tsv").write_text(_text(labels=words[Y]).decode().replace(",", "\t"))
    data = check(tabular.read(tmp_path / "t.tsv"))
    assert data.class_names == ("a", "b", "c", "d", "e")
    np.testing.assert_array_equal(np.array(data.class_names)[data.y], words[Y])
    np.testing.assert_array_equal(data.x, X)
    assert not remarks


INDEX = np.arange(30)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_text(np.c_[Y, X], INDEX), "column 1 has 30 different labels in 30 rows: it numbers the"),
        (_text(np.c_[Y, X], INDEX + 1), "column 1 has 30 different labels in 30 rows"),
        (_text(np.c_[Y, X], RNG.permutation(30)), "column 1 has 30 different labels"),
        (_text(X, RNG.normal(size=30).round(6)), "or is a quantity; put class labels into the"),
        (_text(X, [f"row {i}" for i in INDEX]), "column 1 has 30 different labels"),
        (
            b",label,a,b\n" + b"".join(b"%d,%d,0,1\n" % (i, i) for i in INDEX),
            r"column 2 \('label'\) has 30 different labels",
        ),
        (b"".join(b"%d\n" % label for label in Y), "line 1 has one column; give rows"),
        (b"<html>\n<p>not found</p>\n</html>\n", "one column|has .* fields"),
    ],
)
def test_a_running_index_or_a_quantity_is_no_label(tmp_path, text, message):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(UserError, match=message):
        check(tabular.read(tmp_path / "t.csv"))


def test_a_feature_that_numbers_the_rows_is_told(tmp_path, remarks):
    (tmp_path / "t.csv").write_bytes(_text(np.c_[X, INDEX + 7], Y))
    tabular.read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"id,class," + b"a," * 7 + b"a\n" + _text(np.c_[Y, X], INDEX))
    tabular.read(tmp_path / "t.csv")
    assert "column 10 numbers the rows; remove it unless it is meant" in remarks[0]
    assert "labels are column 2 ('class')" in remarks[1]
    assert "column 1 ('id') numbers the rows" in remarks[2]


@pytest.mark.parametrize(
    "labels", [Y.astype(str), Y[:0], (Y - 1).astype(float), np.full(30, np.nan)]
)
def test_unusable_labels_of_an_npz_are_told(tmp_path, labels):
    np.savez(tmp_path / "d.npz", x=X, y=labels)
    with pytest.raises(UserError, match=r"d\.npz: "):
        check(tabular.read(tmp_path / "d.npz"), str(tmp_path / "d.npz"))


@pytest.mark.parametrize("make", [_gzipped, _archive, _one_hot_npz])
def test_every_truncation_is_one_line(tmp_path, make):
    path = make(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 13):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as error:
            tabular.read(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_archives_with_something_else_in_them_are_refused(tmp_path):
    with pytest.raises(UserError, match="holds a, b; it must hold one file"):
        tabular.read(_tar(tmp_path / "two.tgz", a=_text(), b=_text()))
    with pytest.raises(UserError, match="holds nothing"):
        tabular.read(_tar(tmp_path / "none.tgz"))
    with pytest.raises(
        UserError, match="holds feats; it must hold one file of rows, or feats and labels"
    ):
        tabular.read(_tar(tmp_path / "half.tgz", feats=_text()))
    with pytest.raises(UserError, match="holds nothing"):
        tabular.read(tmp_path)


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(_text())
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        member = tarfile.TarInfo("rows")
        member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(member)
    with pytest.raises(UserError, match="holds nothing"):
        tabular.read(tmp_path / "link.tar")


@pytest.mark.parametrize(
    ("read", "num_features", "num_classes"),
    [
        (tabular.read_purchase100, 600, 100),
        (tabular.read_texas100, 6169, 100),
        (tabular.read_location30, 446, 30),
    ],
)
def test_named_sets_have_their_published_shape(tmp_path, read, num_features, num_classes):
    x, y = (
        RNG.integers(0, 2, (2 * num_classes, num_features)),
        np.arange(2 * num_classes) % num_classes,
    )
    (tmp_path / "rows").write_bytes(_text(x, y + 1))
    data = check(read(tmp_path / "rows"))
    assert data.x.shape == x.shape
    assert data.num_classes == num_classes
    with pytest.raises(UserError, match=f"has {num_features} features; give its own file"):
        read(_plain(tmp_path))
