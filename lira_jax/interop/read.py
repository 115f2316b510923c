"""Reads the run directories of other tools as they are (layouts.py says which)."""

import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.errors import UserError
from lira_jax.interop import labels as labels_lib
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.interop.layouts import Dump, Outputs, find, read_mask, read_outputs, recognise
from lira_jax.interop.queries import grid_order

__all__ = ["read", "recognise"]

_STRAY = 0.01  # of the examples: so many scores may miss phi of the logits without a word


def read(path: str | os.PathLike) -> tuple[Evidence, list[int]]:
    """Reads the run directory of another tool, and says in a line what was read.

    Queries are permuted into this project's order, the plain image first. In lira_pytorch every
    query is a random crop: attacks on the plain example get the first. Where there are no scores,
    phi is computed from the logits. Labels are y_train.npy or labels.npy in the directory; where
    there is neither, as in lira_pytorch and lira_analysis, an example's label is the one class
    under which the logits give the stored score. Models without scores and logits are passed over.

    Returns:
      The evidence, with every model a target, and the ids of its models, ascending. Its
      signals are phi and, unless the directory holds scores alone, logits.

    Raises:
      UserError: an unknown layout; a missing, damaged or misshapen file, or NaN in it; two models
        with the same outputs; labels that are missing, or that scores and logits contradict.
    """
    path, layout = pathlib.Path(path), recognise(path)
    dumps = _scored(path, find(path))
    _, first = next(_each(dumps))
    num_examples, num_queries, num_classes = first.shape
    labels, file = labels_lib.stored(path, num_examples, num_classes, dumps[0].longer) or (
        labels_lib.told(output for _, output in _each(dumps)),
        None,
    )
    if labels is None:
        raise UserError(
            f"{path / 'labels.npy'} is missing, and scores and logits do not tell the labels: "
            "save them there, whole numbers [examples]"
        )
    keep = np.empty((len(dumps), num_examples), bool)
    phi = np.empty((len(dumps), num_examples, num_queries), np.float32)
    plain = np.empty((len(dumps), num_examples, num_classes), np.float32) if num_classes else None
    infinite = []
    strays = np.zeros((len(dumps), num_examples), bool)  # scores that are not phi of the logits
    for row, (dump, output) in enumerate(_each(progress.each("read", dumps, "models"))):
        keep[row] = read_mask(dump, num_examples)
        if output.scores is not None:
            phi[row] = output.scores
        elif output.logits is not None:
            phi[row] = phi_from_logits(output.logits, labels)
        if plain is not None and output.logits is not None:
            plain[row] = output.logits[:, 0]
        strays[row] = labels_lib.disagree(output, labels)
        if output.had_infinite:
            infinite.append(dump.model)
    if file is not None:  # most models, for the scores of single ones may be of another training
        wrong = strays.mean(0) > 0.5
        labels_lib.refuse_contradiction(file, labels, wrong, (output for _, output in _each(dumps)))
    _refuse_copies(dumps, phi)
    progress.note(f"{path}: {summary(f'models of {layout}', phi, plain, keep, labels)}")
    for text in [
        *_about_infinite(infinite),
        *_about_strays(strays, [d.model for d in dumps]),
        *_about_membership(phi[:, :, 0], keep),
        *_about_epochs(dumps),
        *_about_queries(dumps[0].order, num_queries),
    ]:
        progress.note(f"note: {path}: {text}")
    signals = {"phi": phi} if plain is None else {"phi": phi, "logits": plain}
    everyone = Inside(np.arange(len(dumps)))
    return Evidence.of_arrays(labels, keep, everyone, **signals), [d.model for d in dumps]


def summary(
    what: str,
    phi: np.ndarray,
    logits: np.ndarray | None,
    members: np.ndarray | None,
    labels: np.ndarray,
) -> str:
    """What was read, in a line.

    Args:
      what: they are, such as targets.
      phi: [models, examples, queries].
      logits: [models, examples, classes], or None.
      members: bool [models, examples], or None.
      labels: int [examples].
    """
    num_models, num_examples, num_queries = phi.shape
    classes = "scores without logits"
    if logits is not None:
        classes = f"{logits.shape[-1]} classes"
    text = f"{num_models} {what}, {num_examples} examples x {num_queries} queries"
    text += f", {classes}"
    if members is not None:
        sizes = members.sum(1)
        span = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
        text += f", {span} members a model"
    if logits is None:
        return text
    correct = np.stack([z.argmax(-1) == labels for z in logits])
    if members is None:
        return f"{text}, accuracy {correct.mean():.1%}"
    parts = [("members", correct[members]), ("non-members", correct[~members])]
    known = [f"{part.mean():.1%} on {name}" for name, part in parts if part.size]
    return f"{text}, accuracy {', '.join(known)}"


def _scored(path: pathlib.Path, dumps: list[Dump]) -> list[Dump]:
    """The models that are scored; the others are told."""
    scored = [dump for dump in dumps if dump.outputs]
    unscored = [dump.folder.name for dump in dumps if not dump.outputs]
    if len(scored) < 2:
        without = f" (no scores and no logits in {', '.join(unscored)})" if unscored else ""
        raise UserError(
            f"{path} holds {len(scored)} models{without}; a target needs shadow models beside it"
        )
    if unscored:
        progress.note(
            f"note: {path}: {', '.join(unscored)} passed over: neither scores nor logits are there"
        )
    return scored


def _each(dumps: Iterable[Dump]) -> Iterator[tuple[Dump, Outputs]]:
    """Each model's outputs, all of one shape."""
    first = shape = None
    for dump in dumps:
        output = read_outputs(dump)
        if first is None:
            first, shape = dump, output.shape
        if output.shape != shape:
            raise UserError(
                f"{dump.outputs} and its logits have {output.shape} "
                f"examples, queries and classes (0: no logits), but those of model {first.model} "
                f"have {shape}"
            )
        yield dump, output


def _refuse_copies(dumps: Sequence[Dump], phi: np.ndarray) -> None:
    """A model that is there twice would be a shadow of itself."""
    seen: dict[str, Dump] = {}
    for dump, own in zip(dumps, phi, strict=True):
        other = seen.setdefault(hashlib.sha256(own).hexdigest(), dump)
        if other is not dump and np.ptp(own):  # models that diverged may say the same of all
            raise UserError(
                f"{other.folder} and {dump.folder.name} have the same outputs: one is a copy of "
                "the other; move one away"
            )


def _about_infinite(models: list[int]) -> Iterator[str]:
    if models:
        yield (
            f"models {_listed(models)} have infinite outputs; they are taken for those of a "
            "probability of 1e-45, or of 1 - 1e-45"
        )


def _about_strays(strays: np.ndarray, models: list[int]) -> Iterator[str]:
    many = [model for model, own in zip(models, strays, strict=True) if own.mean() > _STRAY]
    if many:
        yield (
            f"the scores of models {_listed(many)} are not those of their logits and labels on "
            f"{strays.sum(1).max()} of {strays.shape[1]} examples; LiRA takes the scores, attacks "
            "on logits the logits"
        )


def _about_membership(phi: np.ndarray, keep: np.ndarray) -> Iterator[str]:
    """Every model knows its members at least as well as the others."""
    both = keep.any(1) & ~keep.all(1)
    gaps = np.array(
        [z[k].mean() - z[~k].mean() for z, k in zip(phi[both], keep[both], strict=True)]
    )
    if len(gaps) > 3 and gaps.mean() < -4 * gaps.std(ddof=1) / np.sqrt(len(gaps)):
        yield "the models know their non-members better than their members; are the masks inverted?"


def _about_epochs(dumps: Sequence[Dump]) -> Iterator[str]:
    files = {dump.outputs.name: dump for dump in dumps if dump.outputs is not None}
    if len(files) > 1:
        named = ", ".join(f"{name} of {dump.folder.name}" for name, dump in sorted(files.items()))
        yield f"the last scores of the models are of different epochs: {named}"


def _about_queries(order: str, num_queries: int) -> Iterator[str]:
    # lira_pytorch has no order: every query is a random crop.
    if order == "ours" or grid_order(num_queries, order) is None:
        yield "no query is known to be the plain example; the first is taken for it"


def _listed(models: list[int]) -> str:
    few = ", ".join(map(str, models[:5]))
    return few if len(models) <= 5 else f"{few} and {len(models) - 5} more"
