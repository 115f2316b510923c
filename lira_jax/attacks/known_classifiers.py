"""Classifiers of Rezaei and Liu 2021 (https://arxiv.org/abs/2005.13702), sections 4 and 5.

Pure functions fit(features, members) -> score(features): for an attacker who knows the membership
of some examples, or of shadow models' pairs. Settings are those of the authors' code; where it
prints the best of all classifiers and samplings on the test data, `chosen` decides on validation
data.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lira_jax.attacks import classifiers
from lira_jax.errors import UserError

Score = Callable[[np.ndarray], np.ndarray]
"""features float [n, d] -> probability of membership float64 [n]; member from 0.5 on."""

Fit = Callable[..., Score]
"""(features float [n, d], members bool [n], seed=0) -> Score."""

SAMPLINGS = ("none", "under", "over")
FEWEST = 8
"""Members, and non-members, below which nothing is learned: two folds, and some to choose on."""
FEWEST_LINEAR = 2
"""Of logistic regression, which has nothing to choose: what has a mean and a spread."""

_FOREST = {
    "n_estimators": [500, 800, 1500, 2500, 5000],
    "max_features": [None, "sqrt"],
    "max_depth": [20, 30, 40, 50, None],
    "min_samples_split": [2, 5, 10, 15, 20],
    "min_samples_leaf": [1, 2, 5, 10, 15],
}
_BOOSTING = {
    "scale_pos_weight": [1, 5, 10, 50, 100],
    "min_child_weight": [1, 5, 10, 15],
    "subsample": [0.6, 0.8, 1.0],
    "colsample_bytree": [0.6, 0.8, 1.0],
    "max_depth": [3, 6, 9, 12],
}


def logistic_regression(features: np.ndarray, members: np.ndarray, seed: int = 0) -> Score:
    """With classes weighted alike (sections 5.3 and 5.4).

    Features are standardised, unlike in the authors' code, whose solver stops unfinished on
    gradient norms that differ by powers of ten.

    Args:
      features: float [n, d]; NaN is taken for 0, infinity for 1e5, as in their code.
      members: bool [n].
      seed: unused: the fit has no chance in it.

    Raises:
      UserError: fewer than FEWEST_LINEAR members or non-members.
    """
    return _fitted(classifiers.logistic_regression(seed), features, members, FEWEST_LINEAR)


def network(features: np.ndarray, members: np.ndarray, seed: int = 0) -> Score:
    """Dense 128, 64 and 1, ReLU and sigmoid: 30 epochs of Adam in batches of 32.

    Args:
      features, members: as `logistic_regression`.
      seed: of the first weights and the order.

    Raises:
      UserError: fewer than FEWEST members or non-members.
    """
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (128, 64), batch_size=32, max_iter=30, n_iter_no_change=31, alpha=0, random_state=seed
    )
    return _fitted(model, features, members)


def random_forest(
    features: np.ndarray, members: np.ndarray, seed: int = 0, *, tries: int = 100, trees: int = 0
) -> Score:
    """The best by two-fold cross-validation of some random settings of a forest.

    Args:
      features, members: as `logistic_regression`.
      seed: of settings, folds and trees.
      tries: settings.
      trees: of each forest; 0 for 500 to 5000, a setting too.

    Raises:
      UserError: as `network`.
    """
    from sklearn.ensemble import RandomForestClassifier

    settings = {**_FOREST, **({"n_estimators": [trees]} if trees else {})}
    model = RandomForestClassifier(random_state=seed, n_jobs=1)
    return _searched(model, settings, features, members, seed, tries, "accuracy", repeats=1)


def xgboost(features: np.ndarray, members: np.ndarray, seed: int = 0, *, tries: int = 50) -> Score:
    """The best, by balanced accuracy in two folds twice, of some settings of boosted trees.

    Arguments and errors as `random_forest`; also if the package xgboost is not installed.
    """
    model = classifiers.xgb_classifier()(n_jobs=1, random_state=seed)
    scoring = "balanced_accuracy"
    return _searched(model, _BOOSTING, features, members, seed, tries, scoring, repeats=2)


CLASSIFIERS: dict[str, Fit] = {
    "logistic_regression": logistic_regression,
    "network": network,
    "random_forest": random_forest,
    "xgboost": xgboost,
}


def sampled(members: np.ndarray, sampling: str) -> np.ndarray:
    """Which examples to learn from, int [examples], where members outnumber non-members.

    Args:
      members: bool [n].
      sampling: "none": all. "under": the first members, as many as there are non-members. "over":
        all, the non-members as many times as they go into the members.
    """
    inside, outside = np.flatnonzero(members), np.flatnonzero(~members)
    if sampling == "none":
        return np.arange(len(members))
    if sampling == "under":
        return np.concatenate([inside[: len(outside)], outside])
    if sampling == "over":
        times = max(1, len(inside) // max(1, len(outside)))
        return np.concatenate([inside, np.tile(outside, times)])
    raise UserError(f"sampling={sampling}: it is one of {', '.join(SAMPLINGS)}")


class Chosen(NamedTuple):
    """The classifier and the sampling that were best on validation data.

    Attributes:
      score: fitted on all examples.
      classifier, sampling: their names.
      balanced_accuracy: on the validation data, from 0 to 1.
    """

    score: Score
    classifier: str
    sampling: str
    balanced_accuracy: float


def chosen(
    features: np.ndarray,
    members: np.ndarray,
    classifiers: Mapping[str, Fit],
    samplings: tuple[str, ...] = SAMPLINGS,
    *,
    share: float = 0.25,
    seed: int = 0,
) -> Chosen:
    """Chooses by balanced accuracy on a part of the examples, then learns from all of them.

    Args:
      features: float [n, d].
      members: bool [n].
      classifiers: name -> fit; the first of equally good ones is taken.
      samplings: of SAMPLINGS. The validation data are never sampled, so no copy is on both sides.
      share: of the members, and of the non-members, that the choice is made on.
      seed: of the split and the classifiers.

    Raises:
      UserError: fewer than FEWEST members or non-members, or an unknown sampling.
    """
    _require_enough(members, FEWEST)
    members = np.asarray(members, bool)
    generator = np.random.default_rng(seed)
    held = np.zeros(len(members), bool)
    for kind in (members, ~members):
        number = max(1, round(share * np.count_nonzero(kind)))
        held[generator.choice(np.flatnonzero(kind), number, replace=False)] = True
    best: tuple[float, str, str] | None = None
    for name, fit in classifiers.items():
        for sampling in samplings:
            use = np.flatnonzero(~held)[sampled(members[~held], sampling)]
            decided = fit(features[use], members[use], seed)(features[held]) >= 0.5
            right = decided == members[held]
            found = (right[members[held]].mean() + right[~members[held]].mean()) / 2
            if best is None or found > best[0]:
                best = float(found), name, sampling
    assert best is not None, "there are classifiers"
    found, name, sampling = best
    use = sampled(members, sampling)
    return Chosen(classifiers[name](features[use], members[use], seed), name, sampling, found)


def _require_enough(members: np.ndarray, fewest: int) -> None:
    inside = int(np.count_nonzero(members))
    fewer = min(inside, len(members) - inside)
    if fewer < fewest:
        raise UserError(
            f"{inside} members and {len(members) - inside} non-members are known; a classifier "
            f"needs {fewest} of each"
        )


def _clean(features: np.ndarray) -> np.ndarray:
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    return np.nan_to_num(flat, nan=0.0, posinf=1e5, neginf=-1e5)


def _fitted(model: Any, features: np.ndarray, members: np.ndarray, fewest: int = FEWEST) -> Score:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    _require_enough(members, fewest)
    # A fit is many small products, which several BLAS threads slow down tenfold on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # 30 epochs are meant
        model.fit(_clean(features), np.asarray(members, bool))
    return lambda own: model.predict_proba(_clean(own))[:, 1].astype(np.float64)


def _searched(
    model: Any,
    settings: dict,
    features: np.ndarray,
    members: np.ndarray,
    seed: int,
    tries: int,
    scoring: str,
    repeats: int,
) -> Score:
    from sklearn.model_selection import RandomizedSearchCV, RepeatedStratifiedKFold

    number = int(np.prod([len(values) for values in settings.values()]))
    search = RandomizedSearchCV(
        model,
        settings,
        n_iter=min(tries, number),
        cv=RepeatedStratifiedKFold(n_splits=2, n_repeats=repeats, random_state=seed),
        scoring=scoring,
        random_state=seed,
    )
    return _fitted(search, features, members)
