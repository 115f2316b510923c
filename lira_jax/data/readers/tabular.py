"""Tables of numbers with a label, as Purchase100, Texas100 and Location30 are given out.

Shokri et al., Membership Inference Attacks against Machine Learning Models, S&P 2017; the archives
are those of github.com/privacytrustlab/datasets.
"""

import contextlib
import dataclasses
import io
import itertools
import pathlib
import tarfile
import zipfile
from collections.abc import Iterator

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.readers import arrays
from lira_jax.data.readers.reading import open_archive, open_member, open_plain_or_gzip, reading
from lira_jax.errors import UserError

_ROWS_AT_ONCE = 4096


def read_purchase100(path: pathlib.Path) -> Dataset:
    """Reads Purchase100 as `read` does: dataset_purchase.tgz, 197324 rows of 600 binary
    features."""
    return _expect(read(path), "purchase100", path, num_features=600, num_classes=100)


def read_texas100(path: pathlib.Path) -> Dataset:
    """Reads Texas100 as `read` does: dataset_texas.tgz, 67330 rows of 6169 binary features."""
    return _expect(read(path), "texas100", path, num_features=6169, num_classes=100)


def read_location30(path: pathlib.Path) -> Dataset:
    """Reads Location30 as `read` does: dataset_location.tgz, 5010 rows of 446 binary features."""
    return _expect(read(path), "location30", path, num_features=446, num_classes=30)


def read(path: pathlib.Path) -> Dataset:
    """Reads rows `label,feature,feature,...`, or features and labels kept apart.

    The file is text, text in .gz, a tar archive (.tgz) of one text file or of the two files `feats`
    and `labels`, a folder with those two, or an .npz for `arrays.read_npz`. Labels 1..K become
    0..K-1.

    Returns:
      x [N, D], uint8 if all features are whole and within 0..255, else float32; y [N].

    Raises:
      UserError: Damaged files, rows that are not numbers or differ in length, labels not 0..K-1 or
        1..K.
    """
    source = f"--data_path={path}"
    if path.is_file() and zipfile.is_zipfile(path):
        data = arrays.read_npz(path)
        return data if data.num_classes else _from_zero(data, source)
    with contextlib.ExitStack() as stack, reading(source):
        files = _open(path, stack)
        if files.keys() == {"feats", "labels"}:
            x = np.concatenate(
                [_compact(block) for block in _blocks(files["feats"], f"{source}: feats")]
            )
            y = np.concatenate(list(_blocks(files["labels"], f"{source}: labels")))
        elif len(files) == 1 and not files.keys() & {"feats", "labels"}:
            (file,) = files.values()
            blocks = [(_compact(block[:, 1:]), block[:, 0]) for block in _blocks(file, source)]
            x, y = (np.concatenate(part) for part in zip(*blocks, strict=True))
        else:
            held = ", ".join(files) or "nothing"
            raise UserError(
                f"{source}: holds {held}; it must hold one file of rows, or feats and labels"
            )
    return _from_zero(Dataset(x, y), source)


def _open(path: pathlib.Path, stack: contextlib.ExitStack) -> dict[str, io.BufferedIOBase]:
    """Opens the text files at path by their names; in an archive, without unpacking it to disk."""
    if path.is_dir():
        names = [name for name in ("feats", "labels") if (path / name).is_file()]
        return {name: stack.enter_context(open_plain_or_gzip(path / name)) for name in names}
    if not tarfile.is_tarfile(path):
        return {path.name: stack.enter_context(open_plain_or_gzip(path))}
    archive = stack.enter_context(open_archive(path))
    members = {
        pathlib.PurePosixPath(member.name).name: member for member in archive if member.isfile()
    }
    # macOS puts a hidden ._name beside each file it packs.
    return {
        name: open_member(archive, members[name]) for name in members if not name.startswith(".")
    }


def _blocks(file: io.BufferedIOBase, source: str) -> Iterator[np.ndarray]:
    """Yields float32 [rows, columns], in blocks: all of Texas100 would take 1.7 GB, as uint8 0.4
    GB."""
    # The stubs ask for a file with a name, for TextIOWrapper.name; reading needs none.
    text = io.TextIOWrapper(file, "utf-8-sig")  # type: ignore[type-var]
    numbered = ((number, line) for number, line in enumerate(text, 1) if line.strip())
    columns = 0
    while rows := list(itertools.islice(numbered, _ROWS_AT_ONCE)):
        try:
            block = np.loadtxt(
                [line for _, line in rows], np.float32, delimiter=",", comments=None, ndmin=2
            )
        except ValueError:
            block = None
        columns = columns or rows[0][1].count(",") + 1
        if block is None or block.shape[1] != columns:
            raise _bad_row(rows, columns, source)
        yield block
    if not columns:
        raise UserError(f"{source}: no rows in it; give a file of rows label,feature,feature,...")


def _bad_row(rows: list[tuple[int, str]], columns: int, source: str) -> UserError:
    for number, line in rows:
        fields = line.strip().split(",")
        if len(fields) != columns:
            return UserError(
                f"{source}: line {number} has {len(fields)} fields, the first {columns}; make "
                "them equal"
            )
        for field in fields:
            try:
                float(field)
            except ValueError:
                return UserError(
                    f"{source}: line {number} has {field[:40]!r} where a number should be; remove "
                    "the line"
                )
    return UserError(
        f"{source}: lines {rows[0][0]} to {rows[-1][0]} are not rows of numbers; repair them"
    )


def _compact(block: np.ndarray) -> np.ndarray:
    whole = (
        block.size and block.min() >= 0 and block.max() <= 255 and (block == np.floor(block)).all()
    )
    return block.astype(np.uint8) if whole else block


def _from_zero(data: Dataset, source: str) -> Dataset:
    labels = np.unique(data.y)
    first = next(
        (
            start
            for start in (0, 1)
            if np.array_equal(labels, np.arange(start, start + len(labels)))
        ),
        None,
    )
    if first is None:
        shown = ", ".join(map(str, labels[:5]))
        raise UserError(
            f"{source}: labels are {shown}, ...; number the classes 0..K-1 or 1..K without a gap"
        )
    y_test = None if data.y_test is None else data.y_test - first
    return dataclasses.replace(data, y=data.y - first, y_test=y_test)


def _expect(
    data: Dataset, name: str, path: pathlib.Path, num_features: int, num_classes: int
) -> Dataset:
    if data.x.shape[1:] != (num_features,):
        raise UserError(
            f"--data_path={path}: examples of shape {data.x.shape[1:]}, but {name} has "
            f"{num_features} features; give its own file or use --dataset=tabular"
        )
    return dataclasses.replace(data, num_classes=num_classes)
