"""The network that attacks train; apart from classifiers.py, for scikit-learn is slow to import."""

from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEW_PAIRS = 1000
"""A network learns from fewer pairs in smaller batches."""


class Network(MLPClassifier):
    """With batches of 16, as Hintersdorf et al. 2022 have them, where the pairs are few: with 200
    it would stop after a handful of steps, its weights still random."""

    def fit(self, X, y):
        batch = 16 if len(X) < FEW_PAIRS else "auto"
        return super(Network, self.set_params(batch_size=batch)).fit(X, y)


def make(seed: int, hidden: tuple[int, ...], *, standardised: bool):
    """An unfitted network, as `classifiers.network` describes it."""
    classifier = Network(
        hidden, early_stopping=True, n_iter_no_change=5, max_iter=50, random_state=seed
    )
    return make_pipeline(StandardScaler(), classifier) if standardised else classifier
