"""Signals of several models by name: read or computed when they are first asked for, then kept.

A *signal* is a number, or a few, that one model gives of each example, and that is higher for
members: phi, the logits, the loss. An attack that needs phi alone never reads the logits.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared import saturation, statistics
from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.attacks.shared.plain import is_plain
from lira_jax.attacks.shared.texts import FACTS
from lira_jax.errors import UserError

_TOGETHER = 2**21
"""Logits that are read at a time for a statistic: threads for fewer cost more than they do."""


class Saved(Protocol):
    """A signal of models [models, all examples, ...]: an array, or what reads a model's array when
    it is indexed."""

    def __len__(self) -> int: ...

    def __getitem__(self, model: int, /) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Fact:
    """What is known of the examples themselves, the same for all models.

    Attributes:
      values: [all examples].
      models: how many models.
    """

    values: np.ndarray
    models: int

    def __len__(self) -> int:
        return self.models

    def __getitem__(self, model: int) -> np.ndarray:
        return self.values


class Signals(Mapping[str, np.ndarray]):
    """name -> float [models, examples, ...], of all queries or of the plain one alone.

    phi is float32 [models, examples, queries], query 0 the plain example; logits are float32
    [models, examples, classes], of the plain example. Beside the saved signals there are those that
    are derived from them (derived.py).
    """

    def __init__(
        self,
        saved: Mapping[str, Saved],
        labels: np.ndarray,
        models: np.ndarray | None = None,
        examples: np.ndarray | None = None,
    ):
        """Args:
        saved: name -> the signal of the models.
        labels: int [all examples].
        models: int [models], which of them, in which order; all by default.
        examples: int [examples], which of them, in which order; all by default.
        """
        self._saved, self._labels = saved, labels
        self._models, self._examples = models, examples
        self._made: dict[str, np.ndarray] = {}
        self._statistics: dict[statistics.Statistic, np.ndarray] = {}

    @property
    def saved(self) -> tuple[str, ...]:
        """Names of the signals that are not derived."""
        return tuple(n for n in self._saved if n not in FACTS)

    @property
    def of_text(self) -> bool:
        """Whether the examples are known to be texts."""
        return any(name in self._saved for name in FACTS)

    @property
    def num_models(self) -> int:
        """Models, or targets."""
        return len(next(iter(self._saved.values())) if self._models is None else self._models)

    @property
    def labels(self) -> np.ndarray:
        """int [examples]."""
        return self._labels if self._examples is None else self._labels[self._examples]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._made:
            if name not in self:
                raise missing(name, self.saved, of_text=self.of_text)
            self._made[name] = self._stack(name) if name in self._saved else self._derive(name)
        return self._made[name]

    def _derive(self, name: str) -> np.ndarray:
        line = DERIVED[name]
        if not line.by_model:
            return line.derive(self, self.labels)

        def of_model(model: int) -> np.ndarray:
            own = {needed: self.row(needed, model)[None] for needed in line.needs}
            return line.derive(own, self.labels)[0]

        return np.stack([of_model(model) for model in range(self.num_models)])

    def __contains__(self, name: object) -> bool:
        return name in self._saved or (
            name in DERIVED and all(n in self._saved for n in DERIVED[name].needs)
        )

    def __iter__(self) -> Iterator[str]:
        yield from self._saved
        yield from (name for name in DERIVED if name not in self._saved and name in self)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def of(self, models: np.ndarray | None = None, examples: np.ndarray | None = None) -> "Signals":
        """The signals of some of the models and examples, indices int or bool; None for all."""
        return Signals(
            self._saved,
            self._labels,
            _compose(self._models, models),
            _compose(self._examples, examples),
        )

    def of_model(self, name: str, model: int) -> np.ndarray:
        """A saved signal of one model, [examples, ...], read and not kept."""
        row = model if self._models is None else self._models[model]
        array = self._saved[name][row]
        return array if self._examples is None else array[self._examples]

    def row(self, name: str, model: int) -> np.ndarray:
        """self[name][model], [examples, ...], without reading the other models' for it."""
        source = self._saved.get(name)
        if name in self._made or source is None or isinstance(source, _Mapped):
            return self[name][model]
        array = self.of_model(name, model)
        return array if isinstance(source, np.ndarray | Fact) else saturation.clip(array)

    def statistic(self, function: statistics.Statistic) -> np.ndarray:
        """A statistic of the plain logits, float64 [models, examples].

        It is kept, for several attacks judge by the same. The logits are read a few models at a
        time and not kept, unless something else has asked for all: memory does not grow with the
        classes.

        Raises:
          UserError: no logits are saved.
        """
        if "logits" not in self:
            raise missing("logits", self.saved, of_text=self.of_text)
        if function not in self._statistics:
            source, labels = self._saved["logits"], self.labels
            if "logits" in self._made or isinstance(source, np.ndarray | _Mapped):
                found = statistics.of_models(function, self["logits"], labels)
            else:
                found = np.empty((self.num_models, len(labels)))
                first, few = 0, []
                for model in range(self.num_models):
                    few.append(self.row("logits", model))
                    if len(few) * few[0].size >= _TOGETHER or model + 1 == self.num_models:
                        of_few = statistics.of_models(function, np.stack(few), labels)
                        found[first : model + 1] = of_few
                        first, few = model + 1, []
            found.flags.writeable = False  # whoever asks again gets the same array
            self._statistics[function] = found
        return self._statistics[function]

    def query_logits(self, model: int) -> np.ndarray:
        """Logits of one model for all queries of which they are saved, read and not kept.

        Returns:
          float [examples, queries, classes]; of one query, the plain one, unless they were saved
          with --save_logits=all.
        """
        source = self._saved["logits"]
        row = model if self._models is None else self._models[model]
        whole = getattr(source, "of_queries", None)
        array = source[row][:, None] if whole is None else whole(row)
        return saturation.clip(array if self._examples is None else array[self._examples])

    def mapped(
        self, function: Callable[[np.ndarray], np.ndarray], labels: np.ndarray | None = None
    ) -> "Signals":
        """The saved signals with a function applied to each [models, examples, ...] when it is
        asked for; `labels` if it gives other examples."""
        saved = {name: _Mapped(self, name, function) for name in self._saved}
        return Signals(saved, self.labels if labels is None else labels)

    def plain(self) -> "Signals":
        """The signals of the plain query alone: of those with a query axis, the first."""
        return self.queries(slice(1))

    def queries(self, which: np.ndarray | slice) -> "Signals":
        """The signals of some of the queries, int [queries] or a slice; those of the
        plain query alone (plain.py) are so whatever is asked for."""

        def some(array: np.ndarray) -> np.ndarray:
            if array.shape[2] == 1:
                return array
            return array[:, :, which] if isinstance(which, slice) else array.take(which, 2)

        saved = {
            name: _Mapped(self, name, _all if is_plain(name) else some) for name in self._saved
        }
        return Signals(saved, self.labels)

    def _stack(self, name: str) -> np.ndarray:
        source = self._saved[name]
        if isinstance(source, Fact):
            values = source.values if self._examples is None else source.values[self._examples]
            return np.broadcast_to(values, (self.num_models, *values.shape))
        if isinstance(source, _Mapped):
            source = source.array()
        if isinstance(source, np.ndarray):
            source = source if self._models is None else source[self._models]
            return source if self._examples is None else source[:, self._examples]
        models = range(len(source)) if self._models is None else self._models
        stacked: np.ndarray | None = None
        for row, model in enumerate(progress.each(f"read {name}", models, "models")):
            array = source[model]
            array = array if self._examples is None else array[self._examples]
            if stacked is None:
                stacked = np.empty((len(models), *array.shape), np.float32)
            stacked[row] = saturation.clip(array)
        assert stacked is not None, "there are models"
        return stacked


class _Mapped:
    """A signal of others with a function applied to it."""

    def __init__(self, signals: Signals, name: str, function: Callable):
        self._signals, self._name, self._function = signals, name, function

    def __len__(self) -> int:
        return len(self.array())

    def __getitem__(self, model: int) -> np.ndarray:
        return self.array()[model]

    def array(self) -> np.ndarray:
        return self._function(self._signals[self._name])


_WHERE = ", if the model's outputs are logits of the classes"


def missing(name: str, saved: Sequence[str], *, of_text: bool = False) -> UserError:
    """The error of a signal that is neither saved nor can be derived."""
    near = (
        []
        if is_plain(name)
        else difflib.get_close_matches(name, [*saved, *DERIVED, "phi", "logits"], n=1)
    )
    if near and near[0] != name:
        return UserError(f"there is no signal {name}: did you mean {near[0]}?")
    needed = [n for n in DERIVED[name].needs if n not in saved] if name in DERIVED else [name]
    if facts := [n for n in needed if n in FACTS]:
        needed = [n for n in needed if n not in FACTS]
        if not needed:
            return UserError(f"it needs {facts[0]} of each text, which is not known here")
    if of_text and "logits" in needed:
        return UserError("it needs logits of classes, which models of text do not have")
    both = ",".join([*saved, *needed])
    of_logits = {"phi", "logits"}
    where = "" if set(saved) & of_logits or not set(needed) <= of_logits else _WHERE
    return UserError(
        f"it needs the signal {' and '.join(needed)}, which is not saved: run lira-score "
        f"--signals={both}{where}"
    )


def _compose(old: np.ndarray | None, new: np.ndarray | None) -> np.ndarray | None:
    if new is None:
        return old
    new = np.asarray(new)
    if old is not None:
        return old[new]
    return np.flatnonzero(new) if new.dtype == bool else new


def _all(array: np.ndarray) -> np.ndarray:
    return array
