import numpy as np
import pytest

from lira_jax.data import examples
from lira_jax.errors import UserError

FLAG = "--examples=which.npy"


@pytest.fixture
def save(tmp_path):
    def save(array):
        np.save(tmp_path / "which.npy", array)
        return tmp_path / "which.npy"

    return save


def test_a_mask_and_numbers_name_the_same(save):
    mask = np.array([True, False, False, True, True])
    np.testing.assert_array_equal(examples.named(FLAG, save(mask), 5), mask)
    np.testing.assert_array_equal(examples.named(FLAG, save(np.array([4, 0, 3])), 5), mask)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5, bool), "names no example"),
        (np.zeros(0, int), "names no example"),
        (np.ones(4, bool), r"it holds bool \(4,\); it must be bool \[examples\], \(5,\)"),
        (np.array([0.5]), "it holds float64"),
        (np.array([1, 5]), "it names example 5; the pool has 0 to 4"),
        (np.array([-1]), "it names example -1"),
        (np.array([2, 2]), "names an example twice"),
    ],
)
def test_what_names_no_examples_is_refused(save, array, message):
    with pytest.raises(UserError, match=f"{FLAG}: .*{message}"):
        examples.named(FLAG, save(array), 5)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match=FLAG):
        examples.named(FLAG, tmp_path / "none.npy", 5)
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with pytest.raises(UserError, match="archive; save the array alone"):
        examples.named(FLAG, tmp_path / "a.npz", 5)
