"""Checkpoints, one folder a model, so that any process can go on with any model in any grouping.

    checkpoints/0007/epoch_0020   training state after 20 epochs (orbax); only the newest is kept
    checkpoints/0007/final        the finished model's variables (orbax)

A checkpoint is written under a temporary name and renamed, so a folder that exists is whole. In it
lira_jax.json says which model it is of, and the hash of the other files, which is checked whenever
it is loaded. Checkpoints of earlier versions have no such file, and are read without.
"""

import errno
import json
import os
import pathlib
import re
import shutil
from typing import Any

from lira_jax.data.readers.reading import parse_json, regular
from lira_jax.errors import UserError
from lira_jax.runs import files, quiet
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.plain_path import plain

FINAL = "final"
RECORD = "lira_jax.json"
_BESIDE = 64 << 10
"""Bytes that a checkpoint takes beside its arrays, in files that say what they are."""


def _orbax():
    """Orbax's interface of version 1, which stands at the top of the package from 1.0 on.

    It and JAX are slow to import, and lira-status needs neither.
    """
    try:
        from orbax.checkpoint import v1
    except ImportError:
        import orbax.checkpoint as v1
    return v1


def save(folder: pathlib.Path, model_id: int, name: str, tree: Any) -> None:
    """Saves a pytree of arrays, then removes the model's other checkpoints.

    Raises:
      UserError: the disk is full; earlier checkpoints are untouched.
    """
    ocp = _orbax()
    home = _home(folder, model_id)
    home.mkdir(parents=True, exist_ok=True)
    _check_space(home, name, tree)
    temporary = files.temporary_name(home / name)
    try:
        with quiet.unless_it_fails():
            ocp.save(plain(home) / temporary.name, tree, overwrite=True)
        _write_record(temporary, folder, model_id, name)
        shutil.rmtree(home / name, ignore_errors=True)
        os.rename(temporary, home / name)
    except Exception as error:  # the same cause comes as OSError or as tensorstore's ValueError
        said, number = str(error), getattr(error, "errno", None)
        full = "No space left on device" in said or "Disk quota exceeded" in said
        if full or number in (errno.ENOSPC, errno.EDQUOT):
            raise _is_full(home / name) from None
        raise
    finally:
        for unfinished in home.glob(f"{temporary.name}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
    tidy(folder, model_id)


def _check_space(home: pathlib.Path, name: str, tree: Any) -> None:
    """Looks before orbax does, whose threads do not end well on a full disk.

    Raises:
      UserError: there is less space than the arrays take.
    """
    import jax

    needs = sum(getattr(leaf, "nbytes", 8) for leaf in jax.tree.leaves(tree)) + _BESIDE
    if shutil.disk_usage(home).free < needs:
        raise _is_full(home / name)


def _is_full(path: pathlib.Path) -> UserError:
    return UserError(
        f"{path} could not be written: the disk is full; free some space and run again"
    )


def _write_record(path: pathlib.Path, folder: pathlib.Path, model_id: int, name: str) -> None:
    run = RunDirectory(folder.parent).identity()
    record = {"model": model_id, "name": name, "run": run, "sha256": files.sha256_of_folder(path)}
    with open(path / RECORD, "w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())


def tidy(folder: pathlib.Path, model_id: int) -> None:
    """Removes all but the model's newest checkpoint, such as what a killed process has begun.

    Only who trains the model may call it, or anybody once it is finished.
    """
    home, kept = _home(folder, model_id), newest(folder, model_id)
    for other in home.iterdir() if home.exists() else ():
        if other.name != kept:
            shutil.rmtree(other, ignore_errors=True)


def newest(folder: pathlib.Path, model_id: int) -> str | None:
    """Name of the checkpoint that counts; None if there is none."""
    if is_finished(folder, model_id):
        return FINAL
    epoch = latest_epoch(folder, model_id)
    return epoch_name(epoch) if epoch else None


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


def check(folder: pathlib.Path, model_id: int, name: str) -> None:
    """Checks a checkpoint against its hash, and that it is of this model.

    Raises:
      UserError: it is not what was saved, or another model's, or another run's.
    """
    path = _home(folder, model_id) / name
    if not (path / RECORD).exists():  # of an earlier version
        return
    try:
        regular(path / RECORD)
        record = parse_json((path / RECORD).read_text())
        of, digest = (record["model"], record["name"]), record["sha256"]
        run = record.get("run")
    except (ValueError, KeyError, TypeError):
        of, digest, run = (model_id, name), None, None
    ours = RunDirectory(folder.parent).identity()
    if None not in (run, ours) and run != ours:
        raise UserError(f"{path} is of another run: delete it and run lira-train again")
    if of != (model_id, name):
        raise UserError(f"{path} is {of[1]} of model {of[0]}: delete it and run lira-train again")
    if digest != files.sha256_of_folder(path, apart=[RECORD]):
        raise UserError(
            f"{path} does not match the sha256 in its {RECORD}: it was changed after it was "
            "written; delete it and run lira-train again"
        )


def load(folder: pathlib.Path, model_id: int, name: str, like: Any) -> Any:
    """Loads a checkpoint.

    Args:
      like: pytree of numpy arrays with the structure, shapes and types that are expected.

    Raises:
      UserError: it is damaged, or of another model.
    """
    ocp = _orbax()
    path = _home(folder, model_id) / name
    check(folder, model_id, name)
    try:
        with quiet.unless_it_fails():
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
