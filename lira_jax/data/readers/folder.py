"""Images on disk, a folder for each class."""

import collections
import os
import pathlib
import stat
from collections.abc import Callable

import numpy as np

from lira_jax import progress
from lira_jax.data.dataset import Dataset
from lira_jax.data.readers import image
from lira_jax.data.readers.reading import reading
from lira_jax.errors import UserError

_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
}


def read(path: pathlib.Path, size: int = 0) -> Dataset:
    """Reads path/CLASS/**/IMAGE, or path/train/CLASS/... and path/test/CLASS/...

    It is the second form if train has folders in it. Upper and lower case do not matter in train,
    training, test, testing, val, valid and validation; a validation set is the test set where there
    is no other. Classes are numbered in the order of their names, images in the order of their
    paths. Links are followed. Hidden folders and files are passed over; so are files whose suffix
    is not an image's, which are counted aloud. How images become pixels is said in image.py.

    Args:
      path: The folder.
      size: Pixels each way of the images, as `image.fitted` makes them; 0 leaves them as they are.

    Returns:
      x uint8 [N, H, W, 1] if every image is grey, else [N, H, W, 3]; class_names are the folder
      names.

    Raises:
      UserError: No class folders, splits without them, a class without images, a folder that may
        not be read, images of different sizes, or an unreadable one.
    """
    source = f"--data_path={path}"
    if not path.is_dir():
        raise UserError(f"{source}: not a folder; give the one that holds a folder for each class")
    with reading(source):
        os.listdir(path)  # for its error, which of a folder below names that folder
    train, test = _splits(path, source)
    names = _folders(train)
    if not names:
        raise UserError(f"{source}: no folders in it; put the images of each class into one")
    if len(names) == 1:
        inner = _folders(train / names[0])
        fix = f"give --data_path={train / names[0]}" if inner else "put each class into its own"
        raise UserError(f"{source}: only one folder, {names[0]}, in {train}; {fix}")

    skipped: collections.Counter[str] = collections.Counter()
    files, y = _list(train, names, names, skipped)
    empty = sorted(set(range(len(names))) - set(y))
    if empty:
        raise UserError(
            f"{source}: no images in {train / names[empty[0]]}{_held(skipped)}; add some or remove "
            "it"
        )
    test_files: list[pathlib.Path] = []
    test_y: list[int] = []
    if test is not None:
        test_names = _folders(test)
        unknown = [name for name in test_names if name not in names]
        if unknown:
            raise UserError(
                f"{source}: {test.name}/{unknown[0]} is no class of {train.name}/; rename or "
                "remove it"
            )
        test_files, test_y = _list(test, test_names, names, skipped)
    for folder in {path, train, test or train}:
        outside = [e for e in _entries(folder) if _is(stat.S_ISREG, e) and not _is_hidden(e)]
        skipped.update(f"{pathlib.Path(e).suffix} outside of class folders" for e in outside)
    if skipped:
        progress.remark(f"{source}: {skipped.total()} files are passed over{_held(skipped)}")
    x = _stack(files + test_files, source, size)
    x_test, y_test = (x[len(y) :], np.array(test_y)) if test_y else (None, None)
    shown = (os.fsencode(name).decode("utf-8", "backslashreplace") for name in names)
    return Dataset(x[: len(y)], np.array(y), x_test, y_test, class_names=tuple(shown))


def _splits(path: pathlib.Path, source: str) -> tuple[pathlib.Path, pathlib.Path | None]:
    """The folder that holds the classes, and that of the test set."""
    names = _folders(path)
    found: dict[str, pathlib.Path] = {}
    for name in names:
        kind = _SPLITS.get(name.lower())
        if kind in found:
            raise UserError(f"{source}: both {found[kind].name} and {name} in it; remove one")
        if kind:
            found[kind] = path / name
    if "train" in found and _folders(found["train"]):
        test = found.get("test") or found.get("val")
        used = {found["train"], test}
        if unused := [name for name in names if path / name not in used]:
            progress.remark(f"{source}: {', '.join(unused)} beside the splits is passed over")
        return found["train"], test
    told = " and ".join(folder.name for folder in found.values())
    if found and len(found) == len(names):
        lacks = "a folder for each class in them" if "train" in found else "a train beside it"
        raise UserError(
            f"{source}: it holds {told} without {lacks}; put the images into train/CLASS/ and "
            "test/CLASS/"
        )
    for folder in found.values():
        if both := sorted(set(_folders(folder)) & set(names)):
            raise UserError(
                f"{source}: both {both[0]} and {folder.name}/{both[0]} in it; put the classes of "
                "the training set into train/"
            )
    return path, None


def _entries(path: pathlib.Path) -> list[os.DirEntry]:
    """What is in a folder, by name."""
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}; make the folder readable or remove it"
        ) from None


def _folders(path: pathlib.Path) -> list[str]:
    return [e.name for e in _entries(path) if _is_folder(e)]


def _is_folder(entry: os.DirEntry) -> bool:
    # macOS packs a folder __MACOSX into archives.
    return _is(stat.S_ISDIR, entry) and not _is_hidden(entry) and entry.name != "__MACOSX"


def _is_hidden(entry: os.DirEntry) -> bool:
    return entry.name.startswith(".")


def _is(kind: Callable[[int], bool], entry: os.DirEntry) -> bool:
    """Whether an entry, or what it links to, is of a kind; false where the link leads nowhere."""
    try:
        return kind(entry.stat().st_mode)
    except OSError:
        return False


def _list(
    root: pathlib.Path,
    folders: list[str],
    classes: list[str],
    skipped: collections.Counter[str],
) -> tuple[list[pathlib.Path], list[int]]:
    """The images in folders of root, and for each the place of its folder among classes.

    Other files are counted by their suffix.
    """
    files, labels = [], []
    for folder in folders:
        found = sorted(_images(root / folder, skipped, {os.path.realpath(root / folder)}))
        files += found
        labels += [classes.index(folder)] * len(found)
    return files, labels


def _images(
    folder: pathlib.Path, skipped: collections.Counter[str], above: set[str]
) -> list[pathlib.Path]:
    """The images in a folder and below, where no link leads back to a folder above."""
    found = []
    for entry in _entries(folder):
        if _is_folder(entry):
            real = os.path.realpath(entry)
            if real not in above:
                found += _images(folder / entry.name, skipped, above | {real})
        elif not _is(stat.S_ISDIR, entry) and not _is_hidden(entry):
            suffix = pathlib.Path(entry).suffix
            # A link that leads nowhere is told when it is opened; a pipe would never end.
            is_file = _is(stat.S_ISREG, entry) or (entry.is_symlink() and not os.path.exists(entry))
            if is_file and suffix.lower() in image.SUFFIXES:
                found.append(folder / entry.name)
            else:
                skipped[suffix if is_file else f"{suffix} that are no files"] += 1
    return found


def _held(skipped: collections.Counter[str]) -> str:
    if not skipped:
        return ""
    told = [f"{count} {suffix or 'without suffix'}" for suffix, count in skipped.most_common(5)]
    return f" ({', '.join(told)})"


def _stack(files: list[pathlib.Path], source: str, size: int) -> np.ndarray:
    odd: collections.Counter[str] = collections.Counter()
    images = [image.fitted(image.decode(file, odd), size) for file in files]
    for what, count in odd.items():
        progress.remark(f"{source}: of {count} of {len(files)} images {what}")
    height, width = images[0].shape[:2]
    for file, pixels in zip(files, images, strict=True):
        if pixels.shape[:2] != (height, width):
            raise UserError(
                f"{file}: {pixels.shape[1]}x{pixels.shape[0]} pixels, but {files[0].name} has "
                f"{width}x{height}; make all images one size, or "
                "have it done by --image_size=32"
            )
    x = np.empty((len(images), height, width, max(i.shape[2] for i in images)), np.uint8)
    for i, pixels in enumerate(images):
        x[i] = pixels  # a grey image among coloured ones fills all three channels
    return x
