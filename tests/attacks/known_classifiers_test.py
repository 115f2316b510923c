"""Classifiers of known members: what they learn, and that the choice sees no test data."""

import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lira_jax.attacks import known_classifiers as known
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
FAST = {
    "logistic_regression": known.logistic_regression,
    "network": known.network,
    "random_forest": functools.partial(known.random_forest, tries=2, trees=10),
}


def data(n=200, gap=2.0, share=0.5):
    members = RNG.random(n) < share
    return RNG.normal(size=(n, 3)) + gap * members[:, None], members


@pytest.mark.parametrize("name", FAST)
def test_each_learns_what_there_is_and_gives_probabilities(name):
    features, members = data()
    score = FAST[name](features, members)
    own, truth = data()
    p = score(own)
    assert p.shape == truth.shape
    assert p.min() >= 0
    assert p.max() <= 1
    assert ((p >= 0.5) == truth).mean() > 0.85
    np.testing.assert_array_equal(p, FAST[name](features, members)(own))  # no hidden chance


def test_logistic_regression_weighs_both_kinds_alike():
    features, members = data(400, gap=0.7, share=0.9)
    p = known.logistic_regression(features, members)(features)
    spread = features.std(0)
    plain = LogisticRegression(class_weight="balanced").fit(features / spread, members)
    np.testing.assert_allclose(p, plain.predict_proba(features / spread)[:, 1], atol=2e-3)
    assert (p[~members] < 0.5).mean() > 0.6


def test_nan_and_infinity_are_features_too():
    features, members = data()
    features[3, 1], features[4, 0] = np.nan, np.inf
    assert np.isfinite(known.logistic_regression(features, members)(features)).all()


def test_samplings_are_those_of_the_paper():
    members = np.array([1, 1, 0, 1, 1, 0, 1], bool)
    assert known.sampled(members, "none").tolist() == list(range(7))
    assert known.sampled(members, "under").tolist() == [0, 1, 2, 5]
    assert known.sampled(members, "over").tolist() == [0, 1, 3, 4, 6, 2, 5, 2, 5]
    assert known.sampled(~members, "over").tolist() == [2, 5, 0, 1, 3, 4, 6]
    with pytest.raises(UserError, match=r"sampling=more: it is one of none, under, over"):
        known.sampled(members, "more")


def test_the_best_on_validation_data_is_chosen_and_learns_from_all():
    features, members = data(120)
    sizes = []

    def constant(features, members, seed=0):
        return lambda own: np.ones(len(own))

    def counting(features, members, seed=0):
        sizes.append(len(members))
        return known.logistic_regression(features, members)

    found = known.chosen(features, members, {"constant": constant, "good": counting}, ("none",))
    assert (found.classifier, found.sampling) == ("good", "none")
    assert found.balanced_accuracy > 0.85
    assert sizes == [90, 120]
    first = known.chosen(features, members, {"a": constant, "b": constant})
    assert (first.classifier, first.sampling, first.balanced_accuracy) == ("a", "none", 0.5)


def test_no_example_is_on_both_sides_of_the_choice():
    features, members = data(100, share=0.8)
    features[:, 0] = np.arange(100)

    def remembering(features, members, seed=0):
        seen = set(features[:, 0])
        return lambda own: np.array([float(x in seen) for x in own[:, 0]])

    for sampling in known.SAMPLINGS:
        found = known.chosen(features, members, {"remembering": remembering}, (sampling,))
        assert found.balanced_accuracy == 0.5  # nothing is remembered


def test_too_few_are_one_line():
    with pytest.raises(UserError, match=r"3 members and 97 non-members are known; .* needs 8 of"):
        known.network(np.zeros((100, 2)), np.arange(100) < 3)
    with pytest.raises(UserError, match=r"needs 8 of each"):
        known.chosen(np.zeros((100, 2)), np.arange(100) < 3, FAST)


def test_xgboost_searches_or_says_what_is_missing():
    features, members = data(100)
    try:
        import xgboost as _  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="pip install xgboost"):
            known.xgboost(features, members)
    else:
        assert known.xgboost(features, members, tries=1)(features).shape == (100,)
