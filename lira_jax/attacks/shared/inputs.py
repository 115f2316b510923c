"""What an attack on shadow scores is given, checked once."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from lira_jax.attacks.shared import leave_out
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.errors import UserError

_KNOWN = "targets are among the models, or observed"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Scaled logits of the shadow models and what is attacked with them.

    Attributes:
      phi: float [models, examples, queries].
      keep: bool [models, examples].
      targets: int [targets], models that are targets in turn, or that stand for them; None when
        nothing of the targets is among the models.
      observed: float [targets, examples, queries], phi of targets from outside, or None.
      partner: whether a partner is left out with each of `targets` (leave_out.py).
      members: bool [targets, examples], the targets' membership, for an attack whose threat model
        knows of it; None for all others.
    """

    phi: np.ndarray
    keep: np.ndarray
    targets: np.ndarray | None
    observed: np.ndarray | None
    partner: bool = True
    members: np.ndarray | None = None

    @property
    def num_targets(self) -> int:
        if self.observed is not None:
            return len(self.observed)
        assert self.targets is not None, _KNOWN
        return len(self.targets)

    @property
    def per_example(self) -> int:
        """Scores of one example in the larger of phi and the targets' scores."""
        return max(len(self.phi), self.num_targets) * self.phi.shape[2]

    def of_target(self, row: int) -> np.ndarray:
        """A target's own phi, [examples, queries]."""
        if self.observed is not None:
            return self.observed[row]
        assert self.targets is not None, _KNOWN
        return self.phi[self.targets[row]]

    def of_targets(self, rows: slice) -> "Inputs":
        """The same of some targets, by their rows; their shadows stay all others."""
        chosen = (
            None if array is None else array[rows]
            for array in (self.targets, self.observed, self.members)
        )
        targets, observed, members = chosen
        return dataclasses.replace(self, targets=targets, observed=observed, members=members)

    def select(self, examples: np.ndarray) -> "Inputs":
        """The same of some examples, bool [examples] or indices."""
        observed = None if self.observed is None else self.observed[:, examples]
        members = None if self.members is None else self.members[:, examples]
        return dataclasses.replace(
            self,
            phi=self.phi[:, examples],
            keep=self.keep[:, examples],
            observed=observed,
            members=members,
        )

    def lists_of(self, phi: np.ndarray, keep: np.ndarray) -> "Inputs":
        """The lists that the same models have of other examples, without the same targets; nobody
        is judged on these.

        Args:
          phi: float [models, other examples, queries].
          keep: bool [models, other examples].

        Raises:
          UserError: as `check`.
        """
        known = check(phi, keep)
        if self.targets is None:
            return dataclasses.replace(known, targets=None, observed=known.phi[:1])
        return dataclasses.replace(known, targets=self.targets)

    def query(self, query: int) -> "Inputs":
        """The same of one query."""
        one = slice(query, query + 1)
        observed = None if self.observed is None else self.observed[:, :, one]
        return dataclasses.replace(self, phi=self.phi[:, :, one], observed=observed)

    def moments(
        self, phi: np.ndarray, member: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`leave_out.list_moments` of one list of a block, without the targets and partners."""
        return leave_out.list_moments(phi, member, self.targets, self.partner)

    def medians(self, phi: np.ndarray, member: np.ndarray) -> np.ndarray:
        """`leave_out.list_medians` of the same."""
        return leave_out.list_medians(phi, member, self.targets, self.partner)

    def deleted(self, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`leave_out.deleted` of the same; only where there are targets among the models."""
        assert self.targets is not None, "nothing is deleted for targets from outside"
        return leave_out.deleted(member, self.targets, self.partner)

    def loses(self, member: np.ndarray) -> np.ndarray:
        """`leave_out.loses` of the same; only where there are targets among the models."""
        assert self.targets is not None, "nothing is deleted for targets from outside"
        return leave_out.loses(member, self.targets, self.partner)

    def block(self, examples: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """phi, keep and the targets' own phi of some examples."""
        phi = self.phi[:, examples]
        own = phi[self.targets] if self.observed is None else self.observed[:, examples]
        return phi, self.keep[:, examples], own

    def scores(
        self, attack: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Runs an attack that looks at one example at a time, a block of examples after the other.

        Args:
          attack: (phi, keep, the targets' own phi) of some examples -> [targets, examples]; called
            from several threads at once.

        Returns:
          float64 [targets, examples].
        """
        scores = np.empty((self.num_targets, self.phi.shape[1]))

        def fill(block: slice) -> None:
            scores[:, block] = attack(*self.block(block))

        for _ in over_blocks(fill, self.phi.shape[1], self.per_example):
            pass
        return scores


def check(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
) -> Inputs:
    """Returns the inputs of an attack if they fit together.

    Args:
      phi: float [models, examples, queries], or [models, examples] for one query.
      keep: bool [models, examples].
      targets: model indices; all models when both this and observed are None.
      observed: float [targets, examples, queries], phi of targets that are not among the models, or
        [targets, examples] for one query. With targets too, observed is what is judged, and targets
        are the models with the very training sets of the observed: they are left out, as if they
        were judged themselves.

    Raises:
      UserError: shapes disagree, a target is not a model, or a score is NaN or infinite.
    """
    phi, keep = by_query(phi), np.asarray(keep, dtype=bool)
    if keep.shape != phi.shape[:2]:
        raise UserError(
            f"keep has shape {keep.shape}, phi {phi.shape}: both begin with [models, examples]"
        )
    _require_finite(phi, "model")
    if observed is not None:
        observed = by_query(observed)
        if observed.shape[1:] != phi.shape[1:]:
            raise UserError(
                f"observed has shape {observed.shape}, phi {phi.shape}: both end with [examples, "
                "queries]"
            )
        _require_finite(observed, "outside target")
        if targets is None:
            return Inputs(phi, keep, None, observed)
    targets = np.arange(len(phi)) if targets is None else np.atleast_1d(targets)
    if (
        targets.dtype.kind not in "iu"
        or not targets.size
        or targets.min() < 0
        or targets.max() >= len(phi)
    ):
        raise UserError(f"targets={targets.tolist()}: give indices of models, 0 to {len(phi) - 1}")
    if observed is not None and len(observed) != len(targets):
        raise UserError(
            f"observed has {len(observed)} rows for {len(targets)} targets: give one for each"
        )
    return Inputs(phi, keep, targets, observed, leave_out.with_partner(keep))


def by_query(phi: np.ndarray) -> np.ndarray:
    """phi as [models, examples, queries]; a 2-D array [models, examples] is one query.

    Raises:
      UserError: phi has neither two nor three dimensions, or no element.
    """
    phi = np.asarray(phi)
    if phi.ndim not in (2, 3) or not phi.size:
        raise UserError(
            f"phi has shape {phi.shape}: give [models, examples] or [models, examples, queries]"
        )
    return phi[:, :, None] if phi.ndim == 2 else phi


def query_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the queries, float64 [..., queries] -> [...]: in a quarter of the time of
    np.mean, which is made for longer rows."""
    return np.einsum("...q->...", values, dtype=np.float64) / values.shape[-1]


def _require_finite(phi: np.ndarray, what: str) -> None:
    for model, scores in enumerate(phi):
        finite = np.isfinite(scores)
        if not finite.all():
            example = int(np.argmin(finite.all(-1)))
            raise UserError(
                f"phi of {what} {model} is NaN or infinite (first at example {example}): "
                "train or score it again, or leave it out"
            )
