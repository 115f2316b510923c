"""Thresholds on the target's own outputs."""

import numpy as np
import pytest
from scipy import special

from lira_jax.attacks import thresholds
from lira_jax.errors import UserError


def _phi_and_log_p(seed=0, shape=(3, 40, 5)):
    """Scaled logits of label 0 and its log probability, from random logits."""
    logits = np.random.default_rng(seed).normal(0, 4, (*shape, 10))
    phi = logits[..., 0] - special.logsumexp(logits[..., 1:], axis=-1)
    return phi, special.log_softmax(logits, axis=-1)[..., 0]


def test_loss_is_the_log_probability_of_the_label_under_the_plain_query():
    phi, log_p = _phi_and_log_p()
    np.testing.assert_allclose(thresholds.loss(phi), log_p[..., 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("phi", "log_p"), [(-1e4, -1e4), (-50.0, -50.0), (0.0, -np.log(2)), (50.0, -np.exp(-50.0))]
)
def test_loss_keeps_its_digits_at_both_ends(phi, log_p):
    assert thresholds.loss(np.full((1, 1), phi, np.float32)).item() == pytest.approx(
        log_p, rel=1e-12
    )


def test_phi_mean_is_over_queries_and_phi_plain_is_query_0():
    phi, _ = _phi_and_log_p()
    phi = phi.astype(np.float32)
    expected = [
        [sum(float(x) for x in queries) / len(queries) for queries in target] for target in phi
    ]
    np.testing.assert_allclose(thresholds.phi_mean(phi), expected, rtol=1e-12)
    np.testing.assert_array_equal(thresholds.phi_plain(phi), phi[:, :, 0])


@pytest.mark.parametrize("attack", [thresholds.loss, thresholds.phi_plain, thresholds.phi_mean])
def test_a_more_confident_model_scores_higher(attack):
    phi, _ = _phi_and_log_p()
    score = attack(phi)
    assert score.shape == phi.shape[:2]
    assert score.dtype == np.float64
    assert np.all(attack(phi + 0.5) > score)
    np.testing.assert_array_equal(attack(phi[..., 0]), attack(phi[..., :1]))  # 2-D is one query


def test_a_vector_is_refused():
    with pytest.raises(UserError, match="phi has shape"):
        thresholds.loss(np.zeros(4))
