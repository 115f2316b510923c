import numpy as np

from lira_jax.models import tokens as tokens_lib
from lira_jax.signals import sequence


def batch(seed=0):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(4, 5, 7)).astype(np.float32)
    tokens = rng.integers(0, 7, (4, 5)).astype(np.int32)
    tokens[1, 2:], tokens[3, 4:] = -1, -1
    return logits, tokens


def by_hand(logits, tokens):
    """log p of each token, a loop in float64."""
    found = np.zeros(tokens.shape)
    for i, row in enumerate(tokens):
        for t, token in enumerate(row):
            if token >= 0:
                z = logits[i, t].astype(np.float64)
                found[i, t] = z[token] - np.log(np.exp(z).sum())
    return found


def test_token_losses_are_those_of_a_loop():
    logits, tokens = batch()
    expected, count = by_hand(logits, tokens), (tokens >= 0).sum(1)
    np.testing.assert_allclose(tokens_lib.log_probabilities(logits, tokens), expected, atol=1e-5)
    mean = -expected.sum(1) / count
    np.testing.assert_allclose(tokens_lib.mean_loss(logits, tokens)[0], mean, rtol=1e-5)
    np.testing.assert_allclose(
        sequence.phi(logits, tokens), -mean - np.log(1 - np.exp(-mean)), rtol=1e-5
    )
    _, tokens_known = tokens_lib.mean_loss(logits, tokens)
    np.testing.assert_array_equal(tokens_known, count)


def test_standardised_tokens_are_those_of_a_loop():
    """The mean and variance of log p of a token that the model itself would draw there."""
    logits, tokens = batch()
    logits[0, 0] = 0
    logits[0, 0, 3] = 500  # a token without a doubt
    found = np.array(sequence.token_z(logits, tokens))
    own = by_hand(logits, tokens)
    for i, row in enumerate(tokens):
        for t, token in enumerate(row):
            if (i, t) == (0, 0):
                continue
            log_p = logits[i, t] - np.log(np.exp(logits[i, t].astype(np.float64)).sum())
            mean = (np.exp(log_p) * log_p).sum()
            spread = np.sqrt((np.exp(log_p) * (log_p - mean) ** 2).sum())
            expected = (own[i, t] - mean) / spread if token >= 0 else 0
            np.testing.assert_allclose(found[i, t], expected, rtol=1e-3, atol=1e-5)
    assert np.isfinite(found).all()


def test_smoothing_is_that_of_every_token():
    logits, tokens = batch()
    loss, _ = tokens_lib.mean_loss(logits, tokens, smoothing=0.1)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    uniform = np.where(tokens >= 0, log_p.mean(-1), 0)
    expected = -(0.9 * by_hand(logits, tokens) + 0.1 * uniform).sum(1) / (tokens >= 0).sum(1)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_phi_is_finite_where_a_sequence_is_known_by_heart():
    logits = np.zeros((1, 3, 4), np.float32)
    logits[..., 2] = 1e4
    assert np.isfinite(sequence.phi(logits, np.full((1, 3), 2))).all()
