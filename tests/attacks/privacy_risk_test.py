import numpy as np
import pytest

from lira_jax.attacks.privacy_risk import (
    FEWEST_PER_BIN,
    PAIRS_PER_BIN,
    caveat,
    privacy_risk_score,
)
from lira_jax.attacks.shared import pairs
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.evaluation import risk as risk_lib


def _scores(num_models, num_examples, gap, seed=0, num_classes=3):
    """A metric N(class, 1) in non-members and N(class + gap, 1) in members."""
    rng = np.random.default_rng(seed)
    keep = masks.draw("balanced", num_models, num_examples, seed=seed)
    labels = rng.integers(0, num_classes, num_examples)
    return labels + rng.normal(0, 1, keep.shape) + gap * keep, labels, keep


def _naive_risk(value, shadow, prior, bins):
    """Risk of one value from its class's shadow pairs [(metric, member)], by counting."""
    num_in = sum(member for _, member in shadow)
    num_out = len(shadow) - num_in
    used = max(1, min(bins, len(shadow) // PAIRS_PER_BIN))
    if used < 2 and len(shadow) >= 2 * FEWEST_PER_BIN:
        used = min(bins, 2)
    ordered = sorted(x for x, _ in shadow)
    edges = [ordered[k * len(ordered) // used] for k in range(1, used)]
    edges = [edge for edge in edges if edge > ordered[0]]

    def which(x):
        return sum(x >= edge for edge in edges)

    same = [member for x, member in shadow if which(x) == which(value)]
    if not num_in or not num_out:
        return prior
    p_in, p_out = sum(same) / num_in, (len(same) - sum(same)) / num_out
    return prior * p_in / (prior * p_in + (1 - prior) * p_out)


@pytest.mark.parametrize(("decimals", "prior"), [(9, 0.5), (0, 0.2)])
def test_score_equals_counting(decimals, prior):
    metric, labels, keep = _scores(8, 90, 1.0)
    metric = metric.round(decimals)  # to whole numbers: most edges are ties
    score = privacy_risk_score(metric, labels, keep, [5], prior=prior, bins=4, limit=400)
    models, examples = pairs.sample(keep, 5, 400)
    for example in range(90):
        same_class = labels[examples] == labels[example]
        shadow = [
            (metric[m, i], bool(keep[m, i]))
            for m, i in zip(models[same_class], examples[same_class], strict=True)
        ]
        assert score[0, example] == pytest.approx(
            _naive_risk(metric[5, example], shadow, prior, 4), rel=1e-12
        )


def test_score_approaches_the_true_posterior_of_each_class():
    metric, labels, keep = _scores(16, 4000, 1.5)
    score = privacy_risk_score(metric, labels, keep, [0, 1], bins=40)
    x = metric[:2] - labels
    truth = 1 / (1 + np.exp(-1.5 * (x - 0.75)))
    error = score - truth
    # 40 bins of some 830 pairs: standard error up to .017, and a bin is .05 wide in the middle,
    # more in the tails.
    assert np.sqrt(np.mean(error**2)) < 0.03
    for label in range(3):
        assert abs(error[:, labels == label].mean()) < 0.01


@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_scores_are_calibrated_for_their_prior(prior):
    metric, labels, keep = _scores(16, 4000, 1.0)
    score = privacy_risk_score(metric, labels, keep, np.arange(8), prior=prior)
    assert risk_lib.calibration(score, keep[:8], prior=prior).rmse < 0.02
    assert np.ptp(score) > 0.3


def test_another_prior_is_bayes_rule_on_the_score():
    metric, labels, keep = _scores(8, 500, 1.0)
    even, rare = (privacy_risk_score(metric, labels, keep, prior=prior) for prior in (0.5, 0.01))
    np.testing.assert_allclose(rare, 0.01 * even / (0.01 * even + 0.99 * (1 - even)), atol=1e-12)


@pytest.mark.parametrize("num_models", [8, 16])
def test_pure_noise_has_about_the_prior_in_members_and_nonmembers(num_models):
    metric, labels, keep = _scores(num_models, 4000, 0.0, seed=1)
    score = privacy_risk_score(metric, labels, keep, bins=10)
    # A bin has more than 700 pairs, a standard error of .02; members and non-members are in the
    # same bins.
    assert np.sqrt(np.mean((score - 0.5) ** 2)) < 0.03
    assert abs(score[keep].mean() - score[~keep].mean()) < 0.002


def test_a_monotone_change_of_the_metric_changes_nothing():
    metric, labels, keep = _scores(6, 400, 1.0)
    plain, warped = (
        privacy_risk_score(m, labels, keep, limit=1500) for m in (metric, -np.exp(-3 * metric))
    )
    np.testing.assert_array_equal(plain, warped)


@pytest.mark.parametrize("fill", [-1e300, 0.0, 1e300])
def test_values_beyond_every_shadow_take_the_risk_of_the_outermost_bin(fill):
    metric, labels, keep = _scores(8, 300, 1.0)
    metric[:, labels == 2] = np.maximum(
        metric[:, labels == 2], 3
    )  # a heavy tie at the lowest value
    observed = np.full((1, 300), fill)
    score = privacy_risk_score(metric, labels, keep, observed=observed)[0]
    for label in range(3):
        inside = np.clip(
            observed, metric[:, labels == label].min(), metric[:, labels == label].max()
        )
        at_the_end = privacy_risk_score(metric, labels, keep, observed=inside)[0]
        np.testing.assert_array_equal(score[labels == label], at_the_end[labels == label])
    assert np.all((score >= 0) & (score <= 1))


def test_classes_with_few_pairs_or_one_kind_of_them_have_the_prior():
    metric, labels, keep = _scores(8, 300, 3.0)
    labels[:2] = 3  # 2 x 8 pairs: fewer than two bins need
    labels[2:5] = 0
    labels[5:105] = 4
    keep[:, 5:105] = True
    score = privacy_risk_score(metric, labels, keep, observed=metric[:2], prior=0.3)
    np.testing.assert_array_equal(score[:, labels >= 3], 0.3)
    assert np.std(score[:, labels < 3]) > 0.1
    assert caveat(score, labels, prior=0.3).startswith("all examples of 2 of 5 classes have the ")
    assert caveat(score[:, labels < 3], labels[labels < 3], prior=0.3) == ""


def test_a_class_of_few_pairs_has_two_bins_and_one_of_many_what_it_had():
    # 33 pairs a class, as Location30 has with one shadow model; 100 make two bins of 50.
    rng = np.random.default_rng(0)
    for pairs_of_class, used in ((19, 1), (20, 2), (33, 2), (50, 2), (99, 2), (100, 2), (150, 3)):
        labels = np.repeat(np.arange(30), pairs_of_class)
        keep = (np.arange(labels.size) % 2 == 0)[None]
        metric = 2.0 * keep + rng.normal(size=keep.shape)
        own = rng.normal(size=keep.shape) + 2.0 * keep
        score = privacy_risk_score(metric, labels, keep, observed=own)
        found = [len(np.unique(score[:, labels == k])) for k in range(30)]
        assert max(found) <= used
        assert np.median(found) == used
        if used > 1:  # it says something that is right, and is not surer than it may be
            assert score[keep].mean() - score[~keep].mean() > 0.2
            assert risk_lib.calibration(score, keep).rmse < 0.2


def test_one_shadow_model_with_few_pairs_a_class_says_something():
    """33 pairs a class are what Song and Mittal have on Location30."""
    rng = np.random.default_rng(0)
    labels, keep = np.repeat(np.arange(4), 33), rng.random((1, 132)) < 0.5
    members = rng.random((1, 132)) < 0.5
    metric, observed = (m + rng.normal(0, 0.5, m.shape) for m in (keep, members))
    score = privacy_risk_score(metric, labels, keep, observed=observed)
    assert score[members].mean() > 0.6 > 0.4 > score[~members].mean()


def test_of_two_models_nothing_is_left_to_learn_from_and_all_have_the_prior():
    metric, labels, keep = np.zeros((2, 6)), np.arange(6) % 2, np.eye(2, 6, dtype=bool)
    np.testing.assert_array_equal(privacy_risk_score(metric, labels, keep, prior=0.3), 0.3)


def test_a_bin_of_members_alone_is_certain():
    keep = masks.draw("balanced", 8, 200)
    metric = np.where(keep, 1.0, 0.0)
    np.testing.assert_array_equal(privacy_risk_score(metric, np.zeros(200, int), keep), keep)


@pytest.mark.parametrize(
    "options", [{"prior": 0.0}, {"prior": 1.0}, {"prior": np.nan}, {"bins": 0}]
)
def test_impossible_options_are_refused(options):
    metric, labels, keep = _scores(4, 20, 0.0)
    with pytest.raises(UserError, match=next(iter(options))):
        privacy_risk_score(metric, labels, keep, **options)
