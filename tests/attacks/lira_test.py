"""LiRA against naive fits, on noise, and against closed forms."""

import itertools

import numpy as np
import pytest
from null_scores import has_partner
from scipy import stats

from lira_jax.attacks import lira as lira_lib
from lira_jax.attacks.lira import lira
from lira_jax.attacks.shared import blocks, leave_out
from lira_jax.attacks.shared.saturation import compress
from lira_jax.errors import UserError

VARIANTS = list(itertools.product(lira_lib.FORMS, lira_lib.VARIANCES, lira_lib.CENTRES))


def _balanced(rng, num_models, num_examples):
    return rng.random((num_models, num_examples)).argsort(0) < num_models // 2


def _auc(score, member):
    """Probability that a member outranks a non-member, ties counting half."""
    ranks = stats.rankdata(score, axis=None).reshape(score.shape)
    num_in, num_out = member.sum(), (~member).sum()
    return (ranks[member].sum() - num_in * (num_in + 1) / 2) / (num_in * num_out)


def _simulated(rng, num_models, num_examples, num_queries, gap=1.0):
    keep = _balanced(rng, num_models, num_examples)
    phi = rng.normal(0, 3, (num_examples, 1)) + rng.normal(
        0, 1, (num_models, num_examples, num_queries)
    )
    return phi + gap * keep[:, :, None], keep


def _naive(phi, keep, own, left_out, form, variance, centre):
    """Scores of one target: own [examples, queries], left_out[i] the models not used for example
    i."""
    num_models, num_examples, _ = phi.shape
    lists = {bit: {} for bit in (True, False)}
    for i in range(num_examples):
        for bit in (True, False):
            models = [m for m in range(num_models) if keep[m, i] == bit and m not in left_out[i]]
            lists[bit][i] = phi[models, i]
    log_density, z = {True: 0, False: 0}, None
    for bit in (True, False):
        x = lists[bit]
        middle = np.array([(np.mean if centre == "mean" else np.median)(x[i], axis=0) for i in x])
        if variance == "diagonal":
            sd = np.array([np.std(x[i], axis=0) for i in x])
        elif variance == "spherical":
            sd = np.array([[np.sqrt(np.var(x[i], axis=0).mean())] for i in x])
        elif variance == "residual":
            squares = sum(((x[i] - x[i].mean(0)) ** 2).sum(0) for i in x)
            sd = np.sqrt(squares / sum(len(x[i]) - 1 for i in x))
        else:
            shared = lists[form == "online"]
            sd = np.std(np.concatenate([shared[i].ravel() for i in shared]))
        log_density[bit] = stats.norm.logpdf(own, middle, sd).mean(-1)
        z = ((own - middle) / sd).mean(-1)
    return {
        "online": log_density[True] - log_density[False],
        "one_sided": z,
        "density": -log_density[False],
    }[form]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("masks", ["balanced", "bernoulli"])
def test_equals_naive_fit_without_target_and_partner(variant, masks, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 200)  # several blocks, the last one smaller
    rng = np.random.default_rng(1)
    phi, keep = _simulated(rng, 12, 11, 3)
    if masks == "bernoulli":
        keep = rng.random(keep.shape) < 0.5
        keep[:3], keep[3:6] = True, False
    assert has_partner(keep) == (masks == "balanced")
    targets = [7, 0, 11]
    partners = leave_out.partners(keep, np.array(targets))
    expected = []
    for k, t in enumerate(targets):
        gone = [{t, partners[k, i]} if masks == "balanced" else {t} for i in range(11)]
        expected.append(_naive(phi, keep, phi[t], gone, *variant))
    got = lira(phi, keep, targets, form=variant[0], variance=variant[1], centre=variant[2])
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_outside_target_equals_naive_fit_to_all_models(variant):
    phi, keep = _simulated(np.random.default_rng(2), 9, 10, 2)
    observed, phi, keep = phi[8:], phi[:8], keep[:8]
    expected = _naive(phi, keep, observed[0], [set()] * 10, *variant)
    got = lira(
        phi, keep, observed=observed, form=variant[0], variance=variant[1], centre=variant[2]
    )
    np.testing.assert_allclose(got, [expected], rtol=1e-9, atol=1e-9)


def _group_aucs(score, member, num_groups):
    groups = np.array_split(np.arange(score.shape[1]), num_groups)
    return np.array([_auc(score[:, g], member[:, g]) for g in groups])


NULL_SIZES = {8: 24000, 16: 12000, 64: 4000}


@pytest.fixture(scope="module", params=NULL_SIZES)
def noise(request):
    """Scores that know nothing of the masks."""
    rng = np.random.default_rng(request.param)
    shape = request.param, NULL_SIZES[request.param]
    return rng.standard_normal(shape), _balanced(rng, *shape)


@pytest.mark.parametrize("variant", VARIANTS)
def test_auc_on_noise_is_one_half(noise, variant):
    phi, keep = noise
    score = lira(phi, keep, form=variant[0], variance=variant[1], centre=variant[2])
    aucs = _group_aucs(score, keep, 20)
    assert abs(aucs.mean() - 0.5) < 4 * aucs.std(ddof=1) / np.sqrt(len(aucs))


def test_leaving_only_the_target_out_is_biased_on_noise():
    rng = np.random.default_rng(8)
    phi, keep = rng.standard_normal((8, 2000)), _balanced(rng, 8, 2000)
    score = np.array(
        [
            _naive(
                phi[..., None], keep, phi[t, :, None], [{t}] * 2000, "online", "diagonal", "mean"
            )
            for t in range(8)
        ]
    )
    aucs = _group_aucs(score, keep, 20)
    assert aucs.mean() + 10 * aucs.std(ddof=1) / np.sqrt(len(aucs)) < 0.5
    partner_too = _group_aucs(lira(phi, keep), keep, 20)
    assert abs(partner_too.mean() - 0.5) < 4 * partner_too.std(ddof=1) / np.sqrt(len(aucs))


@pytest.mark.parametrize("variant", VARIANTS)
def test_examples_are_attacked_alike_in_any_order(variant):
    rng = np.random.default_rng(3)
    phi, keep = _simulated(rng, 16, 40, 2)
    options = dict(form=variant[0], variance=variant[1], centre=variant[2])
    order = rng.permutation(40)
    got = lira(phi[:, order], keep[:, order], **options)
    np.testing.assert_allclose(got, lira(phi, keep, **options)[:, order], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[1] != "grand"])
def test_a_constant_added_to_an_example_changes_nothing(variant):
    rng = np.random.default_rng(4)
    phi, keep = _simulated(rng, 16, 40, 2)
    options = dict(form=variant[0], variance=variant[1], centre=variant[2])
    shift = rng.normal(0, 100, (40, 1))
    np.testing.assert_allclose(
        lira(phi + shift, keep, **options), lira(phi, keep, **options), atol=1e-9
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_large_constant_added_to_all_scores_costs_no_digits(variant):
    phi, keep = _simulated(np.random.default_rng(4), 16, 40, 2)
    options = dict(form=variant[0], variance=variant[1], centre=variant[2])
    np.testing.assert_allclose(
        lira(phi + 1e6, keep, **options), lira(phi, keep, **options), atol=1e-6
    )


@pytest.mark.parametrize(("form", "variance", "centre"), [v for v in VARIANTS if v[0] != "density"])
def test_members_score_higher(form, variance, centre):
    phi, keep = _simulated(np.random.default_rng(5), 32, 300, 2, gap=2.0)
    assert _auc(lira(phi, keep, form=form, variance=variance, centre=centre), keep) > 0.8


def test_density_scores_unlikely_under_out_higher():
    phi, keep = _simulated(np.random.default_rng(5), 32, 300, 1, gap=4.0)
    assert _auc(lira(phi, keep, form="density"), keep) > 0.9


def test_density_is_two_sided():
    phi, keep = _simulated(np.random.default_rng(5), 32, 30, 1)
    mean_out = np.mean(phi, axis=0, where=~keep[:, :, None])
    below, near, above = lira(
        phi, keep, observed=mean_out + np.array([-9, 1, 9])[:, None, None], form="density"
    )
    np.testing.assert_allclose(below, above, rtol=1e-9)
    assert np.all(below > near)


@pytest.mark.parametrize(
    ("form", "variance"),
    [("online", "residual"), ("online", "spherical"), ("one_sided", "residual")],
)
def test_auc_of_two_gaussians_reaches_the_closed_form(form, variance):
    """In N(mu_i + d, 1), out N(mu_i, 1): the ratio is a threshold on phi - mu_i and AUC = Phi(d /
    sqrt 2)."""
    gap, false_positives = 1.5, 0.01
    phi, keep = _simulated(np.random.default_rng(6), 1024, 300, 1, gap)
    targets = np.arange(0, 1024, 8)
    member = keep[targets]
    score = lira(phi, keep, targets, form=form, variance=variance)
    num = min(member.sum(), (~member).sum())

    auc = stats.norm.cdf(gap / np.sqrt(2))
    error = np.sqrt(auc * (1 - auc) / num)  # an upper bound (Birnbaum & Klose 1957)
    assert (
        abs(_auc(score, member) - auc) < 3 * error + 0.002
    )  # 0.002: means of 511 scores are off by 0.04

    threshold = np.quantile(score[~member], 1 - false_positives)
    cut = stats.norm.ppf(false_positives)
    tpr = stats.norm.cdf(gap + cut)
    # The threshold is a sample quantile: its error moves the TPR by the ratio of the two densities.
    slope = stats.norm.pdf(gap + cut) / stats.norm.pdf(cut)
    error = np.sqrt((tpr * (1 - tpr) + slope**2 * false_positives * (1 - false_positives)) / num)
    assert abs(np.mean(score[member] > threshold) - tpr) < 3 * error + 0.002


def test_known_gaussians_give_the_log_likelihood_ratio():
    rng = np.random.default_rng(7)
    keep = np.arange(4000) % 2 == 0
    phi = rng.normal(np.where(keep, 2.0, -1.0), np.where(keep, 0.5, 2.0))
    observed = np.linspace(-2, 3, 11)[:, None]
    expected = stats.norm.logpdf(observed, 2.0, 0.5) - stats.norm.logpdf(observed, -1.0, 2.0)
    got = lira(phi[:, None], keep[:, None], observed=observed)
    np.testing.assert_allclose(got, expected, rtol=0.1, atol=0.3)


def test_one_sided_orders_as_equation_4_and_does_not_saturate():
    phi, keep = _simulated(np.random.default_rng(8), 16, 30, 1)
    score = lira(phi, keep, form="one_sided")
    probability = 1 - stats.norm.sf(score)
    order = score.argsort(axis=None)
    assert np.all(np.diff(probability.ravel()[order]) >= 0)
    far = np.stack([phi.max(0) + 100, phi.max(0) + 200])
    near, farther = lira(phi, keep, observed=far, form="one_sided")
    assert np.all(farther > near)


def test_two_dimensional_phi_is_one_query():
    phi, keep = _simulated(np.random.default_rng(9), 8, 20, 1)
    np.testing.assert_array_equal(lira(phi[..., 0], keep), lira(phi, keep))
    np.testing.assert_array_equal(
        lira(phi[..., 0], keep, observed=phi[:2, :, 0]), lira(phi, keep, observed=phi[:2])
    )


def test_float32_and_block_size_do_not_matter(monkeypatch):
    phi, keep = _simulated(np.random.default_rng(10), 16, 50, 2)
    phi = phi.astype(np.float32)
    expected = lira(phi.astype(np.float64), keep, variance="residual")
    for elements in (1, 100, 10**6):
        monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", elements)
        np.testing.assert_allclose(
            lira(phi, keep, variance="residual"), expected, rtol=1e-12, atol=1e-12
        )


def test_equal_shadow_scores_give_finite_scores():
    keep = np.repeat([[True], [False]], 4, axis=0) & np.ones((8, 3), bool)
    phi = np.where(keep, 20.0, 5.0)
    for form, variance, centre in VARIANTS:
        assert np.isfinite(lira(phi, keep, form=form, variance=variance, centre=centre)).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_example_with_short_lists_has_no_score_and_no_say(variant):
    """The others are scored as if it were not there, in shared variances too."""
    form, variance, centre = variant
    options = dict(form=form, variance=variance, centre=centre)
    rng = np.random.default_rng(0)
    keep = _balanced(rng, 6, 40)
    keep[:, 7] = [False, False, False, False, True, True]  # 1 in, 3 out are left
    keep[:, 11] = True
    keep[:, 13] = False
    phi = rng.normal(size=(6, 40, 2))
    lacks = {7} if form == "online" and variance in ("spherical", "diagonal") else set()
    lacks |= {11} if form != "online" else {11, 13}
    rest = np.isin(np.arange(40), list(lacks), invert=True)
    score = lira(phi, keep, **options)
    assert np.isnan(score[:, ~rest]).all()
    expected = lira(phi[:, rest], keep[:, rest], **options)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(score[:, rest], expected, rtol=1e-12)
    outside = lira(phi, keep, observed=phi[:2], **options)  # nothing is left out
    assert np.isfinite(outside[:, 7]).all()


def test_that_no_example_has_enough_is_said_with_what_to_do():
    keep = np.arange(4)[:, None] < 2 * np.ones(5)
    phi = np.random.default_rng(0).normal(size=(4, 5))
    with pytest.raises(
        UserError,
        match=r"no example has 2 in and 2 out shadow scores without the target and its partner, as "
        r"variance=spherical needs: use more models .* \(lira_online_fixed\)",
    ):
        lira(phi, keep)
    with pytest.raises(UserError, match="no example has 1 out shadow scores, as variance=grand"):
        lira(phi, keep | True, observed=phi, variance="grand", form="density")


@pytest.mark.parametrize("centre", lira_lib.CENTRES)
@pytest.mark.parametrize("form", lira_lib.FORMS)
def test_with_one_query_spherical_is_diagonal_bit_for_bit(form, centre):
    phi, keep = _simulated(np.random.default_rng(13), 16, 200, 1)
    options = dict(form=form, centre=centre)
    spherical = lira(phi.astype(np.float32), keep, variance="spherical", **options)
    diagonal = lira(phi.astype(np.float32), keep, variance="diagonal", **options)
    np.testing.assert_array_equal(spherical, diagonal)


@pytest.mark.parametrize("form", ["online", "density"])
def test_a_spherical_gaussian_has_no_axes(form):
    """A rotation of the space of queries changes nothing; it does where each has a variance."""
    rng = np.random.default_rng(14)
    phi, keep = _simulated(rng, 16, 50, 3)
    phi *= [0.5, 1.0, 2.0]
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    score, rotated = lira(phi, keep, form=form), lira(phi @ rotation, keep, form=form)
    np.testing.assert_allclose(rotated, score, rtol=1e-9, atol=1e-9)
    one, other = (lira(x, keep, form=form, variance="diagonal") for x in (phi, phi @ rotation))
    assert np.abs(one - other).max() > 0.1


def test_offline_spherical_z_is_that_of_the_mean_over_queries_in_units_of_one_deviation():
    phi, keep = _simulated(np.random.default_rng(15), 12, 20, 4)
    observed = phi[:2] + 1
    score = lira(phi, keep, observed=observed, form="one_sided")
    for i in range(20):
        out = phi[~keep[:, i], i]
        sd = np.sqrt(np.mean((out - out.mean(0)) ** 2))
        np.testing.assert_allclose(score[:, i], (observed[:, i].mean(-1) - out.mean()) / sd)


@pytest.mark.parametrize("variant", VARIANTS)
def test_saturated_scores_stay_finite_and_keep_their_order(variant, recwarn):
    """Shadows that agree to the last digit leave no deviation but the floor's; float32's largest
    number is then 1e44 deviations away."""
    largest = np.finfo(np.float32).max
    keep = np.repeat([[True], [False]], 4, axis=0) & np.ones((8, 6), bool)
    phi = np.where(keep, 20.0, 5.0).astype(np.float32)
    phi[:, 3:] = np.where(keep[:, 3:], largest, -largest)
    observed = np.linspace(-1, 1, 9)[:, None] * largest * np.ones(6)
    form, variance, centre = variant
    score = compress(
        lira(phi, keep, observed=observed, form=form, variance=variance, centre=centre)
    )
    assert np.isfinite(score).all()
    if form == "one_sided":
        assert (np.diff(score, axis=0) > 0).all()
    assert not recwarn.list


def test_residual_variance_needs_two_scores_somewhere():
    phi = np.random.default_rng(0).normal(size=(4, 5))
    keep = np.repeat([[True], [False]], 2, axis=0) & np.ones((4, 5), bool)
    with pytest.raises(
        UserError, match=r"no example has 2 in shadow scores without .* as variance=residual needs"
    ):
        lira(phi, keep, variance="residual")
    assert np.isfinite(lira(phi, keep, variance="grand")).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_with_the_model_named(bad):
    phi, keep = _simulated(np.random.default_rng(11), 8, 6, 2)
    damaged = phi.copy()
    damaged[5, 3, 1] = bad
    with pytest.raises(
        UserError, match=r"phi of model 5 is NaN or infinite \(first at example 3\)"
    ):
        lira(damaged, keep)
    with pytest.raises(UserError, match="phi of outside target 5 "):
        lira(phi, keep, observed=damaged)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(form="offline"), "form=offline: it is one of online, one_sided, density"),
        (dict(variance="fixed"), "variance=fixed: it is one of"),
        (dict(centre="mode"), "centre=mode: it is one of"),
        (dict(targets=[0, 8]), r"targets=\[0, 8\]: give indices of models, 0 to 7"),
        (dict(targets=[-1]), "give indices of models"),
        (dict(targets=[True]), "give indices of models"),
        (dict(targets=[0], observed=np.zeros((2, 6, 2))), "observed has 2 rows for 1 targets"),
        (dict(observed=np.zeros((1, 6))), "both end with"),
        (dict(keep=np.ones((8, 5), bool)), "both begin with"),
        (dict(phi=np.zeros(8)), "phi has shape"),
    ],
)
def test_unusable_arguments_are_refused_in_one_line(arguments, message):
    phi, keep = _simulated(np.random.default_rng(12), 8, 6, 2)
    with pytest.raises(UserError, match=message) as error:
        lira(**(dict(phi=phi, keep=keep) | arguments))
    assert "\n" not in str(error.value)
