"""What an attack may look at."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Targets


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Signals of the models, and which of them are targets.

    Attributes:
      labels: int [examples].
      keep: bool [models, examples], true where a model trained on an example.
      signals: name -> float [models, examples, ...], such as phi float32 [models, examples,
        queries] and logits float32 [models, examples, classes].
      targets: who is attacked (targets.py).
      attack_training: the same models as targets of one another on other examples, from which
        attacks that learn do so; None where they learn from the examples of this evidence.
      learned: attack -> target -> what it has learned from this evidence, of attacks that judge
        several sets of examples by it.
    """

    labels: np.ndarray
    keep: np.ndarray
    signals: Signals
    targets: Targets
    attack_training: "Evidence | None" = None
    learned: dict[str, dict] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of_arrays(
        cls, labels: np.ndarray, keep: np.ndarray, targets: Targets, **signals: np.ndarray
    ) -> "Evidence":
        """Evidence of arrays in memory, such as phi=... and logits=...."""
        return cls(labels, keep, Signals(signals, labels), targets)

    @property
    def members(self) -> np.ndarray | None:
        """bool [targets, examples], for evaluation only: no attack may read it. None if it is
        unknown."""
        return self.targets.members(self.keep)

    @property
    def num_shadows(self) -> int:
        """Shadow models of one target."""
        return self.targets.num_shadows(len(self.keep))

    def of_targets(self, name: str) -> np.ndarray:
        """A signal of the targets, float [targets, examples, ...].

        Raises:
          UserError: it is not saved.
        """
        return self.targets.take(lambda signals: signals[name], self.signals)

    def each_target(self, name: str) -> Iterator[np.ndarray]:
        """The same of a target after the other, [examples, ...], of which one is read at a time."""
        return self.targets.each(name, self.signals)

    def statistic_of_targets(self, function: statistics.Statistic) -> np.ndarray:
        """A statistic of the targets' plain logits, float64 [targets, examples].

        Raises:
          UserError: no logits are saved.
        """
        return self.targets.take(lambda signals: signals.statistic(function), self.signals)

    def training_set(self, read: Callable[[Signals], np.ndarray]) -> TrainingSet | None:
        """What attacks learn from, with what `read` takes of the signals as its values; None for
        this evidence."""
        source = self.attack_training
        if source is None:
            return None
        return TrainingSet(read(source.signals), source.labels, source.keep)

    def select(self, examples: np.ndarray) -> "Evidence":
        """The evidence about some of the examples, bool [examples] or indices; what attacks learn
        from stays."""
        return Evidence(
            self.labels[examples],
            self.keep[:, examples],
            self.signals.of(examples=examples),
            self.targets.select(examples),
            self.attack_training,
        )

    def queries(self, which: np.ndarray | slice) -> "Evidence":
        """The evidence of some of the queries, int [queries] or a slice."""
        return dataclasses.replace(
            self,
            signals=self.signals.queries(which),
            targets=self.targets.queries(which),
            attack_training=self.attack_training and self.attack_training.queries(which),
        )

    def models(self, rows: np.ndarray) -> "Evidence":
        """The evidence of some of its models, int [models]; a target, or one whose counterpart, is
        not among them is left out."""
        return Evidence(
            self.labels,
            self.keep[rows],
            self.signals.of(models=rows),
            self.targets.among(rows),
            self.attack_training and self.attack_training.models(rows),
        )

    def read(self, names: Iterable[str]) -> None:
        """Reads the signals of these names, as far as they are saved, so that a damaged file is
        found before anything is computed.

        Raises:
          UserError: a file is missing or damaged.
        """
        for name in dict.fromkeys(names):
            if name in self.signals:
                _ = self.signals[name], self.of_targets(name)
