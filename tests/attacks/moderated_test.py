"""The moderated t against scipy, target by target and example by example, and its two limits."""

import numpy as np
import pytest
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise
from scipy import optimize, stats
from scipy.special import digamma, polygamma

from lira_jax.attacks.lira import lira
from lira_jax.attacks.moderated import FORMS, moderated
from lira_jax.attacks.shared import blocks, student
from lira_jax.errors import UserError


def naive_prior(spreads, freedom=None):
    """d0 and s0^2 from (number of scores, their variance with n - 1) of many lists, by a root
    search."""
    e = [np.log(s2) - digamma((n - 1) / 2) + np.log((n - 1) / 2) for n, s2 in spreads]
    if freedom is not None:
        return freedom, np.exp(np.mean(e)) if np.isinf(freedom) else np.nan
    excess = np.var(e, ddof=1) - np.mean([polygamma(1, (n - 1) / 2) for n, _ in spreads])
    if excess <= 0:
        return np.inf, np.exp(np.mean(e))
    half = optimize.brentq(lambda x: polygamma(1, x) - excess, 1e-3, 1e9, xtol=1e-14, rtol=1e-14)
    return 2 * half, np.exp(np.mean(e) + digamma(half) - np.log(half))


def naive(phi, keep, own, target, form, freedom=None):
    """Scores of one target: own [examples, queries]; the target and its partners are left out."""
    num_examples, num_queries = own.shape
    rule = has_partner(keep)
    sides = [lists(keep[:, i], target, rule) for i in range(num_examples)]  # (in, out) models
    score = np.zeros((num_examples, num_queries))
    for q in range(num_queries):
        for side in (0, 1) if form == "online" else (1,):
            x = [phi[sides[i][side], i, q].astype(np.float64) for i in range(num_examples)]
            d0, s02 = naive_prior([(len(v), np.var(v, ddof=1)) for v in x if len(v) > 1], freedom)
            for i, v in enumerate(x):
                n, ss = len(v), np.sum((v - v.mean()) ** 2)
                nu = d0 + n - 1
                variance = s02 if np.isinf(d0) else (d0 * s02 + ss) / nu
                scale = np.sqrt(variance * (1 + 1 / n))
                if form == "one_sided":
                    t = np.float64((own[i, q] - v.mean()) / scale)
                    score[i, q] = student.deviate(t, min(nu, student.LARGEST_FREEDOM))
                else:
                    log_density = (
                        stats.norm.logpdf(own[i, q], v.mean(), scale)
                        if np.isinf(nu)
                        else stats.t.logpdf(own[i, q], nu, v.mean(), scale)
                    )
                    score[i, q] += log_density if side == 0 else -log_density
    return score.mean(-1)


def simulated(seed, num_models=10, num_examples=40, queries=2, masks=balanced, gap=1.0):
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    spread = rng.gamma(2, 1, (num_examples, 1))  # variances differ
    phi = rng.normal(0, 3, (num_examples, 1)) + gap * keep[:, :, None]
    return phi + spread * rng.normal(size=(num_models, num_examples, queries)), keep


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("masks", [balanced, coin_flips])
def test_equals_scipy_without_the_target_and_its_partner(form, masks, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 200)  # several blocks, the last one smaller
    phi, keep = simulated(1, masks=masks)
    found = moderated(phi, keep, [7, 0], form=form)
    assert found.dtype == np.float64
    for row, target in enumerate((7, 0)):
        expected = naive(phi, keep, phi[target], target, form)
        enough = np.isfinite(found[row])  # coin flips leave some lists with too few
        assert enough.mean() > 0.8
        np.testing.assert_allclose(found[row, enough], expected[enough], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_a_target_from_outside_is_judged_by_all_models(form):
    phi, keep = simulated(2)
    observed = simulated(3)[0][:2]
    found = moderated(phi, keep, observed=observed, form=form)
    for row in range(2):
        expected = naive(phi, keep, observed[row], None, form)
        np.testing.assert_allclose(found[row], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_a_target_has_no_say_in_what_it_is_judged_by(form):
    """Its own scores could be anything: another target's score may change, its own does not."""
    phi, keep = simulated(4)
    changed = phi.copy()
    changed[3] = np.random.default_rng(0).normal(50, 30, phi[3].shape)
    counterpart = dict(observed=phi[3:4], form=form)
    found = moderated(changed, keep, [3], **counterpart)
    np.testing.assert_allclose(found, moderated(phi, keep, [3], **counterpart), rtol=1e-7)
    assert not np.allclose(moderated(changed, keep, [5], form=form), moderated(phi, keep, [5]))


@pytest.mark.parametrize("form", FORMS)
def test_infinite_freedom_is_a_fixed_variance(form):
    phi, keep = simulated(5, num_models=16, num_examples=300)
    found = moderated(phi, keep, [3], form=form, freedom=np.inf)
    expected = naive(phi, keep, phi[3], 3, form, freedom=np.inf)
    np.testing.assert_allclose(found[0], expected, rtol=1e-8, atol=1e-8)


def test_of_infinite_freedom_offline_scores_are_those_of_the_fixed_variance_in_other_units():
    phi, keep = simulated(5, num_models=16, num_examples=300, queries=1)
    found = moderated(phi, keep, form="one_sided", freedom=np.inf)
    ratio = found / lira(phi, keep, form="one_sided", variance="residual")
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-6)


def test_no_freedom_is_a_plain_t():
    phi, keep = simulated(7)
    found = moderated(phi, keep, [2], freedom=0.0)
    for i in range(40):
        terms = []
        for models in lists(keep[:, i], 2):
            x = phi[models, i]
            n = len(x)
            scale = x.std(0, ddof=1) * np.sqrt(1 + 1 / n)
            terms.append(stats.t.logpdf(phi[2, i], n - 1, x.mean(0), scale).mean())
        assert found[0, i] == pytest.approx(terms[0] - terms[1], rel=1e-9)
    one_sided = moderated(phi, keep, [2], freedom=0.0, form="one_sided")
    x = phi[lists(keep[:, 0], 2)[1], 0]
    t = (phi[2, 0] - x.mean(0)) / (x.std(0, ddof=1) * np.sqrt(1 + 1 / len(x)))
    assert one_sided[0, 0] == pytest.approx(student.deviate(t, len(x) - 1).mean(), rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_is_at_chance(form, num_models):
    phi, keep = noise(num_models)
    assert_chance(moderated(phi, keep, form=form), keep)


@pytest.mark.parametrize("form", FORMS)
def test_members_score_higher(form):
    phi, keep = simulated(8, num_models=32, num_examples=300, gap=3.0)
    assert auc(moderated(phi, keep, form=form), keep) > 0.8


def test_with_few_models_it_finds_more_than_a_variance_an_example():
    phi, keep = simulated(9, num_models=8, num_examples=4000, queries=1, gap=2.0)
    scores = {name: lira(phi, keep, variance=name) for name in ("spherical", "residual")}
    scores["moderated"] = moderated(phi, keep)
    found = {name: auc(s, keep) for name, s in scores.items()}
    assert found["moderated"] > max(found["spherical"], found["residual"])


def test_a_list_of_one_score_is_enough():
    rng = np.random.default_rng(10)
    keep = balanced(rng, 8, 30)
    keep[:, 4] = np.arange(8) < 2
    keep[:, 5] = np.arange(8) < 1
    phi = rng.normal(size=(8, 30))
    score = moderated(phi, keep)
    assert np.isfinite(np.delete(score, 5, 1)).all()
    assert np.isnan(score[:, 5]).all()
    assert np.isnan(moderated(phi, keep, freedom=0)[:, 4]).all()
    assert np.isfinite(moderated(phi, keep, form="one_sided")).all()


@pytest.mark.parametrize("form", FORMS)
def test_shadows_that_agree_to_the_last_digit_give_finite_scores(form, recwarn):
    rng = np.random.default_rng(11)
    keep = balanced(rng, 8, 20)
    phi = np.where(keep, 7.0, 3.0).astype(np.float32)
    assert np.isfinite(moderated(phi, keep, form=form)).all()
    phi[:, :5] = rng.normal(size=(8, 5))
    far = np.float32([1e38, -1e38, 3e38])[:, None] * np.ones(20, np.float32)
    assert np.isfinite(moderated(phi, keep, observed=far, form=form)).all()
    assert not recwarn.list


def test_what_cannot_be_done_is_said():
    rng = np.random.default_rng(12)
    phi, keep = rng.normal(size=(4, 6)), balanced(rng, 4, 6)
    with pytest.raises(UserError, match="no example has 2 in shadow scores"):
        moderated(phi, keep)
    with pytest.raises(UserError, match="form=density: it is one of online, one_sided"):
        moderated(phi, keep, form="density")
    with pytest.raises(UserError, match="freedom=-1: give 0 or more"):
        moderated(phi, keep, freedom=-1)
