"""Runs attacks on evidence and measures what they find: the protocol that all attacks share."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.attack_notes import AttackNotes
from lira_jax.audit.beside import Beside
from lira_jax.errors import UserError
from lira_jax.evaluation.assessment import AttackResults, ShadowScores, assess
from lira_jax.evaluation.epsilon import Setting
from lira_jax.evaluation.transfer import PRIORS


class CannotBeMade(UserError):
    """An attack that was asked for by name cannot be made.

    Attributes:
      others: what the other attacks find, as `run_attacks` returns it.
    """

    def __init__(self, message: str, others: dict[str, AttackResults]):
        super().__init__(message)
        self.others = others


def can_be_evaluated(members: np.ndarray | None) -> bool:
    """Whether the targets' membership, bool [targets, examples], is known and of both kinds."""
    return members is not None and bool(members.any()) and not members.all()


def run_attacks(
    evidence: Evidence,
    table: dict[str, Attack],
    names: Sequence[str],
    save: Callable[[str, np.ndarray], None],
    *,
    skip_failures: bool,
    priors: Sequence[float] = PRIORS,
    shadows: Evidence | None = None,
    bound: Setting | None = None,
) -> dict[str, AttackResults]:
    """Runs attacks, saves their scores and assesses them where the targets' membership is known.

    An attack that this evidence does not suffice for is passed over.

    Args:
      evidence: what the attacks may look at.
      table: the attacks by name.
      names: of those to run.
      save: called with (name, scores float64 [targets, examples]); NaN where an example has too few
        shadow scores for the attack.
      skip_failures: notes tell of the attacks that are passed over; else an error does, at the end.
      priors: shares of the examples that are members, for the value of an accusation.
      shadows: evidence against shadow models, to choose thresholds on (shadow_targets.py); None
        takes the other targets.
      bound: which bound on epsilon; None for the default.

    Returns:
      name -> what it finds; empty if the membership is unknown, or the same of all: a ROC needs
      members and non-members.

    Raises:
      CannotBeMade: an attack was passed over, naming it; with what the others find.
      UserError: none of the attacks can be made.
    """
    members, results = evidence.members, {}
    if not can_be_evaluated(members):
        members = None
    evidence.read(
        signal for name in names for signal in table[name].needs if not table[name].by_model
    )
    notes = AttackNotes(evidence)
    judge = None if members is None else _Judge(evidence, members, shadows, priors, bound)
    with (
        progress.bar("attack", len(names), "attacks") as bar,
        Beside(evidence.targets.number * len(evidence.labels)) as beside,
    ):

        def end(name: str, started: float, found: AttackResults | None) -> None:
            if found is not None:
                results[name] = found
            seconds = time.monotonic() - started
            if seconds > 30:
                progress.note(f"{name} took {seconds:.0f} s")
            bar.update()

        for name in names:
            bar.set_postfix_str(name)
            started = time.monotonic()
            try:
                scores = table[name].run(evidence)
                _require_scores(scores, members)
            except UserError as error:
                notes.left_out[name] = error
                bar.update()
                continue
            save(name, scores)
            notes.look_at(name, table[name], scores)
            if judge is None:
                end(name, started, None)
                continue
            limits = judge.limits(table[name])
            if limits.error:
                notes.undecided[name] = limits.error
            beside.start(
                functools.partial(judge.assess, table[name], scores, limits),
                functools.partial(end, name, started),
            )
    notes.tell_of_scores()
    left_out = notes.left_out
    if left_out and not skip_failures:
        name = next(iter(left_out))
        message = f"--attacks={name}: {left_out[name]}"
        if len(left_out) == len(names):
            raise UserError(message)
        raise CannotBeMade(message, results)
    if len(left_out) == len(names):
        raise UserError(f"--attacks: none of them can be made: {notes.why_none()}")
    notes.tell_of_errors()
    return results


def _require_scores(scores: np.ndarray, members: np.ndarray | None) -> None:
    """Whether any example has a score, of members and of non-members where they are known.

    Raises:
      UserError: none has one, as where a signal is NaN for all.
    """
    scored = ~np.isnan(scores)
    kinds = {"example": scored}
    if members is not None:
        kinds |= {"member": scored & members, "non-member": scored & ~members}
    for kind, known in kinds.items():
        if not known.any():
            raise UserError(f"no {kind} has a score: what it looks at is NaN for all of them")


@dataclasses.dataclass(frozen=True)
class _Limits:
    """What an attack's decisions go by: its own threshold, what it says of shadow models, or
    neither."""

    threshold: float | None = None
    of_shadows: ShadowScores | None = None
    error: UserError | None = None


class _Judge:
    """Assesses attacks on targets of known membership."""

    def __init__(
        self,
        evidence: Evidence,
        members: np.ndarray,
        shadows: Evidence | None,
        priors: Sequence[float],
        bound: Setting | None,
    ):
        self.labels, self.members, self.shadows = evidence.labels, members, shadows
        self.priors, self.bound = priors, bound
        self.correct = self.maximum_score = None
        if "logits" in evidence.signals:
            self.correct = evidence.statistic_of_targets(statistics.correctness) == 1
            largest = evidence.statistic_of_targets(statistics.maximum_score)
            self.maximum_score = np.exp(largest)

    def limits(self, attack: Attack) -> _Limits:
        """Runs the attack on shadow models, where thresholds come from them."""
        found = _Limits()
        if self.shadows is not None:
            assert self.shadows.members is not None, "shadows are models of the run"
            try:
                scores = ShadowScores(attack.run(self.shadows), self.shadows.members)
                found = _Limits(of_shadows=scores)
            except UserError as error:  # there are too few of them
                found = _Limits(attack.fallback)
                if attack.fallback is None and attack.threshold is None:
                    return _Limits(error=error)
        if attack.threshold is None:
            return found
        return dataclasses.replace(found, threshold=attack.threshold)

    def assess(self, attack: Attack, scores: np.ndarray, limits: _Limits) -> AttackResults:
        """What the attack finds, by its scores [targets, examples]."""
        found = assess(
            scores,
            self.members,
            self.labels,
            self.correct,
            limits.threshold,
            limits.of_shadows,
            self.priors,
            self.maximum_score,
            self.bound,
        )
        if attack.statistic is None:
            return found
        return dataclasses.replace(found, statistic=attack.statistic.name)
