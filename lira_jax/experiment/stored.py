"""An experiment as JSON: written, read, also as earlier versions wrote it, and compared."""

import dataclasses
from collections.abc import Collection
from typing import Any

from lira_jax.errors import UserError
from lira_jax.experiment.composition import FIELDS, Experiment
from lira_jax.experiment.scoring import Scoring
from lira_jax.experiment.targets import FAMILY_FIELDS, TARGET_FIELDS, target_recipe
from lira_jax.experiment.validation import validate


def to_json(experiment: Experiment) -> dict[str, Any]:
    """The fields as plain JSON values."""
    fields = {n: getattr(experiment, n) for n in FIELDS}
    fields["target_recipe"] = dict(experiment.target_recipe)
    return {n: _plain(value) for n, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: _plain(v) for n, v in value.items()}
    return list(value) if isinstance(value, tuple) else value


def from_json(fields: dict[str, Any], source: str) -> Experiment:
    """The inverse of `to_json`, also of what earlier versions wrote; `source` names the file.

    Raises:
      UserError: on fields this version does not know.
    """
    if not isinstance(fields, dict):
        raise UserError(
            f"{source}: it holds no experiment; restore it, or start anew in another --workdir"
        )
    fields = named_as_now(fields)
    recipe = fields.pop("target_recipe", {})
    if not isinstance(recipe, dict):
        raise UserError(f"{source}: target_recipe is no object of fields; restore it")
    fields = {n: _checked(n, value, source) for n, value in fields.items()}
    recipe = {n: _checked(n, value, source, TARGET_FIELDS) for n, value in recipe.items()}
    return validate(Experiment(**fields, target_recipe=target_recipe(recipe)))


def named_as_now(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a stored experiment under the names of this version.

    Before it had target_recipe, an experiment had target_model and the like, empty or 0 for the
    shadow models' own.
    """
    before = {f"target_{n}": n for n in ("model", "optimizer", "learning_rate", "augment")}
    kept = {n: v for n, v in fields.items() if n not in before}
    if own := {before[n]: v for n, v in fields.items() if n in before and v}:
        kept["target_recipe"] = own
    return kept


def _checked(name: str, value: Any, source: str, known: Collection[str] = FIELDS) -> Any:
    if name not in known:
        raise UserError(
            f"{source}: unknown field {name!r}; it was written by another version of lira_jax"
        )
    value = tuple(value) if isinstance(value, list) else value
    expected = type(FIELDS[name].default)
    fits = isinstance(value, (int, float) if expected is float else expected)
    if isinstance(value, tuple) and name != "target_recipe":
        fits &= all(type(item) is int for item in value)
    if not fits or (isinstance(value, bool) and expected is not bool):
        raise UserError(f"{source}: {name} is {value!r}, not {expected.__name__}; restore it")
    return value


def recipe_differences(experiment: Experiment, other: Experiment) -> dict[str, Any]:
    """The fields of training in which an experiment differs from another, with its values as JSON.

    Of another model family, options at their default are left out.
    """
    mine, theirs = to_json(experiment), to_json(other)
    left_out = {"target_recipe", *(field.name for field in dataclasses.fields(Scoring))}
    if experiment.model != other.model:
        left_out |= {n for n in FAMILY_FIELDS if getattr(experiment, n) == FIELDS[n].default}
    fixed = [
        n for n, f in FIELDS.items() if f.metadata["fixed_by"] == "train" and n not in left_out
    ]
    return {n: mine[n] for n in fixed if mine[n] != theirs[n]}
