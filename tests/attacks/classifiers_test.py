"""What attacks that learn see of outputs."""

import numpy as np

from lira_jax.attacks.classifiers import confidences, top3


def test_confidences_tell_apart_what_float32_probabilities_do_not():
    logits = np.array([[20, 0, -1], [30, 0, -1]], np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert np.all(probabilities[:, 0] == 1)
    np.testing.assert_allclose(
        confidences(logits), [[0, -20, -21], [0, -30, -30]], atol=1e-8
    )  # cut at -30
    np.testing.assert_allclose(confidences(logits + 7), confidences(logits), atol=1e-8)


def test_top3_are_the_largest_confidences_in_falling_order():
    logits = np.random.default_rng(0).normal(0, 3, (5, 7, 6))
    expected = [
        [sorted(row, reverse=True)[:3] for row in rows] for rows in confidences(logits).tolist()
    ]
    np.testing.assert_array_equal(top3(logits), expected)
    assert top3(logits[..., :2]).shape == (5, 7, 2)
