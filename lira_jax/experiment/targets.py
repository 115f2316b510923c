"""Targets that another recipe trains than the shadow models."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lira_jax.experiment.composition import FIELDS, Experiment
from lira_jax.experiment.learning import Defence, Model, Training

TARGET_FIELDS = tuple(
    f.name for group in (Model, Training, Defence) for f in dataclasses.fields(group)
)
"""Fields that may be others in the targets' recipe than in the shadow models'."""
FAMILY_FIELDS = (
    *("depth", "width", "hidden", "activation", "positions", "initial"),
    *("dropout", "drop_connect", "norm", "remat"),
)
"""Options of model families: of another family they mean something else, or nothing."""


def target_recipe(fields: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The value of the field `target_recipe` for targets that differ in some fields."""
    return tuple((name, fields[name]) for name in TARGET_FIELDS if name in fields)


def target_experiment(experiment: Experiment) -> Experiment | None:
    """The recipe of the targets, if it is not the shadow models'.

    Targets and shadow models share the data, the masks, the seed, the queries and how they are
    computed (LiRA, Carlini et al. 2022, section VI-E, https://arxiv.org/abs/2112.03570).
    """
    own = dict(experiment.target_recipe)
    if not own:
        return None
    if own.get("model", experiment.model) != experiment.model:
        own = {n: FIELDS[n].default for n in FAMILY_FIELDS} | own
    return dataclasses.replace(experiment, **own, target_recipe=())
