import pytest

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment, check_named, own_code


def test_code_is_what_is_not_in_our_tables():
    assert own_code(Experiment(model="cnn")) == {}
    own = Experiment(model="mine:net", recipe="mine:train")
    assert own_code(own) == {"model": "mine:net", "recipe": "mine:train"}


def test_stored_code_must_be_named_again():
    stored = Experiment(model="evil:net")
    for given in ((), ("recipe", "epochs")):
        with pytest.raises(UserError, match="--model: the run names the code evil:net, which runs"):
            check_named(stored, given, "the run")
    check_named(stored, ("model",), "the run")
