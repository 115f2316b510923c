"""A recipe of the user's own trains, resumes, lifts and scores as the supervised one does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import own_recipes
import pytest
from training.loop_test import MLP, Killed, data

from lira_jax.data import masks
from lira_jax.ensemble import lift
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import network
from lira_jax.models import recipe as recipes
from lira_jax.runs import checkpoint
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP
from lira_jax.training import loop, recipe

REGRESSION = dataclasses.replace(
    MLP, recipe="own_recipes:regression", learning_rate=0.02, strategy="loop"
)
ADVERSARIAL = dataclasses.replace(
    MLP, recipe="own_recipes:adversarial", learning_rate=0.05, strategy="loop"
)
DROPOUT = dataclasses.replace(MLP, model="own_recipes:dropout", hidden=(512, 256), strategy="loop")
NNX = dataclasses.replace(
    MLP,
    model="own_recipes:nnx_net",
    hidden=(512, 256),
    strategy="loop",
    epochs=2,
    checkpoint_every=1,
)
EXPERIMENTS = {"regression": REGRESSION, "adversarial": ADVERSARIAL, "dropout": DROPOUT, "nnx": NNX}


def train(path, experiment, ids=(0, 1, 2, 3), devices=1):
    """The outputs [examples, ...] of the finished models on the pool, by model."""
    dataset, run = data(), RunDirectory(path)
    run.settle_experiment(experiment, set())
    keep = masks.draw("balanced", experiment.num_models, len(dataset.y), seed=experiment.seed)
    run.write_once(KEEP, keep)
    mesh = lift.mesh(devices)
    one = loop.check(experiment, dataset, devices=mesh)
    loop.train(experiment, one, dataset, keep, run, list(ids), mesh)
    like = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), one.shapes)
    finals = {i: checkpoint.load_final(run.checkpoints(), i, like) for i in ids}
    return {i: np.asarray(one.outputs(variables, dataset.x)) for i, variables in finals.items()}


@pytest.fixture(scope="module", params=list(EXPERIMENTS))
def reference(request, tmp_path_factory):
    """An experiment, and what its models say when each is trained alone."""
    experiment = EXPERIMENTS[request.param]
    return experiment, train(tmp_path_factory.mktemp("reference"), experiment)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "devices"), [("vmap", 1), ("vmap", 4), ("unroll", 1), ("map", 1), ("loop", 4)]
)
def test_a_model_alone_equals_the_model_among_others(
    reference, strategy, devices, tmp_path, monkeypatch
):
    experiment, expected = reference
    if not experiment.recipe and (strategy, devices) != ("vmap", 4):
        pytest.skip("loop_test.py lifts the supervised recipe by every strategy")
    monkeypatch.setattr(lift, "choose_strategy", lambda asked, **_: asked)
    found = train(tmp_path, dataclasses.replace(experiment, strategy=strategy), devices=devices)
    for i in expected:
        np.testing.assert_allclose(found[i], expected[i], rtol=2e-3, atol=2e-4)


@pytest.mark.slow
def test_resumed_equals_uninterrupted_bit_for_bit(reference, tmp_path, monkeypatch):
    experiment, expected = reference
    save, saved = checkpoint.save, []

    def save_then_die(folder, model, name, tree):
        if len(saved) == 3:
            raise Killed
        saved.append(name)
        save(folder, model, name, tree)

    monkeypatch.setattr(checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        train(tmp_path, experiment)
    monkeypatch.setattr(checkpoint, "save", save)
    found = train(tmp_path, experiment)
    for i in expected:
        np.testing.assert_array_equal(found[i], expected[i])


@pytest.mark.slow
def test_data_on_the_host_bring_the_same_batches_and_references(tmp_path):
    expected = train(tmp_path / "device", ADVERSARIAL, ids=[0, 1])
    found = train(tmp_path / "host", dataclasses.replace(ADVERSARIAL, data_on="host"), ids=[0, 1])
    for i in expected:
        np.testing.assert_allclose(found[i], expected[i], rtol=2e-3, atol=2e-4)


@pytest.mark.slow
def test_a_regression_learns_and_has_no_accuracy(tmp_path):
    found = train(tmp_path, dataclasses.replace(REGRESSION, epochs=20, augment="none"))
    labels = data().y
    assert found[0].shape == labels.shape
    assert np.mean((found[0] - labels) ** 2) < 0.5 * labels.var()
    for record in RunDirectory(tmp_path).read_metrics():
        assert record["train_accuracy"] is record["test_accuracy"] is record["diverged"] is None
        assert record["root_mean_square"] > 0
    closeness = network.make(REGRESSION, data()).signals["closeness"]
    np.testing.assert_allclose(closeness(found[0], labels), -((found[0] - labels) ** 2))


def test_a_regression_that_is_not_finite_has_diverged(tmp_path):
    train(tmp_path, dataclasses.replace(REGRESSION, learning_rate=1e30))
    assert all("NaN" in r["diverged"] for r in RunDirectory(tmp_path).read_metrics())


@pytest.mark.slow
def test_every_kind_of_network_learns(tmp_path):
    for name in ("dropout", "adversarial"):
        experiment = dataclasses.replace(EXPERIMENTS[name], epochs=30, augment="none")
        train(tmp_path / name, experiment)
        for record in RunDirectory(tmp_path / name).read_metrics():
            assert record["train_accuracy"] > 0.6  # of three classes


def test_dropout_differs_from_step_to_step_and_is_off_in_evaluation():
    experiment = dataclasses.replace(DROPOUT, learning_rate=0.0, weight_decay=0.0)
    context = recipes.context(experiment, data())
    own = recipe.make(context)
    state = own.init(jax.random.key(0))
    batch = recipes.Batch(jnp.ones((8, 8, 8, 1)), jnp.zeros(8, jnp.int32), jnp.ones(8))
    first, again, other = (
        float(own.step(state, batch, jax.random.key(k))[1]["loss"]) for k in (1, 1, 2)
    )
    assert first == again != other
    outputs = own.outputs(own.variables(state), batch.inputs)
    np.testing.assert_array_equal(outputs[0], outputs[1])


def test_the_second_batch_has_non_members_alone():
    dataset, seen = data(), []
    keep = masks.draw("balanced", 4, len(dataset.y))
    mesh = lift.mesh(1)
    from lira_jax.training.programs import Plan, Programs

    sizes = (int(keep.sum(1).min()), int(keep.sum(1).max()))
    programs = Programs(ADVERSARIAL, dataset, sizes, mesh, Plan("vmap", "plain", 4))
    for epoch in range(8):
        seen.append(programs.draw(np.arange(4, dtype=np.int32), keep, np.int32(epoch)))
    for m in range(4):
        members = np.concatenate([np.asarray(own[m]).ravel() for own, _ in seen])
        others = np.concatenate([np.asarray(other[m]).ravel() for _, other in seen])
        assert set(members) == set(np.flatnonzero(keep[m]))
        assert set(others) == set(np.flatnonzero(~keep[m]))


def test_a_reference_set_apart_is_where_non_members_come_from():
    from lira_jax.training.programs import Plan, Programs

    dataset = data()
    keep = np.arange(len(dataset.y))[None] < np.array([[20], [24]])
    apart = np.arange(len(dataset.y)) >= len(dataset.y) - 10
    plan, mesh = Plan("vmap", "plain", 2), lift.mesh(1)
    programs = Programs(ADVERSARIAL, dataset, (20, 24), mesh, plan, reference=apart)
    for epoch in range(2):
        _, others = programs.draw(np.arange(2, dtype=np.int32), keep, np.int32(epoch))
        assert set(np.asarray(others).ravel()) == set(np.flatnonzero(apart))


def test_padding_changes_nothing_in_the_supervised_step():
    context = recipes.context(dataclasses.replace(MLP, label_smoothing=0.1), data())
    own = recipe.make(context)
    state = own.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (8, 8, 8, 1))
    y, key = jnp.arange(8) % 3, jax.random.key(2)
    whole = own.step(state, recipes.Batch(x[:6], y[:6], jnp.ones(6)), key)
    padded = own.step(state, recipes.Batch(x, y, jnp.r_[jnp.ones(6), jnp.zeros(2)]), key)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(padded), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_module:f", "cannot import 'no_such_module'"),
        ("own_recipes:missing", "has no function 'missing'"),
        ("own_recipes:no_context", "must take a context"),
        ("own_recipes:nothing", "must return a lira_jax.models.recipe.Recipe, not NoneType"),
        ("own_recipes:raising", r"KeyError: 'width' \(.*own_recipes.py:\d+\)"),
        ("own_recipes:loses_memory", "step changes the state's structure"),
        ("own_recipes:changes_type", "step changes the state's .* from float32"),
        ("own_recipes:no_metrics", r"step must return \(state, metrics\), not dict"),
        ("own_recipes:no_loss", 'metrics a dict that has "loss"'),
        ("own_recipes:loss_an_example", "'loss' of step is no scalar"),
        ("own_recipes:taken_name", "'epoch' of step has the name of a field"),
        ("own_recipes:fails", "step fails: TypeError"),
        ("own_recipes:keeps_key", "jax.random.key_data"),
        ("own_recipes:one_output", r"outputs must return one array \[B, ...\]"),
    ],
)
def test_a_wrong_recipe_is_one_line(name, says):
    with pytest.raises(UserError, match=says) as caught:
        loop.check(Experiment(recipe=name, queries=1), data())
    assert str(caught.value).startswith(f"--recipe={name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("one_number", r"of a batch \[64, 8, 8, 1\] it returns \[64, 1\], not logits \[64, 3\]"),
        ("one_too_many", r"returns \[64, 4\], not logits \[64, 3\]; .* num_classes=3 outputs"),
        ("no_class_axis", r"returns \[64\], not logits \[64, 3\]"),
        ("two_results", r"outputs must return one array \[B, ...\]"),
        ("whole_numbers", "int32 numbers, not logits"),
        ("random_in_evaluation", 'outputs fails: InvalidRngError: .* needs PRNG for "dropout"'),
        ("more_in_training", r"step fails: ScopeParamNotFoundError: .*own_recipes.py:\d+\)"),
        ("fails_when_made", r"KeyError: 3 \(.*own_recipes.py:\d+\)"),
    ],
)
def test_a_wrong_network_of_ones_own_is_one_line_before_anything_is_trained(name, says):
    with pytest.raises(UserError, match=says) as caught:
        loop.check(Experiment(model=f"own_recipes:{name}", queries=1), data())
    assert str(caught.value).startswith(f"--model=own_recipes:{name}: ")
    assert "\n" not in str(caught.value)


def test_a_network_may_draw_random_numbers_of_any_kind_in_training():
    context = recipes.context(Experiment(model="own_recipes:noise_of_its_own"), data())
    own = recipe.make(context)
    state = own.init(jax.random.key(0))
    batch = recipes.Batch(jnp.ones((8, 8, 8, 1)), jnp.zeros(8, jnp.int32), jnp.ones(8))
    losses = [float(own.step(state, batch, jax.random.key(k))[1]["loss"]) for k in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_variables_of_a_kind_that_is_not_kept_are_refused():
    with pytest.raises(UserError, match="'counter'"):
        loop.check(Experiment(model="own_recipes:counting", queries=1), data())


def test_the_context_describes_the_training():
    e = dataclasses.replace(MLP, epochs=3, batch_size=8, compute_dtype="bfloat16")
    context = recipes.context(e, data())
    assert context.example_shape == (8, 8, 1)
    assert context.num_classes == 3
    assert context.total_steps == 3 * 4  # 30 members in batches of 8
    assert context.dtype == jnp.bfloat16
    assert context.experiment is e
    assert isinstance(own_recipes.regression(context), recipes.Recipe)
