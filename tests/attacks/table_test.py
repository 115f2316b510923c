"""Every attack of the table: higher = more likely a member, and nothing of a target's membership
leaks into it."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.attacks.table import ABLATION, ATTACKS, COMPATIBLE, on_signals
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc, tpr_at_fpr

FAST = [name for name, attack in ATTACKS.items() if not attack.slow]
# A constant, and an attack that makes no guess at most of these examples.
NO_SIGNAL = ("zero_r",)


def evidence(num_models, num_examples, gap, seed=0, queries=2, pkeep=0.5):
    """Logits with an example's own difficulty, shared by all models, and `gap` more on the label
    for members."""
    rng = np.random.default_rng(seed)
    keep = masks.draw("balanced", num_models, num_examples, pkeep=pkeep, seed=seed)
    labels = rng.integers(0, 4, num_examples).astype(np.int32)
    signature = 2 * rng.normal(size=(num_examples, 4))
    logits = signature[None, :, None] + rng.normal(size=(num_models, num_examples, queries, 4))
    logits[:, np.arange(num_examples), :, labels] += 2.0
    logits[:, np.arange(num_examples), :, labels] += gap * keep.T[:, :, None]
    others = np.where(np.arange(4) == labels[:, None, None], -np.inf, logits)
    phi = np.take_along_axis(logits, labels[None, :, None, None], -1)[..., 0] - np.logaddexp.reduce(
        others, -1
    )
    return Evidence.of_arrays(
        labels,
        keep,
        Inside(np.arange(num_models)),
        phi=phi.astype(np.float32),
        logits=logits[:, :, 0].astype(np.float32),
    )


@pytest.mark.parametrize("name", [n for n in FAST if n not in NO_SIGNAL])
def test_higher_is_more_likely_a_member(name):
    e = evidence(16, 400, gap=2.0)
    scores = ATTACKS[name].run(e)
    assert scores.shape == (16, 400)
    assert np.isfinite(scores).all()
    # Two-sided by design, density takes sure members for outliers of the out Gaussian, yet ranks
    # them high here.
    assert scores[e.keep].mean() > scores[~e.keep].mean()
    if name != "lira_offline_density" and name != "lira_offline_density_fixed":
        assert auc(roc(scores.ravel(), e.members.ravel())) > 0.55


@pytest.mark.parametrize("num_models", [8, 16, 64])
@pytest.mark.parametrize("name", FAST)
def test_noise_is_at_chance(name, num_models):
    """AUC and TPR at 1 % of scores that are independent of the masks, within four standard errors
    over runs."""
    runs = {8: 12, 16: 8, 64: 4}[num_models]
    areas, rates = [], []
    for seed in range(runs):
        e = evidence(num_models, 4000 // num_models, gap=0.0, seed=seed)
        curve = roc(ATTACKS[name].run(e).ravel(), e.members.ravel())
        areas.append(auc(curve))
        rates.append(tpr_at_fpr(curve, 0.01))
    pairs = 2000  # members of one run, and as many non-members
    area_error = max(np.std(areas, ddof=1), np.sqrt(1 / 6 / pairs)) / np.sqrt(runs)
    quantile = stats.t.ppf(1 - 3e-5, runs - 1) if np.std(areas) > np.sqrt(1 / 6 / pairs) else 4
    assert abs(np.mean(areas) - 0.5) < quantile * area_error
    if curve.fpr[1] < 0.01:  # a constant or a yes-or-no attack has no step there
        rate_error = np.sqrt(2 * 0.01 / pairs / runs)
        assert (
            abs(np.mean(rates) - 0.01)
            < 5 * max(rate_error, np.std(rates, ddof=1) / np.sqrt(runs)) + 0.0005
        )


@pytest.mark.parametrize("name", FAST)
def test_noise_is_at_chance_when_a_quarter_is_kept(name):
    """In and out lists differ in length, but by the same for members and non-members."""
    areas = []
    for seed in range(10):
        e = evidence(16, 250, gap=0.0, seed=seed, pkeep=0.25)
        areas.append(auc(roc(ATTACKS[name].run(e).ravel(), e.members.ravel())))
    # At least that of independent scores, members and non-members: 1000 and 3000 pairs a run.
    error = max(np.std(areas, ddof=1), np.sqrt(1 / 12 * (1 / 1000 + 1 / 3000)))
    assert abs(np.mean(areas) - 0.5) < stats.t.ppf(1 - 3e-5, 9) * error / np.sqrt(10)


def test_outside_targets_are_attacked_without_our_membership_of_them():
    e = evidence(17, 300, gap=2.0, seed=3)
    first, others = np.array([0]), np.arange(1, 17)
    outside = Outside(e.signals.of(models=first))
    rest = dataclasses.replace(e, targets=outside).models(others)
    assert rest.members is None
    for name in FAST:
        scores = ATTACKS[name].run(rest)
        assert scores.shape == (1, 300)
        if name not in NO_SIGNAL:
            assert scores[0, e.keep[0]].mean() > scores[0, ~e.keep[0]].mean()


def test_named_targets_are_rows_of_all_targets():
    e = evidence(8, 200, gap=1.0, seed=4)
    some = dataclasses.replace(e, targets=Inside(np.array([5, 2])))
    for name in FAST:
        np.testing.assert_allclose(
            ATTACKS[name].run(some), ATTACKS[name].run(e)[[5, 2]], atol=1e-9, err_msg=name
        )


def test_the_ablation_has_the_papers_thirteen_rows():
    assert len(ABLATION) == 13
    assert [name.split(" (")[0] for name, _ in ABLATION].count("LOSS attack") == 3
    e = evidence(16, 300, gap=2.0, seed=5)
    for _, run in ABLATION:
        assert run(e).shape == (16, 300)


def test_compatible_attacks_replace_attacks_of_the_same_name():
    assert set(COMPATIBLE["tf_privacy"]) <= set(ATTACKS)


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_every_attack_says_what_it_is_and_where_it_comes_from(name):
    assert len(ATTACKS[name].summary) > 10 or name == "loss"
    assert any(c.isdigit() for c in ATTACKS[name].source) or "library" in ATTACKS[name].source


LISTS = [
    *(n for n in ATTACKS if n.startswith("lira_")),
    "sablayrolles",
    "watson",
    "offset",
    "attack_r",
    "class_threshold",
    "threshold",
]


@pytest.mark.parametrize("base", LISTS)
@pytest.mark.parametrize("signal", ["hinge", "confidence", "mine"])
def test_attacks_on_lists_take_any_scalar_signal(base, signal):
    e = evidence(16, 300, gap=2.0, seed=6)
    mine = np.stack([e.signals["phi"][:, :, 0] ** 3] * 2, -1)
    e = dataclasses.replace(
        e, signals=Signals({**{n: e.signals[n] for n in ("phi", "logits")}, "mine": mine}, e.labels)
    )
    attack = on_signals([f"{base}@{signal}"], ATTACKS)[f"{base}@{signal}"]
    assert attack.needs == (signal,)
    scores = attack.run(e)
    assert scores.shape == (16, 300)
    assert np.isfinite(scores).all()
    if "density" not in base:
        assert auc(roc(scores.ravel(), e.members.ravel())) > 0.55


@pytest.mark.parametrize(
    "base", ["lira_online", "lira_offline_fixed", "watson", "offset", "attack_r", "class_threshold"]
)
def test_noise_is_at_chance_on_another_signal(base):
    areas = []
    for seed in range(10):
        e = evidence(8, 500, gap=0.0, seed=seed)
        scores = on_signals([f"{base}@hinge"], ATTACKS)[f"{base}@hinge"].run(e)
        areas.append(auc(roc(scores.ravel(), e.members.ravel())))
    error = max(np.std(areas, ddof=1), np.sqrt(1 / 6 / 2000))
    assert abs(np.mean(areas) - 0.5) < stats.t.ppf(1 - 3e-5, 9) * error / np.sqrt(10)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("lira_online", "lira_online"),
        ("watson", "watson_phi"),
        ("offset", "offset"),
        ("threshold", "phi"),
    ],
)
def test_on_phi_they_are_the_attacks_of_the_table(base, name):
    e = evidence(8, 100, gap=1.0)
    found = on_signals([f"{base}@phi"], ATTACKS)[f"{base}@phi"]
    np.testing.assert_array_equal(found.run(e), ATTACKS[name].run(e))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rmia_online@hinge", "--attacks=rmia_online@hinge: rmia_online reads no other signal"),
        ("lira_onlin@hinge", "--attacks=lira_onlin@hinge: did you mean lira_online@hinge"),
    ],
)
def test_an_attack_that_takes_no_other_signal_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        on_signals([name], ATTACKS)


def test_a_signal_of_several_numbers_is_refused():
    e = evidence(8, 50, gap=1.0)
    for base in ("lira_online", "watson", "threshold"):
        with pytest.raises(UserError, match="logits is not one number an example"):
            on_signals([f"{base}@logits"], ATTACKS)[f"{base}@logits"].run(e)


@pytest.mark.parametrize("name", FAST)
def test_an_attack_reads_what_its_line_says_and_no_more(name):
    e = evidence(8, 100, gap=1.0)
    only = {n: e.signals[n] for n in ATTACKS[name].needs}
    scores = ATTACKS[name].run(dataclasses.replace(e, signals=Signals(only, e.labels)))
    np.testing.assert_array_equal(scores, ATTACKS[name].run(e))
    for missing in only:
        rest = {n: a for n, a in only.items() if n != missing}
        with pytest.raises(UserError, match=f"signal {missing}, which is not saved"):
            ATTACKS[name].run(dataclasses.replace(e, signals=Signals(rest, e.labels)))


@pytest.mark.parametrize("name", [n for n in FAST if ATTACKS[n].statistic])
def test_at_one_example_a_score_rises_with_the_statistic_that_the_attack_judges_by(name):
    models = evidence(32, 40, gap=2.0, queries=1)
    # Targets that differ at example 0 alone, by the logit of its label.
    logits = np.repeat(models.signals["logits"][:1], 60, axis=0)
    label = models.labels[0]
    logits[:, 0, label] = np.delete(logits[0, 0], label).max() + np.linspace(-1, 3, 60)
    others = np.where(np.arange(4) == models.labels[:, None], -np.inf, logits)
    phi = np.take_along_axis(logits, models.labels[None, :, None], -1)[..., 0]
    phi = (phi - np.logaddexp.reduce(others, -1))[..., None]
    outputs = Signals({"phi": phi.astype(np.float32), "logits": logits}, models.labels)
    scores = ATTACKS[name].run(dataclasses.replace(models, targets=Outside(outputs)))[:, 0]
    order = np.argsort(ATTACKS[name].statistic.read(outputs)[:, 0])
    rises = np.diff(scores[order]) >= -1e-9
    assert rises.mean() >= (0.8 if name == "lira_online" else 1)
    assert np.ptp(scores) > 0
