"""The 1797 handwritten digits that come with scikit-learn: real images that need no download."""

import importlib.util
import pathlib

import numpy as np

from lira_jax.data.dataset import Dataset


def read() -> Dataset:
    """Reads uint8 [1797, 8, 8, 1], the 17 grey levels 0..16 spread over 0..255. There is no test
    set."""
    values = _table()
    x = np.rint(values[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    return Dataset(x, values[:, -1].astype(int), class_names=tuple("0123456789"))


def _table() -> np.ndarray:
    """float [1797, 65], 64 grey levels and the label: from scikit-learn's file, if it is where it
    has always been, for the package itself is slow to import."""
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = pathlib.Path(folder, "datasets/data/digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])
