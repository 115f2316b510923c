"""Writes a run in the layout of another tool."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence

import numpy as np

import lira_jax
from lira_jax import progress
from lira_jax.attacks.shared.signals import missing
from lira_jax.data.readers.reading import parse_json, regular
from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import Experiment
from lira_jax.interop.queries import grid_order
from lira_jax.runs import files
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import diagnose, saved_signals
from lira_jax.runs.layout import KEEP, POOL, attack, attack_of

FORMATS = ("tf_privacy", "lira_pytorch", "lira_analysis")

ANALYSED = {
    "lira_online": "online",
    "lira_online_fixed": "online_fixed",
    "lira_offline": "offline",
    "lira_offline_fixed": "offline_fixed",
    "phi_mean": "global",
}
"""Our attacks that lira_analysis (run_analysis.py) wants, and what it calls them."""

_MARK = "exported_by"
_AUGMENT = {"mirror_shift": "weak"}
_FILES = ("x_train.npy", "y_train.npy", "labels.npy", "keep_indices.npy", "membership_labels.npy")
_ATTACK_SUFFIX = "scores_leave_one_out.npy"
_CHUNK = 1024  # images converted to float64 at a time


def export(
    run: RunDirectory,
    experiment: Experiment,
    out: str | os.PathLike,
    layout: str,
    images: np.ndarray | None = None,
    targets: Sequence[int | str] | None = None,
) -> list[int]:
    """Writes a scored run in another tool's layout, whole or not at all.

    tf_privacy gets its queries in its own order and x_train.npy, float64 in -1..1; lira_pytorch,
    whose queries have no order, gets ours. lira_analysis gets its queries in its own order and, for
    its run_analysis.py, the scores of the attacks. Diverged models are left out, as the attacks
    leave them out.

    Args:
      run: the run directory.
      experiment: of the run.
      out: folder to write; an earlier export is replaced.
      layout: one of FORMATS.
      images: uint8 [examples, height, width, channels] of the data set, for x_train.npy; None: not
        written.
      targets: the models that the run's attacks are on; None: there are no attacks.

    Returns:
      The ids of the models written.

    Raises:
      UserError: the run is not scored, by phi and logits, or out holds something else.
    """
    if layout not in FORMATS:
        raise bad_choice("--format", layout, FORMATS)
    out = pathlib.Path(os.path.realpath(out))  # which a loop of links does not stop
    _check_replaceable(out)
    labels = run.read(POOL.labels, (None,))
    keep = run.read(KEEP, (experiment.num_models, len(labels)))
    signals = saved_signals(run, POOL, list(range(experiment.num_models)), labels)
    for name in ("phi", "logits"):
        if name not in signals.saved:
            raise UserError(f"--format={layout}: {missing(name, signals.saved)}")
    healthy = [m for m, wrong in diagnose(run, keep, signals).items() if wrong is None]
    if not healthy:
        raise UserError(f"{run.path}: all models have diverged; there is nothing to export")
    with _replacing(out) as folder:
        for number, model in enumerate(progress.each("export", healthy, "models")):
            phi = run.read(POOL.signal("phi", model), (len(labels), experiment.queries))
            logits = run.read(POOL.signal("logits", model))
            logits = logits[:, None] if logits.ndim == 2 else logits
            if not number and logits.shape[1] < experiment.queries:
                progress.note(
                    "note: logits are those of the plain query alone, scores of all "
                    f"{experiment.queries}: the run was scored without --save_logits=all"
                )
            own = folder / _WRITERS[layout](folder, experiment, (number, model), phi, logits)
            if layout != "lira_analysis":
                _save(own / "keep.npy", keep[model])
            with files.replacing(own / "hparams.json") as file:
                file.write(json.dumps(_hparams(experiment, model)).encode())
        if layout == "tf_privacy":
            _save(folder / "y_train.npy", labels.astype(np.int64))
            if images is not None:
                with files.npy_writer(folder / "x_train.npy", images.shape, np.float64) as write:
                    for i in range(0, len(images), _CHUNK):
                        write(images[i : i + _CHUNK] / 127.5 - 1)
        if layout == "lira_analysis":
            _save(folder / "keep_indices.npy", keep[healthy])
            _save(folder / "labels.npy", labels.astype(np.int64))
            if len(healthy) < experiment.num_models:
                progress.note(
                    f"note: model_0 to model_{len(healthy) - 1} are models "
                    f"{', '.join(map(str, healthy))} of the run: lira_analysis has no gaps"
                )
            _save_attacks(run, folder, keep, targets)
    return healthy


def _tf_privacy(folder, experiment, model, phi, logits) -> str:
    """Writes scores and logits of a model, and returns the name of its folder.

    Args:
      model: its number in the export, and in the run.
    """
    own = f"experiment-{model[1]}_{experiment.num_models}"
    epoch = _epoch_file(experiment.epochs)
    _save(folder / own / "scores" / epoch, _reordered(phi, "tf_privacy").astype(np.float64))
    _save(folder / own / "logits" / epoch, _reordered(logits, "tf_privacy")[:, None])
    return own


def _lira_pytorch(folder, experiment, model, phi, logits) -> str:
    """The same for lira_pytorch."""
    own = str(model[1])
    _save(folder / own / "scores.npy", phi.astype(np.float64))
    _save(folder / own / "logits.npy", logits)
    return own


def _lira_analysis(folder, experiment, model, phi, logits) -> str:
    """The same for lira_analysis, with models that are numbered without gaps.

    It takes the first rows of its masks for those of the models that it finds.
    """
    own = f"model_{model[0]}"
    scores = _reordered(phi, "lira_analysis").astype(np.float64)
    _save(folder / own / "scores" / "scores.npy", scores)
    _save(folder / own / "logits" / "logits.npy", _reordered(logits, "lira_analysis")[:, None])
    return own


_WRITERS = {
    "tf_privacy": _tf_privacy,
    "lira_pytorch": _lira_pytorch,
    "lira_analysis": _lira_analysis,
}


def _reordered(array: np.ndarray, order: str) -> np.ndarray:
    """An array [examples, queries, ...] of ours, in the order of a tool."""
    ours = grid_order(array.shape[1], order)
    assert ours is not None, "an experiment's queries are such a grid"
    return array[:, np.argsort(ours)]


def _save_attacks(
    run: RunDirectory, folder: pathlib.Path, keep: np.ndarray, targets: Sequence[int | str] | None
) -> None:
    """Writes what run_analysis.py reads of the attacks of a run.

    NAME_scores_leave_one_out.npy are float64 [targets, examples], membership_labels.npy is bool of
    the same shape.
    """
    rows = [target for target in targets or () if isinstance(target, int)]
    names = [name for name in map(attack_of, run.dumps()) if name is not None] if rows else []
    written = []
    for name in names:
        scores = run.read(attack(name))
        # of an earlier call with other targets, or with no guess for some examples
        if scores.shape == (len(rows), keep.shape[1]) and not np.isnan(scores).any():
            stem = ANALYSED.get(name, name)
            _save(folder / f"{stem}_{_ATTACK_SUFFIX}", scores.astype(np.float64))
            written.append(name)
    if written:
        _save(folder / "membership_labels.npy", keep[rows])
    if absent := [name for name in ANALYSED if name not in written]:
        progress.note(
            f"note: run_analysis.py needs {', '.join(absent)} too, with a score of every example: "
            f"run lira-attack --attacks={','.join([*written, *absent])}, and export again"
        )


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
    if out.is_symlink():  # all links are followed by now
        raise UserError(f"--out={out}: its links go round in a circle; give a folder")
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"--out={out}: it is a file; give a folder")
    models: list[str] = []
    others: list[str] = []
    for path in sorted(out.iterdir()):
        files_of_export = _files_of_model(path)
        (others if files_of_export is None else models).append(path.name)
        if files_of_export is None:
            continue
        for file in sorted(path.rglob("*")):
            if str(file.relative_to(path)) not in files_of_export and not _is_folder(file):
                others.append(str(file.relative_to(out)))
    foreign = [name for name in others if not (models and _is_exported_file(name))]
    if foreign:
        raise UserError(
            f"--out={out}: {foreign[0]!r} in it is not from an export; give a new or empty folder"
        )


def _is_exported_file(name: str) -> bool:
    return name in _FILES or name.endswith(f"_{_ATTACK_SUFFIX}")


def _files_of_model(folder: pathlib.Path) -> set[str] | None:
    """The files that an export has written in a model's folder; None if it is none of an export."""
    try:
        regular(folder / "hparams.json")
        hparams = parse_json((folder / "hparams.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(hparams, dict) or _MARK not in hparams:
        return None
    epoch = _epoch_file(hparams.get("epochs"))
    outputs = {f"{n}/{file}" for n in ("scores", "logits") for file in (epoch, f"{n}.npy")}
    return {"hparams.json", "keep.npy", "scores.npy", "logits.npy", *outputs}


def _epoch_file(epochs: object) -> str:
    return f"{epochs:010d}.npy" if isinstance(epochs, int) else ""


def _is_folder(path: pathlib.Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextlib.contextmanager
def _replacing(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary folder; it becomes `out` if the block succeeds, else it vanishes.

    A stale model of an earlier export would be read as one more shadow model, hence a whole new
    folder.
    """
    temporary = files.temporary_name(out)
    old = temporary.with_name(f"{temporary.name}.old")
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
    for left in out.parent.iterdir():  # of killed writers
        ours = left.name.removesuffix(".old").endswith(f".{out.name}")
        if ours and files.is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def _save(path: pathlib.Path, array: np.ndarray) -> None:
    with files.npy_writer(path, array.shape, array.dtype) as write:
        write(array)
