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
