import pytest

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment, scored_epochs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("3", (3,)),
        (" 7,1 ,3", (1, 3, 7)),
        ("all", (1, 2, 3, 4, 5, 6, 7)),
        ("every:3", (3, 6)),
        ("1,every:7,1", (1, 7)),
    ],
)
def test_epochs_are_numbers_steps_or_all(text, expected):
    assert scored_epochs(Experiment(epochs=7, score_epochs=text)) == expected


@pytest.mark.parametrize("text", ["0", "8", "1,x", "every:0", "every:8", "every:", "-1", "1.5"])
def test_what_is_no_epoch_is_named(text):
    with pytest.raises(UserError, match=f"--score_epochs={text}: .* none of the 7 epochs"):
        scored_epochs(Experiment(epochs=7, score_epochs=text))
