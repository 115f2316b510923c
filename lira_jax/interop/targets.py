"""Reads the outputs of targets that are not models of the run."""

import dataclasses
import pathlib
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Counterparts, Outside
from lira_jax.data.readers import numpy_file
from lira_jax.errors import UserError
from lira_jax.interop import layouts
from lira_jax.interop.arrays import as_logits, check_mask, phi_from_logits
from lira_jax.interop.queries import grid_order, in_our_order, likely_order
from lira_jax.interop.read import summary
from lira_jax.interop.twins import Twin, find_twins
from lira_jax.runs.evidence import diagnose_outputs
from lira_jax.runs.files import load_npy
from lira_jax.runs.layout import EXPERIMENT

_FORMS = ("examples, classes", "examples, queries, classes", "targets, examples, queries, classes")


def read_targets(
    path: str | pathlib.Path,
    labels: np.ndarray,
    num_examples: int,
    num_queries: int,
    num_classes: int,
    order: str = "ours",
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Reads the logits of targets from outside, on the examples of the run.

    Args:
      path: a .npy file of logits [N, K], [N, A, K] or [T, N, A, K]; or a folder with logits.npy
        and, if membership is known, keep.npy, bool [N] or [T, N]; or an .npz file with logits and
        keep; or the run directory of another tool, or one model's folder in it.
      labels: int [N], of the run.
      num_examples: N, of the run.
      num_queries: A, of the run.
      num_classes: K, of the run; 0 if it has no logits.
      order: of the queries, one of queries.ORDERS. Another tool's run directory says it itself.

    Returns:
      phi float32 [targets, examples, queries], logits float32 [targets, examples, classes] of the
      plain query, and keep bool [targets, examples] or None. Where the file or the run has the
      plain query alone, phi has one query, with a note: only query 0 of the shadows may be
      compared with it.

    Raises:
      UserError: the file is missing or damaged, of other examples, queries or classes, or holds
        NaN or probabilities.
    """
    path = pathlib.Path(path)
    arrays, had_infinite, order = _load(path, order)
    if "logits" not in arrays:
        raise UserError(
            f"{path} holds no logits; save them there under that name, float [{_FORMS[1]}]"
        )
    logits = arrays["logits"]
    if logits.ndim == 4 and len(logits) == num_examples > 1 and logits.shape[1] == 1:
        logits = logits[:, 0]  # a file of tf_privacy's logits/
    if logits.ndim == 2:
        logits = logits[:, None]
    if logits.ndim == 3:
        logits = logits[None]
    if logits.shape[1] != num_examples or logits.shape[3] != (num_classes or logits.shape[3]):
        classes = f" and {num_classes} classes" if num_classes else ""
        raise UserError(
            f"{path}: logits [{_FORMS[2]}] are {logits.shape}, but the run has {num_examples} "
            f"examples{classes}; give the logits of all of them, in the run's order"
        )
    logits = _of_the_same_queries(path, logits, num_queries, order)
    phi = np.stack([phi_from_logits(target, labels) for target in logits])
    keep = arrays.get("keep")
    if keep is not None:
        keep = np.atleast_2d(check_mask(keep, f"{path}: keep"))
        if keep.shape != phi.shape[:2]:
            raise UserError(
                f"{path}: keep has shape {keep.shape}; give [targets, examples], {phi.shape[:2]}"
            )
    if had_infinite:
        progress.note(
            f"note: {path}: infinite logits are taken for those of a probability of 1e-45"
        )
    return phi, logits[:, :, 0].astype(np.float32), keep


def with_targets_of(
    evidence: Evidence, models: Sequence[int], path: str | pathlib.Path, order: str = "ours"
) -> Evidence:
    """The evidence with the targets of a file (`read_targets`).

    Every model is a shadow of a target, unless it is the target or has its very members: this is
    left out, and said.

    Args:
      evidence: of the run.
      models: ids of its models.
      path: of the targets.
      order: of the targets' queries.

    Raises:
      UserError: as `read_targets`; or some of the targets are models of the run and some are not.
    """
    signals, labels = evidence.signals, evidence.labels
    _, num_examples, num_queries = signals["phi"].shape
    num_classes = signals["logits"].shape[-1] if "logits" in signals else 0
    phi, logits, members = read_targets(path, labels, num_examples, num_queries, num_classes, order)
    progress.note(f"{path}: {summary('targets', phi, logits, members, labels)}")
    outputs = Signals({"phi": phi, "logits": logits}, labels)
    for target in range(len(phi)):
        keep = np.ones(num_examples, bool) if members is None else members[target]
        found = diagnose_outputs(outputs, target, keep)
        if wrong := found.diverged or found.learned_nothing:
            progress.note(
                f"WARNING: {path}: target {target}: {wrong}; see to it that its logits are those "
                "of the run's examples, in the run's order"
            )
    if phi.shape[2] != num_queries:
        signals = signals.plain()
    elif seems := likely_order(phi.mean(0), signals["phi"].mean(0), order):
        progress.note(
            f"note: {path}: the queries look like those of {seems} (--targets_queries={seems})"
        )
    twins = _twins(evidence, outputs, members)
    targets = _apart(path, outputs, members, evidence.keep, twins, models)
    return dataclasses.replace(evidence, signals=signals, targets=targets)


def _twins(evidence: Evidence, outputs: Signals, members: np.ndarray | None) -> list[Twin | None]:
    """What `find_twins` finds, of logits or where there are none of phi; a model at a time."""
    signals, keep = evidence.signals, evidence.keep
    if "logits" in signals:
        models = (signals.of_model("logits", row) for row in range(len(keep)))
        return find_twins(models, keep, outputs["logits"], members)
    return find_twins(signals["phi"][:, :, 0], keep, outputs["phi"][:, :, 0], members)


def _apart(
    path: str | pathlib.Path,
    outputs: Signals,
    members: np.ndarray | None,
    keep: np.ndarray,
    twins: list[Twin | None],
    models: Sequence[int],
) -> Outside | Counterparts:
    """The targets, told apart from the models that they are."""
    found = {target: twin for target, twin in enumerate(twins) if twin is not None}
    if not found:
        return Outside(outputs, members)
    if len(found) < len(twins):
        pairs = _listed([f"{t} is model {models[twin.model]}" for t, twin in found.items()])
        raise UserError(
            f"{path}: of {len(twins)} targets some are models of the run, or have their members "
            f"(target {pairs}), and some are not: save the two kinds in two files, since only the "
            "first must be left out of their shadows"
        )
    for text in _about_twins(found, models, outputs.num_models, keep.shape[1]):
        progress.note(f"note: {path}: {text}")
    rows = np.array([twin.model for twin in found.values()])
    told = None if members is None or np.array_equal(members, keep[rows]) else members
    return Counterparts(outputs, rows, told)


def _about_twins(
    found: dict[int, Twin], models: Sequence[int], num_targets: int, num_examples: int
) -> list[str]:
    """What was seen, and what is done, in a line for each kind of it."""

    def pairs(kind) -> str:
        return _listed([f"{t} and model {models[w.model]}" for t, w in found.items() if kind(w)])

    texts = []
    for kind, text in (
        (
            lambda w: w.same_outputs and w.differing == 0,
            "have the same outputs and members, so the model is no shadow of the target",
        ),
        (
            lambda w: w.same_outputs and w.differing is None,
            "have the same outputs, so the model's members are taken for the target's, and it is "
            "no shadow of it",
        ),
        (
            lambda w: not w.same_outputs,
            "have the same members and other outputs, so the model, a counterpart, is no shadow "
            "of the target",
        ),
    ):
        if which := pairs(kind):
            texts.append(f"target {which} {text}")
    differing = {target: twin for target, twin in found.items() if twin.differing}
    for target, twin in list(differing.items())[:3]:
        inverted = ": is it inverted?" if twin.differing == num_examples else ""
        texts.append(
            f"target {target} and model {models[twin.model]} have the same outputs, so the model "
            f"is no shadow of the target; but the target's keep, which is evaluated with, differs "
            f"from the model's on {twin.differing} of {num_examples} examples{inverted}"
        )
    if len(differing) > 3:
        texts.append(f"so do those of {len(differing) - 3} more targets")
    return texts


def _of_the_same_queries(
    path: pathlib.Path, logits: np.ndarray, num_queries: int, order: str
) -> np.ndarray:
    """Logits [targets, examples, queries, classes] of the run's queries, or of the plain one."""
    own = logits.shape[2]
    if order != "ours" and grid_order(own, order) is None:
        raise UserError(
            f"--targets_queries={order}: {path} has {own} queries, which are no grid of shifts "
            "(1, 2, 18, 50, 162); save those of one grid, or the plain one alone"
        )
    if own not in (1, num_queries) and num_queries != 1:
        raise UserError(
            f"{path}: logits are of {own} queries, the run's of {num_queries}; "
            "give the same queries in the same order, or the plain one alone"
        )
    logits = in_our_order(logits, order, axis=2)
    if own != num_queries:
        few, many = ("it", f"the run's {num_queries}") if own == 1 else ("the run", f"its {own}")
        progress.note(
            f"note: {path}: {few} has the plain query alone, so of {many} queries only that one "
            "is used"
        )
    return logits[:, :, :1] if 1 in (own, num_queries) else logits


def _load(path: pathlib.Path, order: str) -> tuple[dict[str, np.ndarray], bool, str]:
    """Finite logits and keep, as far as there; whether logits were infinite; the queries' order."""
    if dumps := _dumps(path):
        outputs = [layouts.read_outputs(dump) for dump in dumps]
        logits = [output.logits for output in outputs if output.logits is not None]
        if len(logits) < len(dumps):
            return {}, False, order
        if len(shapes := {one.shape for one in logits}) > 1:
            raise UserError(f"{path}: its models' logits have different shapes: {shapes}")
        arrays = {"logits": np.stack(logits)}
        if all(dump.keep.exists() for dump in dumps):
            arrays["keep"] = np.stack([layouts.read_mask(dump, len(logits[0])) for dump in dumps])
        return arrays, any(output.had_infinite for output in outputs), "ours"
    arrays = _arrays(path)
    if "logits" not in arrays:
        return arrays, False, order
    arrays["logits"], had_infinite = as_logits(arrays["logits"], _FORMS, f"{path}: logits")
    return arrays, had_infinite, order


def _dumps(path: pathlib.Path) -> list[layouts.Dump]:
    """The models of another tool's run directory, or the one whose folder this is, if any."""
    if layouts.recognise(path):
        return [dump for dump in layouts.find(path) if dump.outputs]
    if path.is_dir() and layouts.recognise(path.parent):
        return [d for d in layouts.find(path.parent) if d.outputs and d.folder.name == path.name]
    return []


def _arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """logits and keep, as far as they are there."""
    names = ("logits", "keep")
    if (path / EXPERIMENT).exists():
        raise UserError(
            f"--targets={path} is a run of lira_jax: give --workdir={path}, and the shadows' run "
            "as --shadows"
        )
    if path.is_dir():
        return {
            name: load_npy(path / f"{name}.npy")
            for name in names
            if (path / f"{name}.npy").exists()
        }
    try:
        if not numpy_file.is_archive(path):
            return {"logits": numpy_file.load(path)}
        with numpy_file.archive(path) as file:
            return {name: file[name]() for name in names if name in file}
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UserError:
        raise
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error):
        raise UserError(
            f"{path} is not a whole .npy or .npz file of numbers; save it with numpy.save(z)"
        ) from None


def _listed(texts: list[str]) -> str:
    few = ", ".join(texts[:3])
    return few if len(texts) <= 3 else f"{few} and {len(texts) - 3} more"
