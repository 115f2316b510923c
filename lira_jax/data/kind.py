"""Which reader a path is for, by its name and by what lies in it; nothing is read."""

import itertools
import os
import pathlib

from lira_jax.data.readers import image
from lira_jax.errors import UserError

_ARCHIVES = {
    "cifar-10": "cifar10",
    "cifar-100": "cifar100",
    "dataset_purchase": "purchase100",
    "dataset_texas": "texas100",
    "dataset_location": "location30",
}
"""How the files begin that some data sets are given out in."""

_SUFFIXES = {
    ".npz": "npz",
    ".txt": "text",
    ".jsonl": "text",
    **dict.fromkeys((".csv", ".tsv", ".data", ".tgz"), "tabular"),
}
_TELLING = {
    "x.npy": "npy",
    "data_batch_1": "cifar10",
    "meta": "cifar100",
    "feats": "tabular",
}
"""Files that a folder of some reader has in it."""

_LOOKED_AT = 1000  # files of a folder


def of_path(path: str) -> str:
    """The name of the reader that a path is for, as --dataset has it.

    Raises:
      UserError: there is no such path, or it looks like none of them.
    """
    place = pathlib.Path(os.path.expanduser(path))
    if not place.exists():
        raise UserError(f"--data_path={path}: no such file or folder")
    for begin, reader in sorted(_ARCHIVES.items(), reverse=True):  # cifar-100 before cifar-10
        if place.name.startswith(begin):
            return reader
    found = _of_folder(place) if place.is_dir() else _of_file(place)
    if not found and place.is_dir():
        raise UserError(
            f"--data_path={path}: neither files of a known kind nor folders in it; put the images "
            "of each class into a folder of its own, or say by --dataset what it is"
        )
    if not found:
        raise UserError(
            f"--data_path={path}: its name does not tell what it is; say so by --dataset, such as "
            "--dataset=tabular for a table of numbers, npz, folder or text"
        )
    return found


def without_suffix(path: pathlib.Path) -> str:
    """The name of a file without the suffix that tells its kind; that of a folder as it is."""
    if path.is_dir():
        return path.name
    name = path.name.removesuffix(".gz")
    suffix = pathlib.PurePath(name).suffix
    return name.removesuffix(suffix) if suffix in (*_SUFFIXES, ".flags") else name


def _of_file(path: pathlib.Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return _SUFFIXES.get(pathlib.PurePath(name).suffix, "")


def _of_folder(path: pathlib.Path) -> str:
    names = [entry.name for entry in itertools.islice(os.scandir(path), _LOOKED_AT)]
    for name, reader in _TELLING.items():
        if name in names:
            return reader
    if any("-idx" in name for name in names):
        return "idx"
    if any(_has_images(path / name) for name in names):
        return "folder"  # whatever README.txt lies beside the classes
    if any(_SUFFIXES.get(pathlib.PurePath(name).suffix.lower()) == "text" for name in names):
        return "text"
    return "folder" if any((path / name).is_dir() for name in names) else ""


def _has_images(path: pathlib.Path) -> bool:
    """Whether a folder, that of a class perhaps, has an image among its first files."""
    if not path.is_dir():
        return False
    return any(
        pathlib.PurePath(entry.name).suffix.lower() in image.SUFFIXES
        for entry in itertools.islice(os.scandir(path), _LOOKED_AT)
    )
