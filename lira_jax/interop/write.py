"""Writes a run in the layout of another tool."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator

import numpy as np

import lira_jax
from lira_jax import progress
from lira_jax.attacks.shared.signals import missing
from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import Experiment
from lira_jax.interop.read import grid_order
from lira_jax.runs import files
from lira_jax.runs.directory import KEEP, POOL, RunDirectory
from lira_jax.runs.evidence import diagnose, saved_signals

FORMATS = ("tf_privacy", "lira_pytorch")

_MARK = "exported_by"
_AUGMENT = {"mirror_shift": "weak"}
_CHUNK = 1024  # images converted to float64 at a time


def export(
    run: RunDirectory,
    experiment: Experiment,
    out: str | os.PathLike,
    layout: str,
    images: np.ndarray | None = None,
) -> list[int]:
    """Writes a scored run in another tool's layout, whole or not at all.

    tf_privacy gets its queries in its own order and x_train.npy, float64 in -1..1; lira_pytorch,
    whose queries have no order, gets ours. Diverged models are left out, as the attacks leave them
    out.

    Args:
      run: the run directory.
      experiment: of the run.
      out: folder to write; an earlier export is replaced.
      layout: tf_privacy or lira_pytorch.
      images: uint8 [examples, height, width, channels] of the data set, for x_train.npy; None: not
        written.

    Returns:
      The ids of the models written.

    Raises:
      UserError: the run is not scored, by phi and logits, or out holds something else.
    """
    if layout not in FORMATS:
        raise bad_choice("--format", layout, FORMATS)
    out = pathlib.Path(out).resolve()
    _check_replaceable(out)
    labels = run.read(POOL.labels, (None,))
    keep = run.read(KEEP, (experiment.num_models, len(labels)))
    ours = grid_order(experiment.queries)
    assert ours is not None, "an experiment's queries are such a grid"
    to_theirs = np.argsort(ours)
    signals = saved_signals(run, POOL, list(range(experiment.num_models)), labels)
    for name in ("phi", "logits"):
        if name not in signals.saved:
            raise UserError(f"--format={layout}: {missing(name, signals.saved)}")
    healthy = [m for m, wrong in diagnose(run, keep, signals).items() if wrong is None]
    written: list[int] = []
    with _replacing(out) as folder:
        for model in progress.each("export", healthy, "models"):
            phi = run.read(POOL.signal("phi", model), (len(labels), experiment.queries))
            logits = run.read(POOL.signal("logits", model))
            logits = logits[:, None] if logits.ndim == 2 else logits
            if not written and logits.shape[1] < experiment.queries:
                progress.note(
                    "note: logits are those of the plain query alone, scores of all "
                    f"{experiment.queries}: the run was scored without --save_logits=all"
                )
            if layout == "tf_privacy":
                own = folder / f"experiment-{model}_{experiment.num_models}"
                epoch = f"{experiment.epochs:010d}.npy"
                _save(own / "scores" / epoch, phi[:, to_theirs].astype(np.float64))
                order = to_theirs if logits.shape[1] == len(to_theirs) else [0]
                _save(own / "logits" / epoch, logits[:, None, order])
            else:
                own = folder / str(model)
                _save(own / "scores.npy", phi.astype(np.float64))
                _save(own / "logits.npy", logits)
            _save(own / "keep.npy", keep[model])
            with files.replacing(own / "hparams.json") as file:
                file.write(json.dumps(_hparams(experiment, model)).encode())
            written.append(model)
        if not written:
            raise UserError(f"{run.path}: all models have diverged; there is nothing to export")
        if layout == "tf_privacy":
            _save(folder / "y_train.npy", labels.astype(np.int64))
            if images is not None:
                with files.npy_writer(folder / "x_train.npy", images.shape, np.float64) as write:
                    for i in range(0, len(images), _CHUNK):
                        write(images[i : i + _CHUNK] / 127.5 - 1)
    return written


def _hparams(experiment: Experiment, model: int) -> dict:
    """A model's settings under tf_privacy's names; the mark tells an export from a run."""
    e = experiment
    arch = {
        "wide_resnet": f"wrn{e.depth or 28}-{e.width or 2}",
        "cnn": f"cnn{e.width or 32}-3-mean",
        "cnn_max": f"cnn{e.width or 32}-3-max",
    }
    return {
        "arch": arch.get(e.model, e.model),
        "lr": e.learning_rate,
        "batch": e.batch_size,
        "weight_decay": e.weight_decay,
        "augment": _AUGMENT.get(e.augment, e.augment),
        "seed": e.seed,
        "epochs": e.epochs,
        "expid": model,
        "num_experiments": e.num_models,
        "pkeep": e.pkeep,
        "save_steps": e.checkpoint_every,
        "only_subset": None,
        _MARK: f"lira_jax {lira_jax.__version__}",
    }


def _check_replaceable(out: pathlib.Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"--out={out}: it is a file; give a folder")
    models: list[str] = []
    others: list[str] = []
    for path in sorted(out.iterdir()):
        (models if _is_exported_model(path) else others).append(path.name)
    foreign = set(others) - ({"x_train.npy", "y_train.npy"} if models else set())
    if foreign:
        raise UserError(
            f"--out={out}: {min(foreign)!r} in it is not from an export; give a new or empty folder"
        )


def _is_exported_model(folder: pathlib.Path) -> bool:
    try:
        hparams = json.loads((folder / "hparams.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(hparams, dict) and _MARK in hparams


@contextlib.contextmanager
def _replacing(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary folder; it becomes `out` if the block succeeds, else it vanishes.

    A stale model of an earlier export would be read as one more shadow model, hence a whole new
    folder.
    """
    temporary, old = (out.with_name(f".{out.name}.{os.getpid()}.{role}") for role in ("new", "old"))
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"--out={out}: {error.strerror}; give a folder that can be made") from None
    try:
        yield temporary
        if out.exists():
            out.rename(old)
        temporary.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _save(path: pathlib.Path, array: np.ndarray) -> None:
    with files.npy_writer(path, array.shape, array.dtype) as write:
        write(array)
