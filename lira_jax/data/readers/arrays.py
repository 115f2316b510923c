"""Arrays the user saved with numpy: one .npz file, or a folder of .npy files."""

import pathlib
from collections.abc import Callable, Collection

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.readers import numpy_file
from lira_jax.data.readers.numpy_file import told
from lira_jax.data.readers.reading import reading
from lira_jax.errors import UserError

# Names of examples and labels; the third pair is how Purchase100 and Texas100 are passed around.
_PAIRS = (("x_train", "y_train"), ("x", "y"), ("features", "labels"))


def read_npz(path: pathlib.Path) -> Dataset:
    """Reads x_train, y_train, or x, y, or features, labels; and x_test, y_test, class_names where
    present.

    Labels are numbers [N] or one-hot rows [N, K]. Values of x are taken as they are: 0..255, 0..1
    or others. The class names may also be called label_names.

    Raises:
      UserError: A damaged file, a missing array, or one that holds Python objects.
    """
    source = f"--data_path={path}"
    if path.is_dir():
        raise UserError(f"{source}: a folder, not a file; give the .npz file")
    with told(source):
        if not numpy_file.is_archive(path):
            numpy_file.load(path)
            raise UserError(f"{source}: a single array; save x and y together with numpy.savez")
    with told(source), numpy_file.archive(path) as file:
        return _assemble(source, file, lambda name: _named(f"{source}: array {name!r}", file[name]))


def _named(source: str, read: Callable[[], np.ndarray]) -> np.ndarray:
    with told(source):
        return read()


def read_npy(path: pathlib.Path) -> Dataset:
    """Reads a folder of .npy files, named as the arrays of `read_npz`.

    Raises:
      UserError: A damaged file, a missing one, or one that holds Python objects.
    """
    source = f"--data_path={path}"
    if not path.is_dir():
        raise UserError(f"{source}: not a folder; give the one with x.npy and y.npy in it")
    with reading(source):
        files = {
            file.stem: file
            for file in sorted(path.iterdir())
            if file.is_file() and file.suffix == ".npy"
        }
    return _assemble(
        source,
        files,
        lambda name: _named(str(files[name]), lambda: numpy_file.load(files[name])),
    )


def _assemble(source: str, names: Collection[str], get: Callable[[str], np.ndarray]) -> Dataset:
    has = ", ".join(names) or "nothing"
    pair = next((pair for pair in _PAIRS if pair[0] in names), None)
    if pair is None:
        raise UserError(
            f"{source}: no array 'x' or 'x_train' in it (it has: {has}); rename the examples to x"
        )
    x_name, y_name = pair
    if y_name not in names:
        raise UserError(
            f"{source}: no array {y_name!r} beside {x_name!r} (it has: {has}); rename the labels "
            f"to {y_name}"
        )
    y, num_classes = _from_one_hot(get(y_name))
    x_test = get("x_test") if "x_test" in names else None
    y_test = None
    if "y_test" in names:
        y_test, test_classes = _from_one_hot(get("y_test"))
        if num_classes and test_classes and num_classes != test_classes:
            raise UserError(
                f"{source}: {y_name} has {num_classes} columns, one for each class, y_test "
                f"{test_classes}; make them equal"
            )
    class_names = next((get(name) for name in ("class_names", "label_names") if name in names), ())
    with reading(source):  # names in bytes may not be ASCII
        class_names = tuple(np.ravel(class_names).astype(str).tolist())
    return Dataset(get(x_name), y, x_test, y_test, num_classes, class_names)


def _from_one_hot(y: np.ndarray) -> tuple[np.ndarray, int]:
    """Labels, and the number of classes if one-hot rows told it, else 0."""
    one_hot = y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "buif"
    if one_hot and ((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all():
        return y.argmax(1), y.shape[1]
    return y, 0
