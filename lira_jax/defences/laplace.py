"""Last-layer Laplace approximation of ONE model, Kronecker factored, as a release.

Kristiadi et al. 2020, https://arxiv.org/abs/2002.10118, as Hintersdorf et al. 2022
(https://arxiv.org/abs/2111.09076) use it. The weights of the last layer are given a Gaussian
posterior around what training found; what is released is the mean of the softmax under it.
"""

import dataclasses

import numpy as np
import scipy

DRAWS, DRAWS_OF_SEARCH = 100, 10
VARIANCES = np.logspace(0, 3, 100)
"""Of the prior, among which one is chosen."""
WEIGHT_OF_NOISE = 0.25


@dataclasses.dataclass(frozen=True)
class Posterior:
    """The Gaussian of a model's logits.

    Attributes:
      inner: float64 [units, units], V^-1.
      outer: float64 [classes, classes], U^-1.
      bias: float64 [classes, classes], B^-1.
    """

    inner: np.ndarray
    outer: np.ndarray
    bias: np.ndarray

    def covariances(self, features: np.ndarray) -> np.ndarray:
        """float64 [examples, classes, classes]: (phi^T V^-1 phi) U^-1 + B^-1."""
        spread = np.einsum("nd,de,ne->n", features, self.inner, features, optimize=True)
        return spread[:, None, None] * self.outer + self.bias


def fit(features: np.ndarray, logits: np.ndarray, variance: float) -> Posterior:
    """The posterior of a model.

        U = sqrt(N) G + sqrt(tau) I, V = sqrt(N) A + sqrt(tau) I, B = N G + tau I

    with A the mean of phi phi^T, G that of diag(p) - p p^T, and tau = 1 / variance. (The authors'
    code has running means over batches in their place.)

    Args:
      features: float [N, units], phi, what goes into the last layer, of the model's members.
      logits: float [N, classes], of the same.
      variance: of the prior.
    """
    x, p = features.astype(np.float64), scipy.special.softmax(logits.astype(np.float64), -1)
    n, tau = len(x), 1 / variance
    a, g = x.T @ x / n, np.diag(p.mean(0)) - p.T @ p / n
    root, keep = np.sqrt(n), np.sqrt(tau)
    return Posterior(
        _inverse(root * a + keep * np.eye(len(a))),
        _inverse(root * g + keep * np.eye(len(g))),
        _inverse(n * g + tau * np.eye(len(g))),
    )


def probabilities(
    posterior: Posterior,
    features: np.ndarray,
    logits: np.ndarray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> np.ndarray:
    """The mean of softmax(f) over draws of f, float64 [examples, classes].

    Args:
      features, logits: as `fit`, of any examples; the logits are the mean of f.
    """
    roots = np.linalg.cholesky(posterior.covariances(features.astype(np.float64)))
    total = np.zeros(logits.shape)
    for _ in range(draws):
        f = logits + np.einsum("nij,nj->ni", roots, rng.normal(size=logits.shape))
        total += scipy.special.softmax(f, -1)
    return total / draws


def choose_variance(
    members: tuple[np.ndarray, np.ndarray],
    others: tuple[np.ndarray, np.ndarray, np.ndarray],
    noise: tuple[np.ndarray, np.ndarray] | None,
    rng: np.random.Generator,
) -> float:
    """The prior's variance with the least loss on others, and on noise least sure.

    Args:
      members: features and logits of the model's members.
      others: features, logits and labels of examples that the defender holds out.
      noise: features and logits of noise; None to leave its term out.
    """
    held, held_logits, labels = others
    seed, losses = rng.integers(2**31), []
    for variance in VARIANCES:
        posterior, same = fit(*members, variance), np.random.default_rng(seed)
        p = probabilities(posterior, held, held_logits, same, DRAWS_OF_SEARCH)
        loss = -np.log(p[np.arange(len(p)), labels] + 1e-8).mean()
        if noise is not None:
            p = probabilities(posterior, *noise, same, DRAWS_OF_SEARCH)
            loss -= WEIGHT_OF_NOISE * np.log(p + 1e-8).mean()
        losses.append(loss)
    return float(VARIANCES[np.argmin(losses)])


def _inverse(matrix: np.ndarray) -> np.ndarray:
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix), np.eye(len(matrix)))
