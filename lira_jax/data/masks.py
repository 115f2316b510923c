"""Who is in which training set: keep[m, i] is true where model m trains on example i."""

import os
from collections.abc import Sequence

import numpy as np

from lira_jax.data import examples
from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS

FILE = "file:"
"""How the kind of masks begins that are read from a file, such as file:masks.npy."""
DISJOINT = "disjoint"
"""The kind of masks of targets and shadow models that share no example; disjoint:part.npy where a
file says which part is the targets'."""
OFFICIAL = "official"
"""The kind of masks of models that all train on the official training set, and not on the test set,
both of which are the pool."""

_SHARE_TOLERANCE = 0.01
_STREAM = 0x6B656570  # sets the masks' random numbers apart from other uses of the same seed


def draw(
    kind: str, num_models: int, num_examples: int, *, pkeep: float = 0.5, seed: int = 0
) -> np.ndarray:
    """Draws the membership masks of all models.

    Args:
      kind: "balanced": each example is in exactly pkeep * num_models models. "bernoulli":
        independent coins. "tf_privacy": the masks of tensorflow/privacy's LiRA code
        (research/mi_lira_2021), bit for bit; they are balanced too, and the same whatever the seed,
        as they are there. "disjoint": the pool is cut into random halves; the first half of the
        models train on balanced parts of one half, the others on balanced parts of the other (LiRA,
        Carlini et al. 2022, section VI-D: the attacker, who trains the second half, holds none of
        the targets' data). A model that is alone on its half trains on a random pkeep of it: two
        models are the one target and the one shadow of Hintersdorf et al. 2022. "disjoint:PATH":
        the same, the targets' half being what a .npy file says, bool [examples], such as the
        examples of one source, so that the attacker's data are of another (the same section).
        "pairs": models 2 i and 2 i + 1 train on the two halves of the pool, cut at random anew for
        each i (Privacy Meter, https://github.com/privacytrustlab/ml_privacy_meter); balanced too.
        "official": all models train on the first pkeep of the examples, which is where the pool has
        the official training set (`official_share`); so no model is a shadow of another (Rezaei and
        Liu 2021, https://arxiv.org/abs/2005.13702).
        "file:PATH": a .npy file, bool [models, examples].
      num_models: models, M.
      num_examples: examples, N.
      pkeep: fraction of models that train on an example, of those that may.
      seed: of all masks but tf_privacy's.

    Returns:
      bool [models, examples].

    Raises:
      UserError: a model would have no training example, or all of them; or the file of masks is
        not of these models and examples.
    """
    shape = (num_models, num_examples)
    if kind.startswith(FILE):
        return _read(kind, shape, pkeep)
    if kind == "tf_privacy":
        # MT19937 seeded 0 is what numpy's legacy functions use, there and here.
        uniform = np.random.RandomState(0).uniform(0, 1, size=shape)
        keep = uniform.argsort(0) < int(pkeep * num_models)
    elif kind == OFFICIAL:
        keep = np.tile(np.arange(num_examples) < round(pkeep * num_examples), (num_models, 1))
    else:
        generator = np.random.default_rng([seed, _STREAM])
        uniform = generator.random(shape)
        if kind == "balanced":
            keep = uniform.argsort(0) < round(pkeep * num_models)
        elif is_disjoint(kind):
            first = first_shadow(num_models)
            of_targets = generator.permutation(num_examples) < num_examples // 2
            if kind != DISJOINT:
                of_targets = _read_part(kind, num_examples)
            keep = np.concatenate(
                [
                    _on_part(uniform[:first], of_targets, pkeep),
                    _on_part(uniform[first:], ~of_targets, pkeep),
                ]
            )
        elif kind == "pairs":
            firsts = uniform[: num_models // 2].argsort(1).argsort(1) < num_examples // 2
            keep = np.stack([firsts, ~firsts], 1).reshape(shape)
        elif kind == "bernoulli":
            keep = uniform < pkeep
        else:
            raise ValueError(f"unknown kind of masks {kind!r}")
    if told := _one_sided(keep):
        raise UserError(
            f"--num_examples={num_examples}: {told}; membership needs examples inside and outside: "
            "take more examples"
        )
    return keep


def _on_part(uniform: np.ndarray, part: np.ndarray, pkeep: float) -> np.ndarray:
    """Masks of models that train on a part of the pool: each of its examples is in pkeep of them,
    or, of a single model, a random pkeep of its examples is in it.

    Args:
      uniform: random numbers [models, examples].
      part: bool [examples].
      pkeep: fraction of the models.

    Returns:
      bool [models, examples].
    """
    if len(uniform) > 1:
        return (uniform.argsort(0) < round(pkeep * len(uniform))) & part
    place = np.where(part, uniform, np.inf).argsort(1).argsort(1)
    return place < round(pkeep * np.count_nonzero(part))


def _one_sided(keep: np.ndarray) -> str:
    """Which model has no member, or no non-member; empty if none."""
    sizes = keep.sum(1)
    if sizes.min() > 0 and sizes.max() < keep.shape[1]:
        return ""
    worst = int(sizes.argmin() if sizes.min() == 0 else sizes.argmax())
    return f"model {worst} would train on {sizes[worst]} of them"


def _read_array(kind: str) -> np.ndarray:
    """The array in the file that a kind of masks names."""
    return examples.read_array(f"--masks={kind}", kind.partition(":")[2])


def _read_part(kind: str, num_examples: int) -> np.ndarray:
    """Which examples are the targets', bool [examples], as the file of disjoint masks says."""
    part = _read_array(kind)
    if part.dtype != bool or part.shape != (num_examples,):
        raise UserError(
            f"--masks={kind}: it holds {part.dtype} {part.shape}; it must be bool [examples], "
            f"({num_examples},) by the data, true of the targets' part"
        )
    if abs(part.mean() - 0.5) > _SHARE_TOLERANCE:
        raise UserError(
            f"--masks={kind}: {part.sum()} of {num_examples} examples are the targets'; take as "
            "many of each part, so that targets and shadow models have training sets of one size"
        )
    return part


def _read(kind: str, shape: tuple[int, int], pkeep: float) -> np.ndarray:
    """The masks in the file that their kind names."""
    keep, flag = _read_array(kind), f"--masks={kind}"
    if keep.dtype != bool or keep.shape != shape:
        raise UserError(
            f"{flag}: it holds {keep.dtype} {keep.shape}; it must be bool [models, examples], "
            f"{shape} by --num_models and the data"
        )
    if told := _one_sided(keep):
        raise UserError(f"{flag}: {told}; membership needs examples inside and outside")
    if abs(keep.mean() - pkeep) > _SHARE_TOLERANCE:
        raise UserError(
            f"--pkeep={pkeep}: the masks of {flag} give a model {keep.mean():.3g} of the pool on "
            f"average, by which epochs are counted: add --pkeep={keep.mean():.3g}"
        )
    return keep


def official_share(kind: str, pkeep: float, num_official: int, num_examples: int) -> float:
    """The fraction of the pool that each model trains on: pkeep, or what official masks make of it.

    Args:
      kind: of masks.
      pkeep: as it is given.
      num_official: examples of the official training set in the pool.
      num_examples: examples of the pool.

    Raises:
      UserError: pkeep is given, and is another share than that of the official training set.
    """
    if kind != OFFICIAL:
        return pkeep
    share = num_official / num_examples
    if pkeep not in (FIELDS["pkeep"].default, share):
        raise UserError(
            f"--pkeep={pkeep:g}: the official training set is {share:.4g} of the pool, of which "
            "--masks=official makes members; leave --pkeep out"
        )
    return share


def check_same(kind: str, keep: np.ndarray) -> None:
    """Checks the masks of a run against the file that their kind names, if it is still there.

    Raises:
      UserError: they are not the same.
    """
    path = kind.partition(":")[2]
    if not path or not os.path.exists(os.path.expanduser(path)):
        return
    if kind.startswith(FILE):
        same = np.array_equal(_read(kind, keep.shape, float(keep.mean())), keep)
    else:
        part, first = _read_part(kind, keep.shape[1]), first_shadow(len(keep))
        same = not (keep[:first, ~part].any() or keep[first:, part].any())
    if not same:
        raise UserError(
            f"--masks={kind}: the run was begun with other masks than are there now; restore the "
            "file, or give another --workdir"
        )


def absolute(kind: str) -> str:
    """A kind of masks, the path of its file absolute, if it names one."""
    name, colon, path = kind.partition(":")
    return name + colon + os.path.abspath(os.path.expanduser(path)) if path else kind


def is_disjoint(kind: str) -> bool:
    """Whether the first half of the models are targets that share no example with the others."""
    return kind.partition(":")[0] == DISJOINT


def coin(kind: str, num_models: int, pkeep: float) -> float | None:
    """The probability with which a kind of masks makes each example a member of a given model,
    independently of the other examples.

    Balanced masks do so: it is the models that share an example's places. None where training sets
    have a fixed size (disjoint, pairs), or nobody knows (file).
    """
    if kind == "bernoulli":
        return pkeep
    if kind in ("balanced", "tf_privacy"):
        return (round if kind == "balanced" else int)(pkeep * num_models) / num_models
    return None


def first_shadow(num_models: int) -> int:
    """With disjoint masks, the models from this one on are shadows, those before it are targets."""
    return num_models // 2


def targets_pool(keep: np.ndarray, kind: str = DISJOINT) -> np.ndarray:
    """With disjoint masks, the examples that targets trained on or could have: bool [examples].

    They are those that are in no shadow model. A single shadow model has non-members of its own in
    its half, which the file of the masks knows. Without a file the halves are random, and of the
    examples that are in neither of two models every other one is its.

    Raises:
      UserError: there is a single shadow model, and the file cannot be read or has changed.
    """
    first = first_shadow(len(keep))
    pool = ~np.any(keep[first:], axis=0)
    if len(keep) - first == 1:
        if kind != DISJOINT:
            check_same(kind, keep)
            return _read_part(kind, keep.shape[1])
        pool[np.flatnonzero(~keep.any(0))[1::2]] = False
    return pool


def members_share(kind: str, pkeep: float) -> float:
    """The mean size of a training set as a fraction of the pool."""
    return pkeep / 2 if is_disjoint(kind) else pkeep


def parse_ids(text: str, num_models: int) -> list[int]:
    """Model ids from a flag: "all", or ids and slices separated by commas, "3,5:8,10::2".

    Raises:
      UserError: not such a text, a slice without models, or an id outside 0..num_models-1.
    """
    everybody = range(num_models)
    if text == "all":
        return list(everybody)
    ids: set[int] = set()
    for part in text.split(","):
        try:
            if ":" in part:
                ends = (int(t) if t.strip() else None for t in part.split(":"))
                found = set(everybody[slice(*ends)])
            else:
                found = {int(part)}
        except (ValueError, TypeError):
            raise UserError(
                f"model ids {text!r}: give all, a slice such as 0:64, or a list such as 0,3,8:16"
            ) from None
        if not found or not found <= set(everybody):
            raise UserError(f"model ids {text!r}: the run has models 0 to {num_models - 1}")
        ids |= found
    return sorted(ids)


def write_ids(ids: Sequence[int]) -> str:
    """A short text that `parse_ids` reads as these ids, which ascend.

    Three or more at one distance become a slice: "0:4,7", or "3:252:8" of one part of eight.
    """
    parts, start = [], 0
    while start < len(ids):
        last, step = start, ids[min(start + 1, len(ids) - 1)] - ids[start]
        while last + 1 < len(ids) and ids[last + 1] - ids[last] == step:
            last += 1
        if last - start < 2:
            last = start
            parts.append(str(ids[start]))
        else:
            parts.append(f"{ids[start]}:{ids[last] + 1}" + (f":{step}" if step > 1 else ""))
        start = last + 1
    return ",".join(parts)
