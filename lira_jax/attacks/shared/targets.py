"""Who is attacked: models of the evidence, or targets from outside.

Each kind answers the same questions, so that no attack asks which kind it has.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TypedDict

import numpy as np

from lira_jax.attacks.shared.signals import Signals


class Arguments(TypedDict, total=False):
    """What an attack function on arrays takes to know its targets: models, or what they say."""

    targets: np.ndarray
    observed: np.ndarray


@dataclasses.dataclass(frozen=True)
class Inside:
    """Models that are targets in turn, each with all the others as its shadows.

    Attributes:
      models: int [targets], rows of the evidence.
    """

    models: np.ndarray

    @property
    def number(self) -> int:
        return len(self.models)

    def num_shadows(self, num_models: int) -> int:
        """How many of the evidence's models are shadows of one target."""
        return num_models - 1

    def members(self, keep: np.ndarray) -> np.ndarray | None:
        """bool [targets, examples]."""
        return _rows(keep, self.models)

    def take(self, read: Callable[[Signals], np.ndarray], signals: Signals) -> np.ndarray:
        """What `read` takes of signals, of the targets, [targets, examples, ...]."""
        return _rows(read(signals), self.models)

    def each(self, name: str, signals: Signals) -> Iterator[np.ndarray]:
        """A signal of a target after the other, [examples, ...]."""
        return (signals.row(name, int(model)) for model in self.models)

    def arguments(self, signal: Callable[[Signals], np.ndarray]) -> Arguments:
        """What an attack function on arrays takes to know its targets.

        Args:
          signal: what the attack reads of the models' signals.
        """
        return {"targets": self.models}

    def apart(self, signals: Signals) -> "Outside":
        """The same outputs as if they came from outside; the membership is not told."""
        return Outside(signals.of(models=self.models))

    def select(self, examples: np.ndarray) -> "Inside":
        """The same targets on some of the examples."""
        return self

    def queries(self, which: np.ndarray | slice) -> "Inside":
        """The same targets, asked some of the queries."""
        return self

    def among(self, models: np.ndarray) -> "Inside":
        """The targets that are among some of the models, by their new rows."""
        return Inside(_positions(self.models, models)[1])


@dataclasses.dataclass(frozen=True)
class Outside:
    """Targets that are no models of the evidence: every model is their shadow.

    Attributes:
      outputs: signals of the targets, [targets, examples, ...].
      membership: bool [targets, examples], if it is known; for evaluation only.
    """

    outputs: Signals
    membership: np.ndarray | None = None

    @property
    def number(self) -> int:
        return self.outputs.num_models

    def num_shadows(self, num_models: int) -> int:
        return num_models

    def members(self, keep: np.ndarray) -> np.ndarray | None:
        return self.membership

    def take(self, read: Callable[[Signals], np.ndarray], signals: Signals) -> np.ndarray:
        return read(self.outputs)

    def each(self, name: str, signals: Signals) -> Iterator[np.ndarray]:
        return (self.outputs.row(name, row) for row in range(self.number))

    def arguments(self, signal: Callable[[Signals], np.ndarray]) -> Arguments:
        return {"observed": signal(self.outputs)}

    def apart(self, signals: Signals) -> "Outside":
        return self

    def select(self, examples: np.ndarray) -> "Outside":
        known = None if self.membership is None else self.membership[:, examples]
        return Outside(self.outputs.of(examples=examples), known)

    def queries(self, which: np.ndarray | slice) -> "Outside":
        return dataclasses.replace(self, outputs=self.outputs.queries(which))

    def among(self, models: np.ndarray) -> "Outside":
        return self


@dataclasses.dataclass(frozen=True)
class Counterparts:
    """Targets from outside that have the very training sets of some models: targets of another
    recipe. Their counterparts are no shadows of theirs.

    Attributes:
      outputs: signals of the targets, [targets, examples, ...].
      models: int [targets], the counterpart of each, a row of the evidence.
      told: bool [targets, examples], the membership to evaluate with where it is told to be another
        than the counterparts'; None for theirs.
    """

    outputs: Signals
    models: np.ndarray
    told: np.ndarray | None = None

    @property
    def number(self) -> int:
        return len(self.models)

    def num_shadows(self, num_models: int) -> int:
        return num_models - 1

    def members(self, keep: np.ndarray) -> np.ndarray | None:
        return _rows(keep, self.models) if self.told is None else self.told

    def take(self, read: Callable[[Signals], np.ndarray], signals: Signals) -> np.ndarray:
        return read(self.outputs)

    def each(self, name: str, signals: Signals) -> Iterator[np.ndarray]:
        return (self.outputs.row(name, row) for row in range(self.number))

    def arguments(self, signal: Callable[[Signals], np.ndarray]) -> Arguments:
        return {"targets": self.models, "observed": signal(self.outputs)}

    def apart(self, signals: Signals) -> "Counterparts":
        return self

    def select(self, examples: np.ndarray) -> "Counterparts":
        told = None if self.told is None else self.told[:, examples]
        return Counterparts(self.outputs.of(examples=examples), self.models, told)

    def queries(self, which: np.ndarray | slice) -> "Counterparts":
        return dataclasses.replace(self, outputs=self.outputs.queries(which))

    def among(self, models: np.ndarray) -> "Counterparts":
        kept, positions = _positions(self.models, models)
        told = None if self.told is None else self.told[kept]
        return Counterparts(self.outputs.of(models=kept), positions, told)


Targets = Inside | Outside | Counterparts


def _rows(array: np.ndarray, models: np.ndarray) -> np.ndarray:
    """array[models], without a copy if that is all of it."""
    everyone = len(models) == len(array) and np.array_equal(models, np.arange(len(array)))
    return array if everyone else array[models]


def _positions(wanted: np.ndarray, models: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the wanted are among the models, and where there, both int."""
    where = {int(model): row for row, model in enumerate(models)}
    kept = [row for row, model in enumerate(wanted) if int(model) in where]
    return np.array(kept, int), np.array([where[int(wanted[row])] for row in kept], int)
