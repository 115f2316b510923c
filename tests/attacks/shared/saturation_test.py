import numpy as np

from lira_jax.attacks.shared import saturation


def test_compressed_scores_are_finite_and_in_their_order(recwarn):
    size = np.geomspace(1e-300, 1e308, 2000)
    scores = np.concatenate([-size[::-1], [0.0], size])
    found = saturation.compress(scores)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    large = np.abs(scores) > 1e30
    assert (np.diff(found[large]) > 0).all()
    np.testing.assert_array_equal(found[~large], scores[~large].astype(np.float32))
    assert not recwarn.list


def test_what_is_not_finite_stays_what_it_is():
    scores = np.array([np.nan, np.inf, -np.inf, 1e200])
    found = saturation.compress(scores)
    np.testing.assert_array_equal(found[:3], scores[:3].astype(np.float32))
    assert scores[3] == 1e200  # the argument is left alone


def test_clipped_signals_are_finite(recwarn):
    values = np.array([1e300, -1e300, 1.1, np.nan, np.inf, -np.inf])
    found = saturation.clip(values)
    largest = np.finfo(np.float32).max
    expected = [largest, -largest, np.float32(1.1), np.nan, np.inf, -np.inf]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))
    assert not recwarn.list
    same = np.ones(3, np.float32)
    assert saturation.clip(same) is same
