"""What attacks that learn see of a model's output, and what they learn with.

trained.py trains and asks the classifiers of this file; a line of VARIANTS puts the two together.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import scipy

from lira_jax.errors import UserError

if TYPE_CHECKING:  # scikit-learn takes a second to import; few commands train anything
    from sklearn.base import BaseEstimator

FLOOR = -30.0
"""Log-probabilities are cut here, so that one far outlier does not squeeze all others together when
the features are standardised; a probability of e^-30 is beyond what float32 logits determine."""


def confidences(logits: np.ndarray) -> np.ndarray:
    """The whole confidence vector, as log-probabilities in the order of the classes.

    Of a model sure of its label the probabilities are 1 and 0 to many digits, whether the label's
    is 1 - 1e-5 or 1 - 1e-9, and members are among the surest; the logarithms of the others still
    differ by 9.

    Args:
      logits: float [..., classes].

    Returns:
      float64 [..., classes], from FLOOR to 0.
    """
    return np.maximum(scipy.special.log_softmax(logits.astype(np.float64), axis=-1), FLOOR)


def top3(logits: np.ndarray) -> np.ndarray:
    """The three largest confidences in falling order, as log-probabilities (see `confidences`).

    Args:
      logits: float [..., classes].

    Returns:
      float64 [..., 3], or [..., 2] of two classes.
    """
    return np.sort(confidences(logits), axis=-1)[..., :-4:-1]


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The raw confidence vector, in the order of the classes.

    Args:
      logits: float [..., classes].

    Returns:
      float64 [..., classes], of sum 1.
    """
    return scipy.special.softmax(logits.astype(np.float64), axis=-1)


def raw_logits(logits: np.ndarray) -> np.ndarray:
    """The logits as they are, float64 [..., classes]."""
    return logits.astype(np.float64)


def unchanged(features: np.ndarray) -> np.ndarray:
    """Features of another signal as they are, float64 [..., features]; there may be one alone."""
    return features.astype(np.float64)


def network(seed: int, *, hidden: tuple[int, ...], standardised: bool = True) -> "BaseEstimator":
    """A ReLU network trained by Adam; it keeps the weights that are best on a tenth of the
    pairs."""
    from lira_jax.attacks import network_classifier

    return network_classifier.make(seed, hidden, standardised=standardised)


def random_forest(seed: int) -> "BaseEstimator":
    """Each tree sees 30 % of the pairs: as good, in simulations, as trees that see them all, in 40
    % of the time.

    Leaves of ten pairs give graded probabilities; full trees would answer 0 or 1 by the nearest
    pair.
    """
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, min_samples_leaf=10, max_samples=0.3, random_state=seed)


def gradient_boosting(seed: int) -> "BaseEstimator":
    """Boosted trees on histograms, our choice (Rezaei and Liu 2021 have XGBoost alone); they stop
    growing when a tenth of the pairs no longer gains."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(early_stopping=True, random_state=seed)


def xgboost(seed: int) -> "BaseEstimator":
    """Boosted trees of the xgboost package.

    Raises:
      UserError: the package is not installed.
    """
    return xgb_classifier()(
        n_estimators=100, max_depth=4, learning_rate=0.1, n_jobs=1, random_state=seed
    )


def xgb_classifier() -> Callable[..., "BaseEstimator"]:
    """The class of the xgboost package.

    Raises:
      UserError: the package is not installed.
    """
    try:
        from xgboost import XGBClassifier
    except ImportError:
        raise UserError(
            "the xgboost attack needs a package that is not installed: pip install xgboost"
        ) from None
    return XGBClassifier


def logistic_regression(seed: int) -> "BaseEstimator":
    """With classes weighted alike, as Rezaei and Liu 2021 have it; on standardised features, for
    the gradient's norms differ by powers of ten."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed)
    return make_pipeline(StandardScaler(), classifier)


VARIANTS: dict[str, dict] = {
    # Shokri et al. 2017, section V-D: the label's class selects the network.
    "shokri": dict(
        features=confidences,
        estimator=functools.partial(network, hidden=(64,)),
        per_class=True,
        even=True,
    ),
    # The same paper's own input: the vector of probabilities as it is.
    "shokri_softmax": dict(
        features=probabilities,
        estimator=functools.partial(network, hidden=(64,), standardised=False),
        per_class=True,
        even=True,
    ),
    # As Carlini et al. 2022 run it.
    "shokri_logits": dict(
        features=raw_logits,
        estimator=functools.partial(network, hidden=(64,)),
        per_class=True,
        even=True,
    ),
    # Salem et al. 2019, section III; used by Hintersdorf et al. 2022.
    "salem_top3": dict(
        features=top3, estimator=functools.partial(network, hidden=(64,)), even=True
    ),
    # Rezaei & Liu 2021: the confidence vector as it is.
    "rezaei_nn": dict(
        features=confidences, estimator=functools.partial(network, hidden=(128, 64)), even=True
    ),
    "logistic_regression": dict(features=confidences, estimator=logistic_regression),
    "random_forest": dict(features=confidences, estimator=random_forest),
    "gradient_boosting": dict(features=confidences, estimator=gradient_boosting),
    "xgboost": dict(features=confidences, estimator=xgboost),
}
"""Attacks of the literature, as options of `trained_attack`."""
