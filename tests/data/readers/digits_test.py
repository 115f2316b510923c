import numpy as np
from sklearn.datasets import load_digits

from lira_jax.data import dataset
from lira_jax.data.readers import digits


def test_digits_are_the_real_images_on_the_scale_of_uint8():
    data = dataset.check(digits.read())
    assert data.x.shape == (1797, 8, 8, 1)
    assert data.x.dtype == np.uint8
    assert (data.x.min(), data.x.max()) == (0, 255)
    assert data.num_classes == 10
    assert data.x_test is None
    np.testing.assert_array_equal(data.y, load_digits().target)


def test_grey_levels_are_told_apart():
    levels = np.unique(np.stack([load_digits().images.ravel(), digits.read().x.ravel()]), axis=1)
    np.testing.assert_array_equal(levels[0], np.arange(17))
    assert len(np.unique(levels[1])) == 17
    np.testing.assert_allclose(levels[1] / 255, levels[0] / 16, atol=0.5 / 255)


def test_without_scikit_learns_file_its_reader_is_asked(monkeypatch):
    found = digits.read()
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: None)
    asked = digits.read()
    np.testing.assert_array_equal(asked.x, found.x)
    np.testing.assert_array_equal(asked.y, found.y)
    assert asked.y.dtype == found.y.dtype
