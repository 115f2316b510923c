"""Which epochs of a training are scored: what --score_epochs says."""

import re

from lira_jax.errors import UserError
from lira_jax.experiment.composition import Experiment


def scored_epochs(experiment: Experiment) -> tuple[int, ...]:
    """The epochs after which all models are scored while they train, ascending.

    >>> scored_epochs(Experiment(epochs=12, score_epochs="1,2,every:5"))
    (1, 2, 5, 10)

    Raises:
      UserError: one is no epoch of the training.
    """
    e, found = experiment, set[int]()
    for part in (p.strip() for p in e.score_epochs.split(",") if p.strip()):
        every = re.fullmatch(r"every:(\d+)", part)
        if part == "all" or (every and 1 <= int(every[1]) <= e.epochs):
            step = int(every[1]) if every else 1
            found.update(range(step, e.epochs + 1, step))
        elif re.fullmatch(r"\d+", part) and 1 <= int(part) <= e.epochs:
            found.add(int(part))
        else:
            raise UserError(
                f"--score_epochs={e.score_epochs}: {part!r} is none of the {e.epochs} epochs; give "
                "numbers from 1 on, comma separated, every:5, or all"
            )
    return tuple(sorted(found))
