"""Attacks on a signal that a model may have none of, such as the distance to a boundary that no
search has found: the examples are left out that some model has none of."""

import dataclasses
from collections.abc import Callable

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.errors import UserError


def known(e: Evidence, name: str) -> np.ndarray:
    """Of which examples all models and targets have the signal, bool [examples]."""
    values = (e.signals[name], e.of_targets(name))
    return np.all([np.isfinite(v).reshape(*v.shape[:2], -1).all((0, 2)) for v in values], axis=0)


def leaving_out(
    run: Callable[[Evidence], np.ndarray], name: str
) -> Callable[[Evidence], np.ndarray]:
    """An attack on the examples of which all models have the signal; the others get NaN.

    The result raises a UserError if there is none.
    """

    def on_known(e: Evidence) -> np.ndarray:
        some = known(e, name)
        if not some.any():
            raise UserError(
                f"no example has {name} in every model: score it in another --workdir, with more "
                "--boundary_steps"
            )
        part = e.select(some)
        if e.attack_training is not None:
            of_training = e.attack_training.select(known(e.attack_training, name))
            part = dataclasses.replace(part, attack_training=of_training)
        scores = np.full((e.targets.number, len(some)), np.nan)
        scores[:, some] = run(part)
        return scores

    return on_known


def caveat(e: Evidence, name: str) -> str:
    """How many examples are left out, in words; empty if none is."""
    lost = int(np.count_nonzero(~known(e, name)))
    return f"{lost} of {len(e.labels)} examples have no {name} in some model" if lost else ""
