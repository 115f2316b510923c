"""Reads a data set into memory by its name. A new one is a reader and a line in READERS."""

import difflib
import os
import pathlib
from collections.abc import Callable

import numpy as np

from lira_jax import progress
from lira_jax.data import dataset as datasets
from lira_jax.data import duplicates
from lira_jax.data.dataset import Dataset
from lira_jax.data.readers import arrays, cifar, digits, folder, idx, tabular, text, tfds
from lira_jax.data.readers.reading import reading
from lira_jax.data.text import near_duplicates
from lira_jax.errors import UserError

# name: (reader, what --data_path must be; "" for a reader that takes no path). tfds:NAME goes to
# tfds.read.
READERS: dict[str, tuple[Callable[..., Dataset], str]] = {
    "digits": (digits.read, ""),
    "npz": (arrays.read_npz, "an .npz file with x and y (and x_test, y_test)"),
    "npy": (arrays.read_npy, "a folder with x.npy and y.npy (and x_test.npy, y_test.npy)"),
    "cifar10": (cifar.read_cifar10, "cifar-10-python.tar.gz or the folder it unpacks to"),
    "cifar100": (cifar.read_cifar100, "cifar-100-python.tar.gz or the folder it unpacks to"),
    "idx": (idx.read, "a folder with train-images-idx3-ubyte and its companions, plain or .gz"),
    "folder": (folder.read, "a folder with a folder of images for each class"),
    "text": (text.read, "a .txt or .jsonl file, a folder of them, or an .npz with UTF-8 bytes"),
    "tabular": (tabular.read, "a file of rows label,feature,feature,..., plain, .gz, .tgz or .npz"),
    "purchase100": (
        tabular.read_purchase100,
        "dataset_purchase.tgz or the file in it, or an .npz of it",
    ),
    "texas100": (
        tabular.read_texas100,
        "dataset_texas.tgz or a folder with feats and labels, or an .npz of it",
    ),
    "location30": (
        tabular.read_location30,
        "dataset_location.tgz or the file in it, or an .npz of it",
    ),
}


def load(
    dataset: str,
    data_path: str = "",
    *,
    num_examples: int = 0,
    drop_duplicates: bool = False,
    seed: int = 0,
    data_dir: str = "",
    splits: str = "",
    test_splits: str = "",
    as_tokens: text.Settings | None = None,
    image_size: int = 0,
    with_test: bool = False,
) -> Dataset:
    """Reads and checks a data set, then cuts it as asked.

    Warns of exact duplicates among the examples it returns, for a copy's membership bit is not the
    whole truth, and of examples that only the cast to float32 makes equal.

    Args:
      dataset: A name in READERS, or tfds:NAME.
      data_path: The file or folder that READERS says; "" for digits and tfds:NAME.
      num_examples: Size of a random subset of x; 0 for all.
      drop_duplicates: Whether to remove all but the first of equal examples, and of text those
        that share a run of words with an earlier one, before the subset is drawn.
      seed: Seed of the subset.
      data_dir: Where tfds keeps its data sets; only for tfds:NAME, as are the next two.
      splits: The tfds splits that make up x, joined by "+"; "" for train.
      test_splits: The tfds splits that make up x_test; "" for test if there is one.
      as_tokens: How text becomes sequences; only for text, also of tfds.
      image_size: Pixels each way that images get; only for folder. 0 leaves them as they are.
      with_test: Whether x is the training set and the test set after it (`datasets.joined`).

    Returns:
      The data set, as `lira_jax.data.dataset.check` leaves it.

    Raises:
      UserError: An unknown name, a flag the reader has no use for, or data that cannot be read or
        used.
    """
    name, _, tfds_name = dataset.partition(":")
    if dataset != "folder" and image_size:
        _refuse(dataset, image_size=str(image_size))
    if name == "tfds" and tfds_name:
        _refuse(dataset, data_path=data_path)
        data = tfds.read(tfds_name, data_dir, splits, test_splits, as_tokens)
    else:
        _refuse(dataset, data_dir=data_dir, splits=splits, test_splits=test_splits)
        if dataset != "text" and as_tokens is not None:
            given, usual = vars(as_tokens), vars(text.Settings())
            _refuse(dataset, **{n: str(v) for n, v in given.items() if v != usual[n]})
        data = _read(dataset, data_path, as_tokens or text.Settings(), image_size)
    read = data
    data = datasets.check(data, f"--data_path={data_path}" if data_path else f"--dataset={dataset}")
    raw = np.asarray(read.x)
    if with_test:
        data, raw = datasets.joined(data), np.concatenate([raw, np.asarray(read.x_test)])
    raw = raw.reshape(data.x.shape)  # [N, H, W] has got a channel axis
    if drop_duplicates:
        copies, _ = duplicates.find(data.x, raw)
        if data.is_text:
            copies = np.union1d(copies, near_duplicates.find(data))
        kept = np.setdiff1d(np.arange(len(data.x)), copies)
        data, raw = datasets.take(data, kept), raw[kept]
    if num_examples:
        chosen = datasets.draw_subset(len(data.x), num_examples, seed)
        data, raw = datasets.take(data, chosen), raw[chosen]
    _tell_of_copies(dataset, data, raw)
    return data


def _tell_of_copies(dataset: str, data: Dataset, raw: np.ndarray) -> None:
    x = data.x
    copies, merged = duplicates.find(x, raw)
    if data.is_text and len(near := np.setdiff1d(near_duplicates.find(data), copies)):
        progress.remark(
            f"--dataset={dataset}: {len(near)} of {len(x)} sequences share {near_duplicates.WORDS} "
            "words in a row with an earlier one, so their membership is not what the masks say; "
            "--drop_duplicates removes them"
        )
    if len(copies):
        progress.remark(
            f"--dataset={dataset}: {len(copies)} of {len(x)} examples equal an earlier one "
            "exactly, so their membership is not what the masks say; --drop_duplicates removes them"
        )
    rounded = duplicates.rounding(x, raw, len(merged))
    if rounded:
        progress.remark(f"--dataset={dataset}: {rounded}")


def load_spec(spec: str, data_dir: str = "") -> Dataset:
    """Reads a data set described in one word: NAME, NAME:PATH or tfds:NAME.

    Raises:
      UserError: as `load`.
    """
    name, _, path = spec.partition(":")
    return load(spec, data_dir=data_dir) if name == "tfds" else load(name, path)


def _read(dataset: str, data_path: str, as_tokens: text.Settings, image_size: int = 0) -> Dataset:
    if dataset not in READERS:
        near = difflib.get_close_matches(dataset, [*READERS, "tfds:NAME"], 1)
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        raise UserError(f"--dataset={dataset}: unknown; {hint} {', '.join(READERS)} and tfds:NAME")
    reader, wanted = READERS[dataset]
    if not wanted:
        _refuse(dataset, data_path=data_path)
        return reader()
    if not data_path:
        raise UserError(f"--dataset={dataset} needs --data_path, {wanted}")
    path = pathlib.Path(os.path.expanduser(data_path))
    with reading(f"--data_path={data_path}"):
        if not path.exists():
            raise UserError(
                f"--data_path={data_path}: no such file or folder; --dataset={dataset} reads "
                f"{wanted}"
            )
        if not (path.is_file() or path.is_dir()):
            raise UserError(
                f"--data_path={data_path}: neither a file nor a folder; write the data to a file"
            )
        if reader is folder.read:
            return reader(path, image_size)
        return reader(path, as_tokens) if reader is text.read else reader(path)


def _refuse(dataset: str, **flags: str) -> None:
    for flag, value in flags.items():
        if value:
            raise UserError(
                f"--{flag}={value}: --dataset={dataset} has no use for it; leave it out"
            )
