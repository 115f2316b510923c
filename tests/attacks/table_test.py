"""Every attack of the table: higher = more likely a member, and nothing of a target's membership
leaks into it."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import stats

from lira_jax.attacks.options import with_options
from lira_jax.attacks.selection import named, on_signals
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.saturation import compress
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc, tpr_at_fpr

FAST = named("fast")
# A constant, and an attack that makes no guess at most of these examples.
NO_SIGNAL = ("zero_r",)


@functools.cache
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
    if not name.startswith("lira_offline_density"):
        attacked = scores.any(0)  # long_fraction says nothing of the others
        assert auc(roc(scores[:, attacked].ravel(), e.members[:, attacked].ravel())) > 0.55


# At 256 models those that fit a target by itself take seconds.
QUICK = [n for n in FAST if not n.startswith("class_") and n != "privacy_risk"]


@pytest.mark.parametrize(
    ("name", "num_models"),
    [*((n, m) for n in FAST for m in (8, 16, 64)), *((n, 256) for n in QUICK)],
)
def test_noise_is_at_chance(name, num_models):
    """AUC and TPR at 1 % of scores that are independent of the masks, within four standard errors
    over runs."""
    runs = {8: 12, 16: 8, 64: 4, 256: 4}[num_models]
    areas, rates = [], []
    for seed in range(runs):
        e = evidence(num_models, max(4000 // num_models, 32), gap=0.0, seed=seed)
        curve = roc(ATTACKS[name].run(e).ravel(), e.members.ravel())
        areas.append(auc(curve))
        rates.append(tpr_at_fpr(curve, 0.01))
    pairs = e.keep.size // 2  # members of one run, and as many non-members
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


# Attacks that read shadow models: lists of an example, or pairs of all.
OF_SHADOWS = [n for n in FAST if ATTACKS[n].fewest or n.startswith("class_") or n == "privacy_risk"]


@pytest.mark.parametrize("num_models", [8, 16])
@pytest.mark.parametrize("name", OF_SHADOWS)
def test_noise_is_at_chance_where_masks_are_coin_flips(name, num_models):
    """Examples are in more or fewer training sets, and no list tells whether the target is one."""
    areas = []
    for seed in range(8):
        e = evidence(num_models, 6000 // num_models, gap=0.0, seed=seed)
        keep = np.random.default_rng([seed, 1]).random(e.keep.shape) < 0.5
        e = dataclasses.replace(e, keep=keep)
        areas.append(auc(roc(ATTACKS[name].run(e).ravel(), keep.ravel())))
    error = max(np.std(areas, ddof=1), np.sqrt(1 / 6 / 3000)) / np.sqrt(8)
    assert abs(np.mean(areas) - 0.5) < stats.t.ppf(1 - 3e-5, 7) * error
    assert abs(np.mean(areas) - 0.5) < 0.015


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


def test_compatible_attacks_replace_attacks_of_the_same_name():
    for table in COMPATIBLE.values():
        assert set(table) <= set(ATTACKS)


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_every_attack_says_what_it_is_and_where_it_comes_from(name):
    assert len(ATTACKS[name].summary) > 10 or name == "loss", "the summary is a line of words"
    source = ATTACKS[name].source
    assert any(c.isdigit() for c in source) or "library" in source, "the source has its year"


@pytest.mark.parametrize("name", FAST)
def test_examples_with_fewer_scores_than_the_line_says_have_none(name):
    e = evidence(8, 400, gap=1.0)
    keep = np.random.default_rng(1).random(e.keep.shape) < np.linspace(0, 1, 400)
    e = dataclasses.replace(e, keep=keep)
    fewest, scores = ATTACKS[name].fewest, ATTACKS[name].run(e)
    inputs = inputs_lib.check(e.signals["phi"], keep)
    assert not inputs.partner
    expected = np.ones(keep.shape, bool) if fewest is None else fewest.met(inputs)
    np.testing.assert_array_equal(np.isfinite(scores), expected)
    np.testing.assert_array_equal(np.isnan(scores), ~expected)


LARGEST = np.finfo(np.float32).max


def saturated(kind):
    e = evidence(8, 60, gap=2.0)
    rng, own = np.random.default_rng(0), np.arange(4) == e.labels[:, None]
    sure, signed = np.where(own, LARGEST, -LARGEST), np.where(e.keep[..., None], 1, -1)
    phi, logits = {
        "members": (signed * LARGEST, signed * sure),
        "everybody": (0 * signed + LARGEST, 0 * signed[..., :1] + sure),
        "some": (
            np.where(rng.random(signed.shape) < 0.5, LARGEST, -LARGEST),
            np.where(rng.random((8, 60, 4)) < 0.5, LARGEST, -LARGEST),
        ),
        "nearly nobody": (e.signals["phi"] * 1, e.signals["logits"] * 1),
        "agreeing": (4.0 * signed, signed * np.where(own, 4.0, 0.0)),
    }[kind]
    if kind == "nearly nobody":
        phi[3, 5], logits[3, 5] = LARGEST, sure[5]
    signals = {"phi": phi.astype(np.float32), "logits": logits.astype(np.float32)}
    return Evidence.of_arrays(e.labels, e.keep, e.targets, **signals)


@pytest.mark.parametrize("kind", ["members", "everybody", "some", "nearly nobody", "agreeing"])
def test_saturated_outputs_give_finite_scores_without_a_warning(kind, recwarn):
    e = saturated(kind)
    reference = {f"{n} ({c})": a for c, table in COMPATIBLE.items() for n, a in table.items()}
    rmia = [f"rmia_online+{o}" for o in ("signal=taylor", "temperature=2", "trim=0.2")]
    signals = ("hinge", "naive_logit", "confidence", "log_confidence")
    bases = ("lira_online", "lira_moderated", "lira_offline_predicted", "watson", "attack_r")
    others = on_signals([f"{base}@{signal}" for base in bases for signal in signals], ATTACKS)
    fast = {name: ATTACKS[name] for name in FAST}
    for name, attack in (fast | reference | others | with_options(rmia, ATTACKS)).items():
        assert np.isfinite(compress(attack.run(e))).all(), name
    assert not [str(warning.message) for warning in recwarn.list]


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
