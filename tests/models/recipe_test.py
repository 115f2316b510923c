"""How long a training is, and what a recipe is made for. training/recipe_test.py trains them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import recipe as recipes

DATA = Dataset(np.zeros((40, 5), np.float32), np.arange(40) % 4, num_classes=4)


@given(
    kind=st.sampled_from(["balanced", "bernoulli", "disjoint"]),
    pkeep=st.sampled_from([0.25, 0.5, 0.75]),
    examples=st.integers(40, 200),
    batch_size=st.integers(1, 250),
)
def test_an_epoch_passes_over_the_mean_number_of_members(kind, pkeep, examples, batch_size):
    e = Experiment(num_models=8, masks=kind, pkeep=pkeep, batch_size=batch_size)
    steps = recipes.steps_per_epoch(e, examples)
    members = examples * pkeep / (2 if kind == "disjoint" else 1)
    assert (steps - 1) * batch_size < round(members) <= steps * batch_size
    if kind == "balanced":  # whose mean is no matter of chance
        assert masks.draw(kind, 8, examples, pkeep=pkeep).sum(1).mean() == members


def test_the_context_has_the_length_of_the_training_and_the_module_of_the_flags():
    e = Experiment(epochs=3, batch_size=6, masks="disjoint", num_models=4, hidden=(7, 6))
    context = recipes.context(e, DATA)
    assert context.total_steps == 3 * 2  # 10 members in batches of 6
    assert (context.example_shape, context.num_classes) == ((5,), 4)
    assert context.module.hidden == (7, 6)
    assert context.module.num_classes == 4


def good(context):
    return recipes.Recipe(init=context, step=None, variables=None, outputs=None)


def refuses(context):
    raise UserError("--batch_size=1: this recipe compares pairs; give at least 2")


def divides(context):
    return context.num_classes / 0


@pytest.fixture
def loaded(monkeypatch):
    """Loads a recipe from a function of this module."""

    def load(function):
        monkeypatch.setattr(recipes.own, "function", lambda flag, name: function)
        context = recipes.context(Experiment(recipe="mine:own"), DATA)
        return context, recipes.load(context)

    return load


def test_a_recipe_is_given_its_context(loaded):
    context, recipe = loaded(good)
    assert recipe.init is context
    assert not recipe.reference
    assert recipe.signals == {}
    assert dataclasses.replace(recipe, reference=True).reference


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (refuses, "^--batch_size=1: this recipe compares pairs; give at least 2$"),  # its own words
        (
            divides,
            r"^--recipe=mine:own: ZeroDivisionError: division by zero \(.*recipe_test.py:\d+",
        ),
        (lambda: None, "^--recipe=mine:own: it must take a context"),
        (lambda context: good, "must return a lira_jax.models.recipe.Recipe, not function"),
    ],
)
def test_a_recipe_that_cannot_be_made_is_one_line(loaded, function, message):
    with pytest.raises(UserError, match=message) as error:
        loaded(function)
    assert "\n" not in str(error.value)
