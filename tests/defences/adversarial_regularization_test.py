"""Adversarial regularisation: objectives against the paper's, whose turn it is, and a training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training.loop_test import MLP, data

from lira_jax.defences import adversarial_regularization as adversarial
from lira_jax.errors import UserError
from lira_jax.models import recipe as recipes
from lira_jax.models.recipe import Batch
from lira_jax.training import recipe

E = dataclasses.replace(
    MLP,
    defence="adversarial_regularization:5",
    adv_network="texas",
    epochs=8,
    optimizer="adam",
    learning_rate=0.01,
    schedule="constant",
)


def test_the_objectives_are_those_of_the_paper_and_of_the_code():
    members, others = np.array([0.3, -2.0, 4.0]), np.array([-1.0, 0.5, 3.0])
    i_members, i_others = (1 / (1 + np.exp(-a)) for a in (members, others))
    gain = np.log(i_members).sum() / (2 * 3) + np.log(1 - i_others).sum() / (2 * 3)  # equation 2
    assert adversarial.attack_loss(members, others, "paper") == pytest.approx(-gain, rel=1e-5)
    assert adversarial.penalty(members, "paper") == pytest.approx(
        np.log(i_members).mean(), rel=1e-5
    )
    truth, said = np.repeat([1, 0], 3), np.concatenate([i_members, i_others])
    found = adversarial.attack_loss(members, others, "code")
    assert found == pytest.approx(((said - truth) ** 2).mean(), rel=1e-5)
    assert adversarial.penalty(members, "code") == pytest.approx(i_members.mean() - 0.5, rel=1e-4)


def test_turns_are_those_of_the_authors_code():
    turns = adversarial.attack_turns(epochs=20, steps=10, attack_steps=3).reshape(20, 10)
    assert not turns[0].any()
    assert turns[1:6].all()
    assert turns[6:].ravel()[:10].tolist() == [True, True, True, False, False] * 2


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        (
            "purchase",
            [
                (100, 1024),
                (1024, 512),
                (512, 64),
                (100, 128),
                (128, 64),
                (128, 512),
                (512, 256),
                (256, 128),
                (128, 64),
                (64, 1),
            ],
        ),
        ("texas", [(100, 512), (512, 64), (100, 64), (128, 64), (64, 1)]),
    ],
)
def test_the_attack_has_the_published_layers(network, weights):
    attack = adversarial.Attack(adversarial.NETWORKS[network])
    shapes = jax.eval_shape(
        attack.init, jax.random.key(0), jnp.zeros((1, 100)), jnp.zeros(1, jnp.int32)
    )["params"]
    assert [layer["kernel"].shape for layer in shapes.values()] == weights


def test_each_turn_moves_one_network_of_the_two():
    context = dataclasses.replace(recipes.context(E, data()), total_steps=8 * 4)
    own = recipe.make(context)
    assert own.reference
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 8, 8, 1)), jnp.asarray(rng.integers(0, 3, 16))
    members = Batch(jnp.asarray(x[:8], jnp.float32), y[:8], jnp.ones(8))
    others = Batch(jnp.asarray(x[8:], jnp.float32), y[8:], jnp.ones(8))
    batch, step = members._replace(reference=others), jax.jit(own.step)
    state, moved = own.init(jax.random.key(0)), []
    for t in range(32):
        before = state
        state, metrics = step(state, batch, jax.random.key(t))
        assert 0 <= metrics["attack_accuracy"] <= 1
        same = [
            all(
                np.array_equal(a, b)
                for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True)
            )
            for old, new in (
                (before.classifier.params, state.classifier.params),
                (before.attack, state.attack),
            )
        ]
        assert same[0] != same[1]
        moved.append(same[0])
    np.testing.assert_array_equal(moved, adversarial.attack_turns(8, 4, 2))
    assert int(state.steps) == 32
    assert own.outputs(own.variables(state), members.inputs).shape == (8, 3)


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="--epochs=6: "):
        recipe.make(recipes.context(dataclasses.replace(E, epochs=6), data()))
