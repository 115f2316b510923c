import dataclasses
import json

import pytest

from lira_jax import experiment
from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.models import table


def test_defaults_are_valid_and_every_field_is_documented():
    experiment.validate(Experiment())
    assert all(len(f.metadata["help"]) > 10 for f in FIELDS.values())


def test_json_round_trip():
    e = Experiment(hidden=(3, 4), learning_rate=0.25, nesterov=True)
    assert experiment.from_json(json.loads(json.dumps(experiment.to_json(e))), "here") == e


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_models", 7, "--num_models=7: balanced masks"),
        ("num_models", 1, "--num_models=1"),
        ("queries", 3, "--queries=3: give one of 1, 2, 18, 50, 162"),
        ("masks", "balancd", "--masks=balancd: did you mean balanced"),
        ("masks", "file:", "--masks=file:: did you mean file:PATH"),
        ("masks", "files:m.npy", "--masks=files:m.npy: "),
        ("learning_rate", float("nan"), "--learning_rate=nan"),
        ("learning_rate", -1.0, "--learning_rate=-1"),
        ("pkeep", 1.0, "--pkeep=1"),
        ("epochs", 0, "--epochs=0"),
        ("hidden", (5, 0), "--hidden=5,0"),
        ("seed", -1, "--seed=-1"),
        ("label_smoothing", 1.0, "--label_smoothing=1"),
        ("outliers", 5, "--outliers=5: say of what kind by --outliers_from"),
        ("outliers_from", "random_labels", "--outliers_from=random_labels: say how many"),
    ],
)
def test_bad_values_are_named(field, value, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as caught:
        experiment.validate(dataclasses.replace(Experiment(), **{field: value}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("num_models", 7, "need an even number"), ("pkeep", 0.25, "--pkeep=0.25: .*give 0.5")],
)
def test_pairs_of_models_share_out_the_pool(field, value, message):
    pairs = dataclasses.replace(Experiment(), masks="pairs", num_models=6)
    assert experiment.validate(pairs) is pairs
    with pytest.raises(UserError, match=message):
        experiment.validate(dataclasses.replace(pairs, **{field: value}))


@pytest.mark.parametrize(("num_models", "pkeep"), [(6, 0.5), (7, 0.5), (2, 0.5), (8, 0.3)])
def test_disjoint_masks_need_whole_numbers_in_each_half(num_models, pkeep):
    experiment.validate(
        dataclasses.replace(Experiment(), masks="disjoint", num_models=8, pkeep=0.25)
    )
    with pytest.raises(UserError, match=f"--num_models={num_models}: disjoint masks"):
        experiment.validate(
            dataclasses.replace(Experiment(), masks="disjoint", num_models=num_models, pkeep=pkeep)
        )


def with_targets(e, **own):
    return dataclasses.replace(e, target_recipe=experiment.target_recipe(own))


def test_targets_have_the_recipe_of_the_shadow_models_unless_told():
    assert experiment.target_experiment(Experiment()) is None
    e = with_targets(
        Experiment(hidden=(9,), epochs=7, seed=3), optimizer="adam", learning_rate=0.01
    )
    own = experiment.target_experiment(e)
    assert own == Experiment(hidden=(9,), epochs=7, seed=3, optimizer="adam", learning_rate=0.01)
    assert experiment.target_experiment(own) is None
    assert experiment.recipe_differences(own, e) == {"optimizer": "adam", "learning_rate": 0.01}


def test_another_family_takes_its_own_defaults():
    e = Experiment(model="wide_resnet", depth=16, width=4)
    own = experiment.target_experiment(with_targets(e, model="cnn"))
    assert own == Experiment(model="cnn")
    assert experiment.recipe_differences(own, e) == {"model": "cnn"}
    wide = experiment.target_experiment(with_targets(e, model="cnn", width=64))
    assert wide == Experiment(model="cnn", width=64)
    same = experiment.target_experiment(with_targets(e, model="wide_resnet", augment="mirror"))
    assert same == Experiment(model="wide_resnet", depth=16, width=4, augment="mirror")
    for family in table.FAMILIES.values():
        assert set(family.options) <= set(experiment.FAMILY_FIELDS)


def test_the_targets_recipe_goes_to_json_and_back():
    e = with_targets(Experiment(), model="mlp", hidden=(3, 4), learning_rate=0.5)
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
        Experiment(seed=3), optimizer="adam", learning_rate=0.01
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
