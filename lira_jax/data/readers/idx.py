"""The idx files of MNIST and the sets made in its image (Fashion-MNIST, KMNIST)."""

import pathlib

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.readers.reading import open_plain_or_gzip, reading
from lira_jax.errors import UserError


def read(path: pathlib.Path) -> Dataset:
    """Reads train-images-idx3-ubyte and train-labels-idx1-ubyte, and the t10k- pair if there, plain
    or .gz.

    Raises:
      UserError: A file is missing or damaged.
    """
    if not path.is_dir():
        raise UserError(
            f"--data_path={path}: not a folder; give the one that holds train-images-idx3-ubyte"
        )
    x, y = _required(path, "train-images-idx3-ubyte"), _required(path, "train-labels-idx1-ubyte")
    x_test, y_test = _find(path, "t10k-images-idx3-ubyte"), _find(path, "t10k-labels-idx1-ubyte")
    return Dataset(
        _array(x),
        _array(y),
        None if x_test is None else _array(x_test),
        None if y_test is None else _array(y_test),
    )


def _required(folder: pathlib.Path, name: str) -> pathlib.Path:
    file = _find(folder, name)
    if file is None:
        raise UserError(
            f"--data_path={folder}: no {name} (or {name}.gz) in it; give the folder that holds it"
        )
    return file


def _find(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    # Some archives unpack to train-images.idx3-ubyte.
    spellings = [
        spelling + suffix
        for spelling in (name, name.replace("-idx", ".idx"))
        for suffix in ("", ".gz")
    ]
    return next(
        (folder / spelling for spelling in spellings if (folder / spelling).is_file()), None
    )


def _array(file: pathlib.Path) -> np.ndarray:
    """The array in one idx file: bytes 0, 0, 8 (for uint8), the number of axes, big-endian sizes,
    values."""
    with reading(file), open_plain_or_gzip(file) as stream:
        data = stream.read()
    axes = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    start = 4 + 4 * axes
    if not axes or len(data) < start:
        raise UserError(f"{file}: not an idx file of unsigned bytes; get it again")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", axes, offset=4))
    values = np.frombuffer(data, np.uint8, offset=start)
    if values.size != np.prod(
        shape, dtype=np.float64
    ):  # as floats: sizes of a damaged header overflow an int64
        raise UserError(
            f"{file}: {values.size} values, but its header promises {shape}; get it again"
        )
    return values.reshape(shape)
