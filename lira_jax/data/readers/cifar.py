"""CIFAR-10 and CIFAR-100 as their authors give them: pickled batches, in a folder or a .tar.gz.

Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

import contextlib
import pathlib
from collections.abc import Iterator

import numpy as np

from lira_jax.data.dataset import Dataset, as_array
from lira_jax.data.readers import unpickle
from lira_jax.data.readers.reading import open_archive, open_member, reading
from lira_jax.errors import UserError


def read_cifar10(path: pathlib.Path) -> Dataset:
    """Reads cifar-10-python.tar.gz, the folder cifar-10-batches-py in it, or the folder above that.

    Returns:
      x uint8 [50000, 32, 32, 3], x_test [10000, 32, 32, 3], 10 classes.

    Raises:
      UserError: Files missing, damaged, or with anything but arrays, lists and text in them.
    """
    batches = tuple(f"data_batch_{i}" for i in range(1, 6))
    return _read(
        path, "cifar-10-batches-py", batches, "test_batch", "batches.meta", "labels", "label_names"
    )


def read_cifar100(path: pathlib.Path) -> Dataset:
    """Reads cifar-100-python.tar.gz, the folder cifar-100-python in it, or the folder above that.

    Returns:
      x uint8 [50000, 32, 32, 3], x_test [10000, 32, 32, 3], the 100 fine classes.

    Raises:
      UserError: Files missing, damaged, or with anything but arrays, lists and text in them.
    """
    return _read(
        path, "cifar-100-python", ("train",), "test", "meta", "fine_labels", "fine_label_names"
    )


def _read(path, folder, batches, test, meta, labels_key, names_key) -> Dataset:
    files = _files(path, folder, (*batches, test, meta))

    def load(name: str, *keys: str) -> list:
        source = f"--data_path={path}: {name}"
        content = unpickle.loads(files[name], source)
        for key in keys:
            if not isinstance(content.get(key), list | np.ndarray):
                raise UserError(f"{source} has no array or list {key!r} in it; get it again")
        return [_images(content[key], source) if key == "data" else content[key] for key in keys]

    (class_names,) = load(meta, names_key)
    class_names = tuple(
        name.decode("latin1") if isinstance(name, bytes) else str(name) for name in class_names
    )

    def join(names: tuple[str, ...]) -> list[np.ndarray]:
        parts = []
        for name in names:
            x, labels = load(name, "data", labels_key)
            parts.append(
                (x, _labels(labels, len(x), len(class_names), f"--data_path={path}: {name}"))
            )
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    (x, y), (x_test, y_test) = join(batches), join((test,))
    return Dataset(x, y, x_test, y_test, class_names=class_names)


def _images(planes: np.ndarray, source: str) -> np.ndarray:
    with _about(source):
        planes = as_array("'data'", planes)
    if planes.dtype != np.uint8 or planes.shape[1:] != (3072,):
        raise UserError(f"{source}: 'data' is not uint8 [N, 3072]; get it again")
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _labels(labels: list | np.ndarray, count: int, num_classes: int, source: str) -> np.ndarray:
    """The labels of one batch; one too many here and one too few in the next would shift others."""
    with _about(source):
        y = as_array("the list of labels", labels)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise UserError(f"{source}: its labels are no list of whole numbers; get it again")
    if len(y) != count:
        raise UserError(f"{source}: it has {count} images but {len(y)} labels; get it again")
    if len(y) and not 0 <= y.min() <= y.max() < num_classes:
        raise UserError(
            f"{source}: its labels are {y.min()} to {y.max()}, but there are {num_classes} class "
            "names; get it again"
        )
    return y


@contextlib.contextmanager
def _about(source: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def _files(path: pathlib.Path, folder: str, names: tuple[str, ...]) -> dict[str, bytes]:
    found = {}
    with reading(f"--data_path={path}"):
        if path.is_dir():
            root = path / folder if (path / folder).is_dir() else path
            found = {name: (root / name).read_bytes() for name in names if (root / name).is_file()}
        else:
            with open_archive(path) as archive:
                for member in archive:
                    inside = pathlib.PurePosixPath(member.name)
                    if member.isfile() and inside.parent.name == folder and inside.name in names:
                        found[inside.name] = open_member(archive, member).read()
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(
            f"--data_path={path}: no {', '.join(missing)} of {folder} in it; give the folder or "
            "its .tar.gz"
        )
    return found
