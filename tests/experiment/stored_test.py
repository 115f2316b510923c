import json

import pytest

from lira_jax import experiment
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment


def test_json_round_trip():
    e = Experiment(hidden=(3, 4), learning_rate=0.25, nesterov=True)
    assert experiment.from_json(json.loads(json.dumps(experiment.to_json(e))), "here") == e


def with_targets(seed=0, **own):
    return Experiment(seed=seed, target_recipe=experiment.target_recipe(own))


def test_the_targets_recipe_goes_to_json_and_back():
    e = with_targets(model="mlp", hidden=(3, 4), learning_rate=0.5)
    stored = json.loads(json.dumps(experiment.to_json(e)))
    assert stored["target_recipe"] == {"model": "mlp", "hidden": [3, 4], "learning_rate": 0.5}
    assert experiment.from_json(stored, "here") == e


def test_targets_as_earlier_versions_stored_them_are_read():
    stored = experiment.to_json(Experiment(seed=3))
    del stored["target_recipe"]
    none = {"target_model": "", "target_optimizer": "", "target_learning_rate": 0.0}
    none["target_augment"] = ""
    assert experiment.from_json(stored | none, "here") == Experiment(seed=3)
    some = none | {"target_optimizer": "adam", "target_learning_rate": 0.01}
    assert experiment.from_json(stored | some, "here") == with_targets(
        seed=3, optimizer="adam", learning_rate=0.01
    )


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"seed": 3}, "unknown field 'seed'"),
        ({"epochs": "many"}, "epochs is 'many', not int"),
        ([1], "target_recipe is no object of fields"),
    ],
)
def test_a_damaged_recipe_of_targets_is_refused(recipe, message):
    with pytest.raises(UserError, match=f"experiment.json: {message}"):
        experiment.from_json({"target_recipe": recipe}, "experiment.json")


def test_fields_of_another_version_are_refused():
    with pytest.raises(UserError, match="unknown field 'colour'"):
        experiment.from_json({"colour": "red"}, "experiment.json")
