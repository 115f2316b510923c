import dataclasses

import pytest

from lira_jax.defences import table
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment


def effective(defence, **fields):
    return table.effective(Experiment(defence=defence, **fields))


def test_every_defence_is_described_and_sets_what_an_experiment_has():
    for name, line in table.DEFENCES.items():
        assert line.summary
        assert line.source
        assert line.value
        assert name in table.help_text()
        fields = line.fields(0.5)
        assert dataclasses.replace(Experiment(), **fields) != Experiment()
        if line.default is not None:
            effective(name)


def test_a_defence_goes_before_the_flag_that_it_sets():
    e = effective(" label_smoothing:0.2,l2_all:0.01 ", label_smoothing=0.7)
    assert (e.label_smoothing, e.weight_decay, e.decayed) == (0.2, 0.01, "all")
    assert effective("l2").decayed == "kernels"
    e = Experiment(weight_decay=0.1)
    assert table.effective(e) == e


@pytest.mark.parametrize(
    ("defence", "message"),
    [
        ("mixupp", "--defence=mixupp: did you mean mixup"),
        ("l2:x", "--defence=l2:x: give a number after the colon"),
        ("l2:", "give a number after the colon"),
        ("l2:nan", "give a number after the colon"),
        ("l2,l2", "l2 is named twice"),
        ("l2,l2_all", "l2 and l2_all both set --weight_decay"),
        ("label_smoothing:1", "--defence=label_smoothing:1: --label_smoothing=1"),
        ("dropout:-0.1", "--dropout=-0.1: give a number from 0"),
        ("mixup,cutmix", "give one of them"),
    ],
)
def test_what_makes_no_sense_is_refused(defence, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as caught:
        effective(defence)
    assert "\n" not in str(caught.value)


def test_a_recipe_of_the_users_own_defends_itself():
    with pytest.raises(UserError, match="training step of your own"):
        effective("l2", recipe="own:recipe")
