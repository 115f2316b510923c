"""The 1797 handwritten digits that come with scikit-learn: real images that need no download."""

import numpy as np
from sklearn.datasets import load_digits

from lira_jax.data.dataset import Dataset


def read() -> Dataset:
    """Reads uint8 [1797, 8, 8, 1], the 17 grey levels 0..16 spread over 0..255. There is no test
    set."""
    digits = load_digits()
    x = np.rint(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    return Dataset(x, digits.target, class_names=tuple("0123456789"))
