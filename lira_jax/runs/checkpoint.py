"""Checkpoints, one folder a model, so that any process can go on with any model in any grouping.

    checkpoints/0007/epoch_0020   training state after 20 epochs (orbax); only the newest is kept
    checkpoints/0007/final        the finished model's variables (orbax)

Orbax writes under a temporary name and renames, so a folder that exists is whole.
"""

import pathlib
import re
import shutil
from typing import Any

from orbax.checkpoint import v1 as ocp

from lira_jax.errors import UserError
from lira_jax.runs.plain_path import plain

FINAL = "final"


def save(folder: pathlib.Path, model_id: int, name: str, tree: Any) -> None:
    """Saves a pytree of arrays, then removes the model's other checkpoints.

    Raises:
      UserError: the disk is full; earlier checkpoints are untouched.
    """
    home = _home(folder, model_id)
    try:
        home.mkdir(parents=True, exist_ok=True)
        ocp.save(plain(home) / name, tree, overwrite=True)
    except Exception as error:  # the same cause comes as OSError or as tensorstore's ValueError
        for unfinished in home.glob(f"{name}.*tmp*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if "No space left on device" in str(error) or "Disk quota exceeded" in str(error):
            raise UserError(
                f"{home / name} could not be written: the disk is full; free some and run again"
            ) from None
        raise
    for other in home.iterdir():
        if other.name != name:
            shutil.rmtree(other, ignore_errors=True)


def is_finished(folder: pathlib.Path, model_id: int) -> bool:
    """Whether the model is trained to the end."""
    return (_home(folder, model_id) / FINAL).exists()


def epoch_name(epoch: int) -> str:
    """Name of the checkpoint after so many epochs."""
    return f"epoch_{epoch:04d}"


def latest_epoch(folder: pathlib.Path, model_id: int) -> int:
    """Epochs that the newest checkpoint holds; 0 if there is none."""
    home = _home(folder, model_id)
    names = [re.fullmatch(r"epoch_(\d+)", p.name) for p in home.iterdir()] if home.exists() else []
    return max((int(m[1]) for m in names if m), default=0)


def load(folder: pathlib.Path, model_id: int, name: str, like: Any) -> Any:
    """Loads a checkpoint.

    Args:
      like: pytree of numpy arrays with the structure, shapes and types that are expected.

    Raises:
      UserError: it is damaged, or of another model.
    """
    path = _home(folder, model_id) / name
    try:
        return ocp.load(plain(path.parent) / path.name, like)
    except Exception as error:  # orbax raises many types for damaged files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{path} cannot be read ({reason}): delete it and run lira-train again"
        ) from error


def load_final(folder: pathlib.Path, model_id: int, like: Any) -> Any:
    """Loads a finished model's variables.

    Raises:
      UserError: it is not finished, or damaged.
    """
    if not is_finished(folder, model_id):
        raise UserError(
            f"model {model_id} has no {_home(folder, model_id) / FINAL}: run lira-train to its "
            "end first"
        )
    return load(folder, model_id, FINAL, like)


def _home(folder: pathlib.Path, model_id: int) -> pathlib.Path:
    return folder / f"{model_id:04d}"
