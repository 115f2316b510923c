"""Images on disk, a folder for each class."""

import pathlib

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.readers.reading import reading
from lira_jax.errors import UserError

_SUFFIXES = {
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
}
_GREY = {"1", "L", "LA"}
_COLOUR = {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}


def read(path: pathlib.Path) -> Dataset:
    """Reads path/CLASS/**/IMAGE, or path/train/CLASS/... and path/test/CLASS/... if train has
    folders in it.

    Classes are numbered in the order of their names, images in the order of their paths. Hidden
    folders and files, and files whose suffix is not an image's, are passed over. An alpha channel
    is dropped.

    Returns:
      x uint8 [N, H, W, 1] if every image is grey, else [N, H, W, 3]; class_names are the folder
      names.

    Raises:
      UserError: No class folders, a class without images, images of different sizes, or an
        unreadable one.
    """
    if not path.is_dir():
        raise UserError(
            f"--data_path={path}: not a folder; give the one that holds a folder for each class"
        )
    split = _folders(path / "train")
    train, names = (path / "train", split) if split else (path, _folders(path))
    if not names:
        raise UserError(
            f"--data_path={path}: no folders in it; put the images of each class into one"
        )
    files, y = _list(train, names, names)
    empty = sorted(set(range(len(names))) - set(y))
    if empty:
        raise UserError(
            f"--data_path={path}: no images in {train / names[empty[0]]}; add some or remove it"
        )
    test_names = _folders(path / "test") if split else []
    unknown = [name for name in test_names if name not in names]
    if unknown:
        raise UserError(
            f"--data_path={path}: test/{unknown[0]} is no class of train/; rename or remove it"
        )
    test_files, test_y = _list(path / "test", test_names, names)

    x = _stack(files + test_files)
    x_test, y_test = (x[len(y) :], np.array(test_y)) if test_y else (None, None)
    return Dataset(x[: len(y)], np.array(y), x_test, y_test, class_names=tuple(names))


def _folders(path: pathlib.Path) -> list[str]:
    if not path.is_dir():
        return []
    return sorted(
        entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def _list(
    root: pathlib.Path, folders: list[str], classes: list[str]
) -> tuple[list[pathlib.Path], list[int]]:
    """The images in folders of root, and for each the place of its folder among classes."""
    files, labels = [], []
    for folder in folders:
        found = [file for file in (root / folder).rglob("*") if file.suffix.lower() in _SUFFIXES]
        found = sorted(file for file in found if "/." not in file.relative_to(root).as_posix())
        files += found
        labels += [classes.index(folder)] * len(found)
    return files, labels


def _stack(files: list[pathlib.Path]) -> np.ndarray:
    images = [_decode(file) for file in files]
    height, width = images[0].shape[:2]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != (height, width):
            raise UserError(
                f"{file}: {image.shape[1]}x{image.shape[0]} pixels, but {files[0].name} has "
                f"{width}x{height}; make all images one size"
            )
    x = np.empty((len(images), height, width, max(image.shape[2] for image in images)), np.uint8)
    for i, image in enumerate(images):
        x[i] = image  # a grey image among coloured ones fills all three channels
    return x


def _decode(file: pathlib.Path) -> np.ndarray:
    """uint8 [H, W, 1] of a grey image, [H, W, 3] of any other."""
    import PIL.Image

    broken = (
        SyntaxError,
        PIL.Image.DecompressionBombError,
    )  # what damaged PNG chunks and sizes raise
    with reading(file):
        try:
            with PIL.Image.open(file) as image:
                if image.mode not in _GREY | _COLOUR:
                    raise UserError(
                        f"{file}: pixels of mode {image.mode}; save it with 8 bits a channel"
                    )
                pixels = np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))
        except broken as error:
            raise OSError(str(error)) from error
    return pixels if pixels.ndim == 3 else pixels[..., None]
