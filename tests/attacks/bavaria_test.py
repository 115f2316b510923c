"""BaVarIA against scipy, target by target and example by example, and against the integral that its
predictive distribution is."""

import itertools

import numpy as np
import pytest
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise
from scipy import integrate, stats

from lira_jax.attacks.bavaria import bavaria
from lira_jax.attacks.shared import blocks
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.errors import UserError

VARIANTS = list(itertools.product(["normal", "t"], [True, False]))


def log_predictive(predictive, value, x, mu0, v):
    """Log density of a value after the scores x, under the prior about mu0 and v."""
    n = len(x)
    if not n:
        return (
            stats.norm.logpdf(value, mu0, np.sqrt(v))
            if predictive == "normal"
            else stats.t.logpdf(value, 4, mu0, np.sqrt(v))
        )
    alpha = {"normal": 1, "t": 2}[predictive] + n / 2
    beta = v + np.sum((x - x.mean()) ** 2) / 2 + n * (x.mean() - mu0) ** 2 / (2 * (1 + n))
    if predictive == "normal":
        return stats.norm.logpdf(value, x.mean(), np.sqrt(beta / (alpha - 1)))
    scale = np.sqrt(beta * (n + 2) / (alpha * (n + 1)))
    return stats.t.logpdf(value, 2 * alpha, (mu0 + n * x.mean()) / (1 + n), scale)


def naive(phi, keep, own, target, predictive, online):
    num_examples, num_queries = own.shape
    rule = has_partner(keep)
    sides = [lists(keep[:, i], target, rule) for i in range(num_examples)]  # (in, out) models
    score = np.zeros((num_examples, num_queries))
    for q, i in itertools.product(range(num_queries), range(num_examples)):
        for side in (0, 1):
            of_prior = side == 0 and not online
            pool = [
                phi[m, j, q]
                for j in range(num_examples)
                for m in sides[j][side]
                if not (of_prior and j == i)
            ]
            x = np.array([] if of_prior else [phi[m, i, q] for m in sides[i][side]])
            term = log_predictive(predictive, own[i, q], x, np.mean(pool), np.var(pool))
            score[i, q] += term if side == 0 else -term
    return score.mean(-1)


def simulated(seed, num_models=8, num_examples=15, queries=2, masks=balanced, gap=1.0):
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    spread = rng.gamma(2, 1, (num_examples, 1))
    phi = rng.normal(0, 3, (num_examples, 1)) + gap * keep[:, :, None]
    return phi + spread * rng.normal(size=(num_models, num_examples, queries)), keep


@pytest.mark.parametrize(("predictive", "online"), VARIANTS)
@pytest.mark.parametrize("masks", [balanced, coin_flips])
def test_equals_scipy_without_the_target_and_its_partner(predictive, online, masks, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 100)
    phi, keep = simulated(1, masks=masks)
    options = dict(predictive=predictive, online=online)
    scored = np.isfinite(bavaria(phi, keep, **options)).all(0)
    phi, keep = phi[:, scored], keep[:, scored]
    found = bavaria(phi, keep, [5, 0], **options)
    for row, target in enumerate((5, 0)):
        expected = naive(phi, keep, phi[target], target, predictive, online)
        np.testing.assert_allclose(found[row], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("predictive", "online"), VARIANTS)
def test_a_target_from_outside_is_judged_by_all_models(predictive, online):
    phi, keep = simulated(2)
    observed = simulated(3)[0][:2]
    found = bavaria(phi, keep, observed=observed, predictive=predictive, online=online)
    for row in range(2):
        expected = naive(phi, keep, observed[row], None, predictive, online)
        np.testing.assert_allclose(found[row], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("predictive", ["normal", "t"])
def test_of_shadows_on_data_of_their_own_the_prior_of_the_in_class_is_that_of_their_lists(
    predictive,
):
    phi, keep = simulated(4)
    unseen, observed = simulated(5, num_examples=12)[0], simulated(6, num_examples=12)[0][:3]
    nobody = np.zeros((8, 12), bool)
    known = TrainingSet(phi, np.zeros(15, int), keep)
    options = dict(predictive=predictive, online=False)
    found = bavaria(unseen, nobody, observed=observed, training_set=known, **options)
    for q in range(2):
        in_scores, out = phi[:, :, q][keep], unseen[:, :, q]
        mean, variance = in_scores.mean(), in_scores.var()
        for row, i in np.ndindex(3, 12):
            x = observed[row, i, q]
            log_in = log_predictive(predictive, x, np.array([]), mean, variance)
            log_out = log_predictive(predictive, x, out[:, i], out.mean(), out.var())
            found[row, i] -= (log_in - log_out) / 2
    np.testing.assert_allclose(found, 0, atol=1e-9)
    with pytest.raises(UserError, match=r"in lists .* hold 0 shadow scores"):
        bavaria(unseen, nobody, observed=observed, **options)


@pytest.mark.parametrize("predictive", ["normal", "t"])
def test_learning_elsewhere_is_at_chance_on_noise(predictive):
    phi, keep = noise(16)
    pool, rest, nobody = slice(6000), slice(6000, None), np.zeros((8, 6000), bool)
    member = balanced(np.random.default_rng(0), 8, 6000)
    known = TrainingSet(phi[8:, rest], np.zeros(6000, int), keep[8:, rest])
    options = dict(predictive=predictive, online=False, training_set=known)
    score = bavaria(phi[8:, pool], nobody, observed=phi[:8, pool], **options)
    assert_chance(score, member)


def test_t_is_the_integral_over_the_posterior_of_mean_and_precision():
    """What a normal-gamma prior says of the next score: likelihood times prior, integrated over the
    precision; over the mean the scores are jointly normal."""
    x, mu0, v, value = np.array([1.0, 2.5, 0.5]), 0.3, 1.7, 2.2

    def joint(scores):
        def density(precision):
            covariance = (
                np.eye(len(scores)) + 1
            ) / precision  # kappa0 = 1: the mean varies as much
            prior = stats.gamma.pdf(precision, 2, scale=1 / v)
            return prior * stats.multivariate_normal.pdf(scores - mu0, cov=covariance)

        return integrate.quad(density, 1e-9, 60, epsrel=1e-9)[0]

    expected = np.log(joint(np.append(x, value)) / joint(x))
    assert log_predictive("t", value, x, mu0, v) == pytest.approx(expected, rel=1e-6)
    assert log_predictive("t", value, x[:0], mu0, v) == pytest.approx(
        np.log(joint(np.array([value]))), rel=1e-6
    )


@pytest.mark.parametrize(("predictive", "online"), VARIANTS)
def test_a_target_has_no_say_in_what_it_is_judged_by(predictive, online):
    phi, keep = simulated(4, num_examples=60)
    changed = phi.copy()
    changed[3] = np.random.default_rng(0).normal(50, 30, phi[3].shape)
    options = dict(observed=phi[3:4], predictive=predictive, online=online)
    found = bavaria(changed, keep, [3], **options)
    np.testing.assert_allclose(found, bavaria(phi, keep, [3], **options), rtol=1e-6)


@pytest.mark.parametrize("predictive", ["normal", "t"])
def test_offline_an_examples_own_in_scores_have_no_say(predictive):
    phi, keep = simulated(5, num_models=12)
    changed = phi.copy()
    inside = keep.copy()
    inside[2] = False  # the target's own score is what is judged
    changed[inside[:, 7], 7] += 100
    found = [bavaria(x, keep, [2], predictive=predictive, online=False) for x in (phi, changed)]
    assert found[1][0, 7] == pytest.approx(found[0][0, 7], rel=1e-9)
    assert not np.isclose(found[1][0, 8], found[0][0, 8])  # but in those of other examples


@pytest.mark.parametrize(("predictive", "online"), VARIANTS)
@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_is_at_chance(predictive, online, num_models):
    phi, keep = noise(num_models)
    assert_chance(bavaria(phi, keep, predictive=predictive, online=online), keep)


@pytest.mark.parametrize(("predictive", "online"), VARIANTS)
def test_members_score_higher(predictive, online):
    phi, keep = simulated(6, num_models=32, num_examples=300, gap=4.0)
    assert auc(bavaria(phi, keep, predictive=predictive, online=online), keep) > 0.6


@pytest.mark.parametrize(("predictive", "online"), VARIANTS)
def test_shadows_that_agree_to_the_last_digit_give_finite_scores(predictive, online, recwarn):
    keep = balanced(np.random.default_rng(7), 8, 20)
    phi = np.where(keep, 7.0, 3.0).astype(np.float32)
    far = np.float32([1e38, -1e38, 3e38])[:, None] * np.ones(20, np.float32)
    options = dict(predictive=predictive, online=online)
    assert np.isfinite(bavaria(phi, keep, **options)).all()
    assert np.isfinite(bavaria(phi, keep, observed=far, **options)).all()
    assert not recwarn.list


def test_what_cannot_be_done_is_said():
    phi, keep = simulated(8)
    with pytest.raises(UserError, match="predictive=cauchy: it is one of normal, t"):
        bavaria(phi, keep, predictive="cauchy")
    with pytest.raises(UserError, match=r"the in lists of all examples hold 0 shadow scores, .* 2"):
        bavaria(phi, np.zeros_like(keep), observed=phi[:1], online=False)
    keep[:, 3] = True
    assert np.isnan(bavaria(phi, keep)[:, 3]).all()
    one = np.arange(8)[:, None] < np.array([6])
    with pytest.raises(UserError, match="needs 2 of other examples"):
        bavaria(phi[:, :1], one, online=False)
    assert np.isfinite(bavaria(phi[:, :1], one, observed=phi[:2, :1])).all()
