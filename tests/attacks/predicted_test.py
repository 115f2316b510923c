"""The in class predicted from other examples, against numpy's least squares, target by target."""

import numpy as np
import pytest
from attacks import moderated_test
from null_scores import assert_chance, auc, balanced, coin_flips, has_partner, lists, noise
from scipy import stats

from lira_jax.attacks import predicted as predicted_lib
from lira_jax.attacks.moderated import moderated
from lira_jax.attacks.predicted import predicted
from lira_jax.attacks.shared import blocks
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.errors import UserError


def in_and_out(phi, keep, target):
    """The in and the out list of each example without the target and its partner."""
    inside, outside, rule = [], [], has_partner(keep)
    for i in range(keep.shape[1]):
        models = lists(keep[:, i], target, rule)
        inside.append(phi[models[0], i].astype(np.float64))
        outside.append(phi[models[1], i].astype(np.float64))
    return inside, outside


def of_lists(outside):
    """Means, and logs of standard deviations."""
    z = np.array([x.mean() for x in outside])
    return z, np.log([x.var(ddof=1) for x in outside]) / 2


def polynomial(outside, standard):
    z, w = ((x - s.mean()) / s.std() for x, s in zip(of_lists(outside), standard, strict=True))
    return np.stack([z**0, z, z**2, z**3, w, w**2, z * w], 1)


def naive(phi, keep, own, target, part, known=None):
    """Scores of one target and one query: phi [models, examples], own [examples]; part is the fold
    of each example, or known are phi and keep of the examples to learn from."""
    num_examples = len(own)
    inside, outside = in_and_out(phi, keep, target)
    if known is None:
        features = polynomial(outside, of_lists(outside))
        learned_from, its_inside = features, inside
    else:
        its_inside, its_outside = in_and_out(*known, target)
        learned_from = polynomial(its_outside, of_lists(its_outside))
        features = polynomial(outside, of_lists(its_outside))
    n_out, m_out = np.array([len(x) for x in outside]), np.array([x.mean() for x in outside])
    s2_out = np.array([x.var(ddof=1) for x in outside])
    d0, s02 = moderated_test.naive_prior([(len(x), x.var(ddof=1)) for x in outside])
    assert np.isfinite(d0)
    score = np.empty(num_examples)
    for k in range(5):
        others = range(len(its_inside)) if known else np.flatnonzero(part != k)
        others = [j for j in others if len(its_inside[j])]
        means = np.array([its_inside[j].mean() for j in others])
        coefficients = np.linalg.lstsq(learned_from[others], means, rcond=None)[0]
        residual = np.mean((means - learned_from[others] @ coefficients) ** 2)
        pairs = [its_inside[j] for j in others if len(its_inside[j]) > 1]
        of_pairs = [(len(x), x.var(ddof=1)) for x in pairs]
        own_d0, own_s02 = moderated_test.naive_prior(of_pairs)
        assert np.isfinite(own_d0)
        n = np.array([len(its_inside[j]) for j in others])
        ss = np.array([((its_inside[j] - its_inside[j].mean()) ** 2).sum() for j in others])
        v = (own_d0 * own_s02 + ss) / (own_d0 + n - 1)
        v_in = max(residual - np.mean(v / n), 0) + v.mean()
        for i in np.flatnonzero(part == k):
            log_in = stats.norm.logpdf(own[i], features[i] @ coefficients, np.sqrt(v_in))
            nu = d0 + n_out[i] - 1
            v_out = (d0 * s02 + s2_out[i] * (n_out[i] - 1)) / nu
            log_out = stats.t.logpdf(own[i], nu, m_out[i], np.sqrt(v_out * (1 + 1 / n_out[i])))
            score[i] = log_in - log_out
    return score


def simulated(seed, num_models=10, num_examples=60, queries=2, masks=balanced, gap=1.0):
    """In means that follow from the out list, as they do for networks."""
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    spread, mean = rng.gamma(3, 0.5, (num_examples, 1)), rng.normal(0, 3, (num_examples, 1))
    lift = gap * spread * (1 + np.tanh(-mean))
    phi = mean + keep[:, :, None] * lift
    return phi + spread * rng.normal(size=(num_models, num_examples, queries)), keep


def disjoint(rng, num_models, num_examples):
    """Four targets on the first half of the examples, the shadow models on the second."""
    keep, half = np.zeros((num_models, num_examples), bool), num_examples // 2
    keep[:4, :half] = balanced(rng, 4, half)
    keep[4:, half:] = balanced(rng, num_models - 4, half)
    return keep


def parts(num_examples, seed=0):
    generator = np.random.default_rng([seed, predicted_lib._STREAM])
    return generator.permutation(num_examples) % 5


@pytest.mark.parametrize("masks", [balanced, coin_flips])
def test_equals_least_squares_without_the_target_and_its_partner(masks, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 200)
    phi, keep = simulated(1, masks=masks)
    scored = np.isfinite(predicted(phi, keep)).all(0)
    assert scored.mean() > 0.8
    phi, keep = phi[:, scored], keep[:, scored]
    part = parts(scored.sum())
    found = predicted(phi, keep, [7, 0])
    for row, target in enumerate((7, 0)):
        expected = np.mean(
            [naive(phi[:, :, q], keep, phi[target, :, q], target, part) for q in range(2)], axis=0
        )
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-6)


def test_a_target_from_outside_is_judged_by_all_models():
    phi, keep = simulated(2, queries=1)
    observed = simulated(3, queries=1)[0][:2]
    found = predicted(phi, keep, observed=observed)
    for row in range(2):
        expected = naive(phi[:, :, 0], keep, observed[row, :, 0], None, parts(60))
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-6)


def test_of_shadows_on_data_of_their_own_the_in_class_is_learned_there():
    """As with disjoint masks: no shadow model trained on an example under attack."""
    phi, keep = simulated(2)
    unseen = simulated(3, num_examples=40, gap=0)[0]
    nobody, observed = np.zeros((10, 40), bool), simulated(4, num_examples=40)[0][:2]
    known = TrainingSet(phi, np.zeros(60, int), keep)
    found = predicted(unseen, nobody, observed=observed, training_set=known)
    for row in range(2):
        of_query = [
            naive(
                unseen[:, :, q],
                nobody,
                observed[row, :, q],
                None,
                np.zeros(40),
                (phi[:, :, q], keep),
            )
            for q in range(2)
        ]
        np.testing.assert_allclose(found[row], np.mean(of_query, axis=0), rtol=1e-6, atol=1e-6)
    # A target that is a model is in none of the lists there either.
    one, known = unseen[:, :, 0], TrainingSet(phi[:, :, 0], known.labels, keep)
    found = predicted(one, nobody, [6], training_set=known)
    expected = naive(one, nobody, one[6], 6, np.zeros(40), (phi[:, :, 0], keep))
    np.testing.assert_allclose(found[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("num_shadows", [8, 64])
def test_learning_elsewhere_is_at_chance_on_noise_and_finds_members(num_shadows):
    for gap in (0, 1.5):
        phi, keep = simulated(5, num_shadows + 4, 6000, queries=1, masks=disjoint, gap=gap)
        targets, shadows = (slice(4), slice(4, None))
        pool, rest = slice(3000), slice(3000, None)
        known = TrainingSet(phi[shadows, rest], np.zeros(3000, int), keep[shadows, rest])
        score = predicted(
            phi[shadows, pool],
            keep[shadows, pool],
            observed=phi[targets, pool],
            training_set=known,
        )
        if gap:
            assert auc(score, keep[targets, pool]) > 0.65
        else:
            assert_chance(score, keep[targets, pool])


def test_a_target_has_no_say_in_what_it_is_judged_by():
    phi, keep = simulated(4)
    changed = phi.copy()
    changed[3] = np.random.default_rng(0).normal(50, 30, phi[3].shape)
    found = predicted(changed, keep, [3], observed=phi[3:4])
    np.testing.assert_allclose(found, predicted(phi, keep, [3], observed=phi[3:4]), rtol=1e-6)


def test_an_examples_own_in_scores_have_no_say_in_its_part():
    phi, keep = simulated(5, num_models=12)
    part, changed, inside = parts(60), phi.copy(), keep.copy()
    inside[2] = False  # the target's own score is what is judged
    changed[inside[:, 7], 7] += 100
    found = [predicted(x, keep, [2])[0] for x in (phi, changed)]
    same = part == part[7]
    np.testing.assert_allclose(found[1][same], found[0][same], rtol=1e-6)
    assert not np.isclose(found[1][~same], found[0][~same]).any()


def test_an_example_that_no_shadow_trained_on_is_judged_by_what_is_known_of_others():
    rng = np.random.default_rng(6)
    keep = balanced(rng, 16, 400)
    unseen, target = np.arange(400) < 200, rng.random(400) < 0.5
    keep[:, unseen] = False
    mean = rng.normal(0, 3, 400)
    shadows = rng.normal(mean + 3 * keep)
    observed = rng.normal(mean + 3 * target)[None]
    score = predicted(shadows, keep, observed=observed)
    assert auc(score[:, unseen], target[None, unseen]) > 0.9


@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_noise_is_at_chance(num_models):
    phi, keep = noise(num_models)
    assert_chance(predicted(phi, keep), keep)


def test_it_finds_more_than_a_test_against_the_out_class_alone():
    phi, keep = simulated(7, num_models=16, num_examples=2000, queries=1, gap=1.5)
    alone = auc(moderated(phi, keep, form="one_sided"), keep)
    assert auc(predicted(phi, keep), keep) > alone + 0.01


def test_shadows_that_agree_to_the_last_digit_give_finite_scores(recwarn):
    keep = balanced(np.random.default_rng(8), 8, 60)
    phi = np.where(keep, 7.0, 3.0).astype(np.float32)
    far = np.float32([1e38, -1e38, 3e38])[:, None] * np.ones(60, np.float32)
    assert np.isfinite(predicted(phi, keep)).all()
    assert np.isfinite(predicted(phi, keep, observed=far)).all()
    assert not recwarn.list


def test_what_cannot_be_done_is_said():
    phi, keep = simulated(9)
    few = slice(0, 20)
    with pytest.raises(UserError, match=r"16 other examples have in scores, .* 20 are needed"):
        predicted(phi[:, few], keep[:, few])
    with pytest.raises(UserError, match="0 other examples have in scores"):
        predicted(phi, np.zeros_like(keep), observed=phi[:1])
    one_in = np.arange(10)[:, None] < np.ones(60)
    with pytest.raises(UserError, match="no other example has 2 in scores"):
        predicted(phi, one_in, observed=phi[:1])
    keep[:, 3] = np.arange(10) < 8
    assert np.isnan(predicted(phi, keep)[:, 3]).all()


@pytest.mark.parametrize("outside", [False, True])
def test_a_target_s_scores_do_not_depend_on_how_many_are_looked_at_together(outside, monkeypatch):
    phi, keep = simulated(9)
    known = TrainingSet(*simulated(8)[:1], np.zeros(60, int), simulated(8)[1])
    observed = simulated(7)[0] if outside else None
    targets = np.arange(len(keep))
    found = []
    for pairs in (2**22, 3 * 60):
        monkeypatch.setattr(predicted_lib, "_PAIRS", pairs)
        found.append(predicted(phi, keep, targets, observed))
        found.append(predicted(phi, keep, targets, observed, training_set=known))
    np.testing.assert_allclose(found[0], found[2], rtol=1e-9)
    np.testing.assert_allclose(found[1], found[3], rtol=1e-9)
