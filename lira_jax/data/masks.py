"""Who is in which training set: keep[m, i] is true where model m trains on example i."""

from collections.abc import Sequence

import numpy as np

from lira_jax.errors import UserError

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
        the targets' data).
      num_models: models, M.
      num_examples: examples, N.
      pkeep: fraction of models that train on an example, of those that may.
      seed: of all masks but tf_privacy's.

    Returns:
      bool [models, examples].

    Raises:
      UserError: a model would have no training example, or all of them.
    """
    shape = (num_models, num_examples)
    if kind == "tf_privacy":
        # MT19937 seeded 0 is what numpy's legacy functions use, there and here.
        uniform = np.random.RandomState(0).uniform(0, 1, size=shape)
        keep = uniform.argsort(0) < int(pkeep * num_models)
    else:
        generator = np.random.default_rng([seed, _STREAM])
        uniform = generator.random(shape)
        if kind == "balanced":
            keep = uniform.argsort(0) < round(pkeep * num_models)
        elif kind == "disjoint":
            first = first_shadow(num_models)
            halves = [
                half.argsort(0) < round(pkeep * first)
                for half in (uniform[:first], uniform[first:])
            ]
            of_targets = generator.permutation(num_examples) < num_examples // 2
            keep = np.concatenate([halves[0] & of_targets, halves[1] & ~of_targets])
        elif kind == "bernoulli":
            keep = uniform < pkeep
        else:
            raise ValueError(f"unknown kind of masks {kind!r}")
    sizes = keep.sum(1)
    if sizes.min() == 0 or sizes.max() == num_examples:
        worst = int(sizes.argmin() if sizes.min() == 0 else sizes.argmax())
        raise UserError(
            f"--num_examples={num_examples}: model {worst} would train on {sizes[worst]} of them; "
            "membership needs examples inside and outside: take more examples"
        )
    return keep


def first_shadow(num_models: int) -> int:
    """With disjoint masks, the models from this one on are shadows, those before it are targets."""
    return num_models // 2


def targets_pool(keep: np.ndarray) -> np.ndarray:
    """With disjoint masks, the examples that targets trained on or could have: bool [examples]."""
    return ~np.any(keep[first_shadow(len(keep)) :], axis=0)


def members_share(kind: str, pkeep: float) -> float:
    """The mean size of a training set as a fraction of the pool."""
    return pkeep / 2 if kind == "disjoint" else pkeep


def parse_ids(text: str, num_models: int) -> list[int]:
    """Model ids from a flag: "all" or "", or ids and slices separated by commas, "3,5:8,10::2".

    Raises:
      UserError: not such a text, a slice without models, or an id outside 0..num_models-1.
    """
    everybody = range(num_models)
    if text in ("", "all"):
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
