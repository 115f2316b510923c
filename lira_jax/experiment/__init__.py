"""One experiment: everything that decides what its numbers are, and how they are computed.

The command line flags are generated from its fields (cli/flags.py) and a run directory stores them
(runs/directory.py), so a field is added to its group and nowhere else.
"""

from lira_jax.experiment.composition import (
    DATA_LISTS,
    DATA_PLACES,
    FIELDS,
    GROUPS,
    Experiment,
    shown,
)
from lira_jax.experiment.epochs import scored_epochs
from lira_jax.experiment.learning import Defence, Model, Targets, Training
from lira_jax.experiment.own_code import check_named, own_code
from lira_jax.experiment.pool import Data, Masks
from lira_jax.experiment.scoring import QUERY_SHIFTS, Compute, Scoring
from lira_jax.experiment.stored import from_json, named_as_now, recipe_differences, to_json
from lira_jax.experiment.targets import (
    FAMILY_FIELDS,
    TARGET_FIELDS,
    target_experiment,
    target_recipe,
)
from lira_jax.experiment.validation import validate

__all__ = [
    "DATA_LISTS",
    "DATA_PLACES",
    "FAMILY_FIELDS",
    "FIELDS",
    "GROUPS",
    "QUERY_SHIFTS",
    "TARGET_FIELDS",
    "Compute",
    "Data",
    "Defence",
    "Experiment",
    "Masks",
    "Model",
    "Scoring",
    "Targets",
    "Training",
    "check_named",
    "from_json",
    "named_as_now",
    "own_code",
    "recipe_differences",
    "scored_epochs",
    "shown",
    "target_experiment",
    "target_recipe",
    "to_json",
    "validate",
]
