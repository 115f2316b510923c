"""What an attack may look at."""

import dataclasses

import numpy as np

from lira_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Saved outputs of the models, and which of them are targets.

    Attributes:
      labels: int [examples].
      keep: bool [models, examples], true where a model trained on an example.
      phi: float32 [models, examples, queries]; query 0 is the plain example.
      logits: float32 [models, examples, classes], of the plain example; None if only phi was saved.
      targets: int [targets], models that are attacked, each with all the others as its shadows;
        None if the targets come from outside and every model is a shadow.
      outside_phi, outside_logits: of targets from outside, [targets, examples, queries or classes].
        With `targets` too, these are attacked, and `targets` are the models with their very
        training sets, which are no shadows.
      outside_members: bool [targets, examples], their membership, if it is known.
    """

    labels: np.ndarray
    keep: np.ndarray
    phi: np.ndarray
    logits: np.ndarray | None
    targets: np.ndarray | None
    outside_phi: np.ndarray | None = None
    outside_logits: np.ndarray | None = None
    outside_members: np.ndarray | None = None

    @property
    def members(self) -> np.ndarray | None:
        """bool [targets, examples], for evaluation only: no attack may read it."""
        return self._of_targets(self.keep) if self.outside_phi is None else self.outside_members

    @property
    def target_phi(self) -> np.ndarray:
        """float32 [targets, examples, queries]."""
        return self._of_targets(self.phi) if self.outside_phi is None else self.outside_phi

    @property
    def target_logits(self) -> np.ndarray:
        """float32 [targets, examples, classes], of the plain example."""
        return (
            self._of_targets(self.shadow_logits)
            if self.outside_phi is None
            else self.outside_logits
        )

    @property
    def shadow_logits(self) -> np.ndarray:
        """`logits`, for attacks that cannot do without.

        Raises:
          UserError: there are none.
        """
        if self.logits is None:
            raise UserError("it needs logits, and only scores were saved")
        return self.logits

    def _of_targets(self, array: np.ndarray) -> np.ndarray:
        everyone = len(self.targets) == len(array) and np.array_equal(
            self.targets, np.arange(len(array))
        )
        return array if everyone else array[self.targets]
