"""DP-SGD's gradient against a loop over examples, and training with it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from defences.clipping import check_padding_and_empty_batches, naive
from scipy import stats
from training.loop_test import MLP, Killed, data
from training.recipe_test import train

from lira_jax.defences import dp_sgd
from lira_jax.ensemble import lift
from lira_jax.errors import UserError
from lira_jax.models import recipe as recipes
from lira_jax.models.recipe import Batch
from lira_jax.runs import checkpoint
from lira_jax.training import losses, recipe

PRIVATE = dataclasses.replace(MLP, defence="dp_sgd:0.5", dp_clip=0.3, epochs=3, strategy="loop")


def loss_of(params, batch, key):
    hidden = jnp.tanh(batch.inputs @ params["a"])
    loss = losses.cross_entropy(hidden @ params["b"], batch.labels)
    return losses.weighted_mean(loss, batch.weights), {}


def problem(size=7, seed=0):
    rng = np.random.default_rng(seed)
    params = {"a": rng.normal(size=(5, 4)), "b": rng.normal(size=(4, 3))}
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), params)
    inputs = jnp.asarray(rng.normal(size=(size, 5)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 3, size))
    return params, Batch(inputs, labels, jnp.asarray([1.0] * (size - 2) + [0.0] * 2))


@pytest.mark.parametrize("block", [0, 1, 3])
@pytest.mark.parametrize("clip", [0.2, 1e3])
def test_the_gradient_is_that_of_a_loop_over_examples(block, clip):
    params, batch = problem()
    rule = dp_sgd.gradient_rule(clip=clip, noise=0.0, expected=4, block=block)
    (loss, aux), found = rule(loss_of, params, batch, jax.random.key(0))
    expected = naive(loss_of, params, batch, clip, 4)
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(loss, loss_of(params, batch, None)[0], rtol=1e-6)
    assert aux == {}


def test_padding_may_hold_anything_and_an_empty_batch_gives_noise_alone():
    params, batch = problem()
    rule = dp_sgd.gradient_rule(clip=1.0, noise=0.0, expected=4)
    check_padding_and_empty_batches(rule, loss_of, params, batch)


def test_no_example_moves_the_sum_by_more_than_the_clip():
    params, batch = problem()
    rule = dp_sgd.gradient_rule(clip=0.2, noise=0.0, expected=1)
    _, whole = rule(loss_of, params, batch, jax.random.key(0))
    for i in range(5):
        _, less = rule(
            loss_of, params, batch._replace(weights=batch.weights.at[i].set(0)), jax.random.key(0)
        )
        moved = np.sqrt(sum(((whole[n] - less[n]) ** 2).sum() for n in whole))
        assert moved <= 0.2 * (1 + 1e-5)
        assert moved > 0.19  # these gradients are all longer


def test_the_noise_has_the_stated_scale_and_is_new_in_each_step():
    params, batch = {"a": jnp.ones((200, 40)), "b": jnp.ones((50, 40))}, problem()[1]
    rule = dp_sgd.gradient_rule(clip=0.5, noise=3.0, expected=4)

    def flat(params, batch, key):
        return 0.0 * params["a"].sum() * params["b"].sum(), {}

    found = [rule(flat, params, batch, jax.random.key(step))[1] for step in (1, 2)]
    noise = np.stack([np.concatenate([np.ravel(leaf) for leaf in f.values()]) for f in found])
    scale = 3.0 * 0.5 / 4
    for of_step in (*noise, (noise[0] - noise[1]) / np.sqrt(2)):  # independent of each other
        assert of_step.std() == pytest.approx(scale, rel=0.03)
        assert stats.kstest(of_step / scale, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise[0, :2000], noise[0, 8000:])[0, 1]) < 0.1  # of two leaves


def test_batch_norm_is_refused_and_so_is_what_mixes_examples():
    with pytest.raises(UserError, match="--model=tiny_models:tiny_conv has BatchNorm"):
        recipe.make(
            recipes.context(
                dataclasses.replace(PRIVATE, model="tiny_models:tiny_conv", hidden=(512, 256)),
                data(),
            )
        )
    for fields, message in (({"mixup": 1.0}, "mixup"), ({"data_on": "host"}, "--data_on=host")):
        with pytest.raises(UserError, match=message):
            recipe.make(recipes.context(dataclasses.replace(PRIVATE, **fields), data()))


def test_a_model_with_group_norm_in_its_place_is_not():
    e = dataclasses.replace(PRIVATE, model="resnet_cifar", depth=8, norm="group", hidden=(512, 256))
    recipe.make(recipes.context(e, data()))
    with pytest.raises(UserError, match="--norm=group"):
        recipe.make(recipes.context(dataclasses.replace(e, norm="batch"), data()))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(tmp_path_factory.mktemp("alone"), PRIVATE)


@pytest.mark.slow
def test_a_model_in_a_chunk_equals_the_model_alone(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(lift, "choose_strategy", lambda asked, **_: asked)
    found = train(tmp_path, dataclasses.replace(PRIVATE, strategy="vmap"))
    for i in alone:
        np.testing.assert_allclose(found[i], alone[i], rtol=2e-3, atol=2e-4)


@pytest.mark.slow
def test_a_training_that_was_interrupted_is_the_same_bit_for_bit(alone, tmp_path):
    save, saved = checkpoint.save, []

    def save_then_die(folder, model, name, tree):
        if len(saved) == 1:
            raise Killed
        saved.append(name)
        save(folder, model, name, tree)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save_then_die)
        with pytest.raises(Killed):
            train(tmp_path, PRIVATE, ids=[2])
    assert saved == [checkpoint.epoch_name(2)]
    # and without the others beside it
    np.testing.assert_array_equal(train(tmp_path, PRIVATE, ids=[2])[2], alone[2])
