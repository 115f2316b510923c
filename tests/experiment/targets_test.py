import dataclasses

from lira_jax import experiment
from lira_jax.experiment import Experiment
from lira_jax.models import table


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
