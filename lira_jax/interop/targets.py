"""Reads the outputs of targets that are not models of the run."""

import dataclasses
import pathlib
import zipfile
import zlib

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Outside
from lira_jax.errors import UserError
from lira_jax.interop.arrays import check_floats, check_mask, phi_from_logits
from lira_jax.runs.files import load_npy

_FORMS = ("examples, classes", "examples, queries, classes", "targets, examples, queries, classes")


def read_targets(
    path: str | pathlib.Path,
    labels: np.ndarray,
    num_examples: int,
    num_queries: int,
    num_classes: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Reads the logits of targets from outside, on the examples of the run.

    Args:
      path: a .npy file of logits [N, K], [N, A, K] or [T, N, A, K], the queries in this project's
        order, the plain one first; or a folder with logits.npy and, if membership is known,
        keep.npy, bool [N] or [T, N]; or an .npz file with logits and keep.
      labels: int [N], of the run.
      num_examples: N, of the run.
      num_queries: A, of the run.
      num_classes: K, of the run.

    Returns:
      phi float32 [targets, examples, queries], logits float32 [targets, examples, classes] of the
      plain query, and keep bool [targets, examples] or None. Where the file or the run has the
      plain query alone, phi has one query: only query 0 of the shadows may be compared with it.

    Raises:
      UserError: the file is missing or damaged, of other examples, queries or classes, or holds NaN
        or probabilities.
    """
    path = pathlib.Path(path)
    arrays = _load(path)
    if "logits" not in arrays:
        raise UserError(
            f"{path} holds no logits; save them there under that name, float [{_FORMS[1]}]"
        )
    logits = check_floats(arrays["logits"], _FORMS, f"{path}: logits")
    if logits.ndim == 2:
        logits = logits[:, None]
    if logits.ndim == 3:
        logits = logits[None]
    if logits.shape[1] != num_examples or logits.shape[3] != num_classes:
        raise UserError(
            f"{path}: logits [{_FORMS[2]}] are {logits.shape}, but the run has {num_examples} "
            f"examples and {num_classes} classes; give the logits of all of them, in the run's "
            "order"
        )
    if 1 in (num_queries, logits.shape[2]):
        logits = logits[:, :, :1]
    elif logits.shape[2] != num_queries:
        raise UserError(
            f"{path}: logits are of {logits.shape[2]} queries, the run's of {num_queries}; "
            "give the same queries in the same order, or the plain one alone"
        )
    if logits.min() >= 0 and np.allclose(logits.sum(-1), 1, atol=1e-3):
        raise UserError(f"{path}: these are probabilities, not logits; save their logarithm")
    phi = np.stack([phi_from_logits(target, labels) for target in logits])

    keep = arrays.get("keep")
    if keep is not None:
        keep = np.atleast_2d(check_mask(keep, f"{path}: keep"))
        if keep.shape != phi.shape[:2]:
            raise UserError(
                f"{path}: keep has shape {keep.shape}; give [targets, examples], {phi.shape[:2]}"
            )
    return phi, logits[:, :, 0].astype(np.float32), keep


def with_targets_of(evidence: Evidence, path: str | pathlib.Path) -> Evidence:
    """The evidence with the targets of a file (`read_targets`); every model is a shadow."""
    signals, labels = evidence.signals, evidence.labels
    _, num_examples, num_queries = signals["phi"].shape
    phi, logits, members = read_targets(
        path, labels, num_examples, num_queries, signals["logits"].shape[-1]
    )
    if phi.shape[2] != num_queries:
        signals = signals.plain()
    outside = Outside(Signals({"phi": phi, "logits": logits}, labels), members)
    return dataclasses.replace(evidence, signals=signals, targets=outside)


def _load(path: pathlib.Path) -> dict[str, np.ndarray]:
    """logits and keep, as far as they are there."""
    names = ("logits", "keep")
    if path.is_dir():
        return {
            name: load_npy(path / f"{name}.npy")
            for name in names
            if (path / f"{name}.npy").exists()
        }
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            return {"logits": file}
        with file:
            return {name: file[name] for name in names if name in file.files}
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error):
        raise UserError(
            f"{path} is not a whole .npy or .npz file of numbers; save it with numpy.save(z)"
        ) from None
