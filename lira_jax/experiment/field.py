"""A field of an experiment: its default, and what its flag's --help says."""

import dataclasses
from typing import Any


def field(default: Any, help: str, *, fixed_by: str = "train", choices: tuple[str, ...] = ()):
    """A documented field.

    `fixed_by` names the stage, or the signal, whose first output depends on it: from then on a run
    directory refuses another value. Fields fixed by "data" say where the data are: another value is
    taken if the data there are the same. Fields fixed by "nothing" say how to compute, not what, or
    only add to it.
    """
    return dataclasses.field(
        default=default, metadata={"help": help, "fixed_by": fixed_by, "choices": choices}
    )
