"""Losses against their definitions."""

import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.models.recipe import Batch
from lira_jax.training import losses

LOGITS = np.array([[1.0, 2.0, -1.0], [0.0, 0.0, 3.0]])
LABELS = np.array([1, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_smoothed_labels(smoothing):
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    target = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    found = losses.cross_entropy(LOGITS, LABELS, smoothing)
    np.testing.assert_allclose(found, -(target * np.log(p)).sum(1), rtol=1e-5)


def test_large_logits_neither_overflow_nor_lose_the_loss():
    found = losses.cross_entropy(np.array([[1e4, 0.0], [-1e4, 0.0]]), np.array([0, 0]))
    np.testing.assert_allclose(found, [0, 1e4])


def test_logits_of_few_bits_give_a_loss_of_all():
    logits = jnp.asarray(LOGITS, jnp.bfloat16)  # which holds these numbers exactly
    found = losses.cross_entropy(logits, LABELS)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, losses.cross_entropy(LOGITS.astype(np.float32), LABELS))


def test_the_mean_is_over_examples_that_are_no_padding():
    values, weights = np.array([3.0, 5.0, np.float32(1e30)]), np.array([1.0, 1.0, 0.0])
    assert losses.weighted_mean(values, weights) == 4.0
    assert losses.weighted_mean(values[:2], np.ones(2)) == values[:2].mean()


def test_a_mixed_batch_has_the_losses_of_both_labels():
    own, other = np.array([1, 0]), np.array([2, 2])
    batch = Batch(None, own, np.ones(2), other_labels=other, kept=0.3)
    expected = 0.3 * losses.cross_entropy(LOGITS, own) + 0.7 * losses.cross_entropy(LOGITS, other)
    np.testing.assert_allclose(losses.of_batch(LOGITS, batch), expected, rtol=1e-6)
    plain = losses.of_batch(LOGITS, Batch(None, own, np.ones(2)), 0.1)
    np.testing.assert_array_equal(plain, losses.cross_entropy(LOGITS, own, 0.1))
