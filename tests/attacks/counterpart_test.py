"""Targets of another recipe: `observed` is judged, and the models with the same training sets are
no shadows."""

import dataclasses

import numpy as np
import pytest
from null_scores import assert_chance, auc, balanced, lists

from lira_jax.attacks.lira import lira
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Counterparts, Inside
from lira_jax.attacks.table import ATTACKS, COMPATIBLE

TABLE = {
    **{
        n: a
        for n, a in ATTACKS.items()
        if not (a.slow or a.text) and set(a.needs) <= {"phi", "logits", "merlin"}
    },
    "random_forest": ATTACKS["random_forest"],
    **{f"{name} (tf_privacy)": attack for name, attack in COMPATIBLE["tf_privacy"].items()},
}


def evidence(seed, num_models=8, num_examples=150, classes=3, gap=0.0):
    rng = np.random.default_rng(seed)
    keep = balanced(rng, num_models, num_examples)
    labels = np.arange(num_examples, dtype=np.int32) % classes
    hardness = rng.normal(size=(num_examples, classes))
    recipes = []
    for noise in (1.0, 0.5):  # the shadows' recipe, the targets' recipe
        logits = hardness + noise * rng.normal(size=(num_models, num_examples, classes))
        logits[:, np.arange(num_examples), labels] += gap * keep
        others = np.where(np.arange(classes) == labels[:, None], -np.inf, logits)
        own = np.take_along_axis(logits, labels[None, :, None], -1)[..., 0]
        phi = own - np.logaddexp.reduce(others, -1)
        noisy = phi[..., None] + rng.normal(size=(*phi.shape, 3)) * [9, 1, 9]  # of one scale best
        recipes.append(
            {
                "phi": phi[:, :, None].astype(np.float32),
                "logits": logits.astype(np.float32),
                "merlin": np.round(100 / (1 + np.exp(-noisy))).astype(np.float32) / 100,
            }
        )
    signals, outside = recipes
    everyone = Counterparts(Signals(outside, labels), np.arange(num_models))
    return Evidence.of_arrays(labels, keep, everyone, **signals)


@pytest.mark.parametrize("name", TABLE)
def test_counterparts_that_are_the_targets_change_nothing(name):
    models = np.array([5, 0, 2])
    e = dataclasses.replace(evidence(0), targets=Inside(models))
    outputs = e.targets.apart(e.signals).outputs
    same = dataclasses.replace(e, targets=Counterparts(outputs, models))
    np.testing.assert_array_equal(same.members, e.members)
    np.testing.assert_array_equal(TABLE[name].run(e), TABLE[name].run(same))


@pytest.mark.parametrize("name", TABLE)
def test_the_counterpart_of_a_target_has_no_say(name):
    """Its scores could be anything: the attack sees the other shadows and the target itself."""
    e = evidence(1)
    three = np.array([3])
    e = dataclasses.replace(e, targets=Counterparts(e.targets.outputs.of(models=three), three))
    phi, logits = e.signals["phi"].copy(), e.signals["logits"].copy()
    phi[3] -= 2
    logits[3] = logits[3][:, ::-1]
    if name in ("long", "long_fraction"):  # they choose whom they attack by all logits
        logits[3] = e.signals["logits"][3]
    shares = e.signals["merlin"].copy()
    shares[3, :, 0] = e.keep[3]  # at this scale it tells everything
    other = Signals({"phi": phi, "logits": logits, "merlin": shares}, e.labels)
    changed = dataclasses.replace(e, signals=other)
    np.testing.assert_allclose(TABLE[name].run(changed), TABLE[name].run(e), atol=1e-6)


def test_lira_by_deletion_equals_a_fit_to_the_models_that_are_left():
    rng = np.random.default_rng(2)
    keep = balanced(rng, 8, 12)
    phi, observed = rng.normal(size=(2, 8, 12, 3))
    found = lira(phi, keep, targets=[6, 1], observed=observed[[6, 1]], variance="diagonal")
    for row, target in enumerate((6, 1)):
        for i in range(12):
            terms = []
            for models in lists(keep[:, i], target):
                mean, var = phi[models, i].mean(0), phi[models, i].var(0)
                terms.append(
                    -0.5
                    * ((observed[target, i] - mean) ** 2 / var + np.log(2 * np.pi * var)).mean()
                )
            assert found[row, i] == pytest.approx(terms[0] - terms[1], rel=1e-6)


@pytest.mark.parametrize(
    "name", ["lira_online", "lira_online_fixed", "lira_offline", "rmia_online", "attack_r"]
)
def test_noise_is_at_chance(name):
    rng = np.random.default_rng(3)
    keep = balanced(rng, 8, 8000)
    phi, observed = rng.normal(1, 2, (2, 8, 8000, 1)).astype(np.float32)
    labels = np.zeros(8000, int)
    targets = Counterparts(Signals({"phi": observed}, labels), np.arange(8))
    e = Evidence.of_arrays(labels, keep, targets, phi=phi)
    assert_chance(ATTACKS[name].run(e), keep)


@pytest.mark.parametrize(
    "name", [n for n in TABLE if n not in ("zero_r", "random_forest") and "density" not in n]
)
def test_members_of_another_recipe_are_found(name):
    e = evidence(4, num_models=16, num_examples=400, gap=2.0)
    scores = TABLE[name].run(e)
    attacked = scores.any(0)  # long_fraction says nothing of the others
    assert auc(scores[:, attacked], e.members[:, attacked]) > 0.55
