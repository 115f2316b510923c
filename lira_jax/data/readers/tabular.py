"""Tables of numbers with a label, as Purchase100, Texas100 and Location30 are given out.

Shokri et al., Membership Inference Attacks against Machine Learning Models, S&P 2017; the archives
are those of github.com/privacytrustlab/datasets.
"""

import contextlib
import dataclasses
import io
import pathlib
import tarfile
import zipfile

import numpy as np

from lira_jax import progress
from lira_jax.data.dataset import Dataset
from lira_jax.data.readers import arrays, delimited
from lira_jax.data.readers.delimited import Layout
from lira_jax.data.readers.reading import open_archive, open_member, open_plain_or_gzip, reading
from lira_jax.errors import UserError


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

    The file is text, as `delimited.blocks` reads it, text in .gz, a tar archive (.tgz) of one text
    file or of the two files `feats` and `labels`, a folder with those two, or an .npz for
    `arrays.read_npz`. Labels 1..K become 0..K-1.

    Returns:
      x [N, D], uint8 if all features are whole and within 0..255, else float64; y [N], numbers
      or words.

    Raises:
      UserError: Damaged files, rows that are not numbers or differ in length, labels not 0..K-1 or
        1..K, or as many classes as rows.
    """
    source = f"--data_path={path}"
    if path.is_file() and zipfile.is_zipfile(path):
        data = arrays.read_npz(path)
        return data if data.num_classes else _from_zero(data, source)
    with contextlib.ExitStack() as stack, reading(source):
        files = _open(path, stack)
        if files.keys() == {"feats", "labels"}:
            _, _, x = _table(files["feats"], f"{source}: feats", labelled=False)
            layout, y, _ = _table(files["labels"], f"{source}: labels")
        elif len(files) == 1 and not files.keys() & {"feats", "labels"}:
            (file,) = files.values()
            layout, y, x = _table(file, source)
            if not x.shape[1]:
                raise UserError(
                    f"{source}: line 1 has one column; give rows label,feature,feature,..., with "
                    "commas, semicolons, tabs or blanks between them"
                )
        else:
            held = ", ".join(files) or "nothing"
            raise UserError(
                f"{source}: holds {held}; it must hold one file of rows, or feats and labels"
            )
    _tell_of_layout(source, layout, x)
    return _from_zero(Dataset(x, y), source, layout.column(layout.label))


def _table(
    file: io.BufferedIOBase, source: str, labelled: bool = True
) -> tuple[Layout, np.ndarray, np.ndarray]:
    """The layout, labels [N] and features [N, D] of a file, uint8 if they are bytes."""
    parts = [(layout, y, _compact(x)) for layout, y, x in delimited.blocks(file, source, labelled)]
    layouts, labels, features = zip(*parts, strict=True)
    return layouts[0], np.concatenate(labels), np.concatenate(features)


def _tell_of_layout(source: str, layout: Layout, x: np.ndarray) -> None:
    if layout.header:
        labels = layout.column(layout.label)
        progress.remark(f"{source}: line {layout.header[0]} is a header, labels are {labels}")
    rows = np.arange(len(x))
    running = np.flatnonzero(x[-1] - x[0].astype(float) == rows[-1]) if len(x) > 9 else ()
    for index in map(int, running):
        if np.array_equal(x[:, index] - x[0, index].astype(float), rows):
            name = layout.column(index + (layout.label is not None and index >= layout.label))
            progress.remark(f"{source}: {name} numbers the rows; remove it unless it is meant")


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


def _compact(block: np.ndarray) -> np.ndarray:
    whole = (
        block.size and block.min() >= 0 and block.max() <= 255 and (block == np.floor(block)).all()
    )
    return block.astype(np.uint8) if whole else block


def _from_zero(data: Dataset, source: str, column: str = "y") -> Dataset:
    """The data with classes numbered from 0."""
    labels = np.unique(data.y)
    if 1 < len(labels) == len(data.y):
        raise UserError(
            f"{source}: {column} has {len(labels)} different labels in {len(data.y)} rows: it "
            "numbers the rows, or is a quantity; put class labels into the first column, or call "
            "theirs label in a header"
        )
    if labels.dtype.kind not in "buif":
        return data  # words, which become numbers where all data are checked
    first = next(
        (
            start
            for start in (0, 1)
            if np.array_equal(labels, np.arange(start, start + len(labels)))
        ),
        None,
    )
    if first is None:
        shown = ", ".join(f"{label:.16g}" for label in labels[:5])
        raise UserError(
            f"{source}: labels in {column} are {shown}, ...; number the classes 0..K-1 or 1..K "
            "without a gap; if another column has the labels, call it label in a header"
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
