"""The posterior against its definition by Kronecker products, and what it does to confidences."""

import numpy as np
from scipy import special

from lira_jax.defences import laplace


def problem(n=40, units=3, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    features = np.abs(rng.normal(size=(n, units)))
    weights = rng.normal(size=(units, classes)) * 2
    return features, features @ weights, rng


def test_the_covariance_is_that_of_weights_with_a_kronecker_factored_posterior():
    features, logits, _ = problem()
    n, tau = len(features), 1 / 5.0
    a = sum(np.outer(x, x) for x in features) / n
    g = np.zeros((4, 4))
    for z in logits:  # E over labels drawn from p of (p - e)(p - e)^T
        p = special.softmax(z)
        for label, weight in enumerate(p):
            e = np.eye(4)[label]
            g += weight * np.outer(p - e, p - e) / n
    v, u = np.sqrt(n) * a + np.sqrt(tau) * np.eye(3), np.sqrt(n) * g + np.sqrt(tau) * np.eye(4)
    of_weights = np.kron(np.linalg.inv(v), np.linalg.inv(u))
    of_bias = np.linalg.inv(n * g + tau * np.eye(4))
    found = laplace.fit(features, logits, 5.0).covariances(features[:3])
    for x, covariance in zip(features[:3], found, strict=True):
        jacobian = np.kron(x, np.eye(4))
        np.testing.assert_allclose(covariance, jacobian @ of_weights @ jacobian.T + of_bias)


def test_draws_have_the_mean_of_a_gaussian_in_two_classes():
    features, logits, rng = problem(classes=2)
    posterior = laplace.fit(features, logits, 1.0)
    found = laplace.probabilities(posterior, features, logits, rng, 4000)
    covariance = posterior.covariances(features)
    variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1]
    x, w = np.polynomial.hermite_e.hermegauss(60)
    z = (logits[:, 0] - logits[:, 1])[:, None] + np.sqrt(variance)[:, None] * x
    expected = (special.expit(z) * w).sum(-1) / w.sum()
    np.testing.assert_allclose(found[:, 0], expected, atol=0.03)
    np.testing.assert_allclose(found.sum(-1), 1)


def test_a_wide_prior_makes_far_examples_unsure_and_the_search_finds_what_is_asked():
    features, logits, rng = problem()
    far = features * 100, logits * 100
    sure = laplace.probabilities(laplace.fit(features, logits, 1e3), *far, rng).max(-1).mean()
    assert sure < special.softmax(far[1], -1).max(-1).mean() - 0.02
    labels = logits.argmax(-1)
    right = laplace.choose_variance((features, logits), (features, logits, labels), None, rng)
    wrong = (labels + 1) % 4
    unsure = laplace.choose_variance((features, logits), (features, logits, wrong), None, rng)
    assert unsure > right
