"""Runs attacks on evidence and measures what they find: the protocol that all attacks share."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.lists import Fewest, TooFewScores
from lira_jax.errors import UserError
from lira_jax.evaluation.assessment import AttackResults, ShadowScores, assess
from lira_jax.evaluation.epsilon import Setting
from lira_jax.evaluation.transfer import PRIORS

FLOOR = "zero_r"
"""The attack whose scores are meant to be all the same."""


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
    members, results, left_out = evidence.members, {}, {}
    if not can_be_evaluated(members):
        members = None
    unscored: dict[tuple[int, bool, Fewest | None], list[str]] = {}
    undecided: dict[str, UserError] = {}
    caveats: dict[str, list[str]] = {}
    evidence.read(
        signal for name in names for signal in table[name].needs if not table[name].by_model
    )
    correct = maximum_score = None
    if "logits" in evidence.signals:
        correct = evidence.statistic_of_targets(statistics.correctness) == 1
        if members is not None:
            maximum_score = np.exp(evidence.statistic_of_targets(statistics.maximum_score))
    with progress.bar("attack", len(names), "attacks") as bar:
        for name in names:
            bar.set_postfix_str(name)
            started = time.monotonic()
            try:
                scores = table[name].run(evidence)
            except UserError as error:
                left_out[name] = error
            else:
                save(name, scores)
                lacking = np.isnan(scores)
                number = int(lacking.any(0).sum())
                if number:
                    partly = bool((lacking.any(0) & ~lacking.all(0)).any())
                    group = (number, partly, table[name].fewest)
                    unscored.setdefault(group, []).append(name)
                if told := _caveat(name, table[name], evidence, scores):
                    caveats.setdefault(told, []).append(name)
                if members is not None:
                    of_shadows = threshold = None
                    try:
                        if shadows is not None:
                            of_shadows = _on_shadows(table[name], shadows)
                    except UserError as error:
                        threshold = table[name].fallback
                        if threshold is None and table[name].threshold is None:
                            undecided[name] = error
                    if table[name].threshold is not None:
                        threshold = table[name].threshold
                    found = assess(
                        scores,
                        members,
                        evidence.labels,
                        correct,
                        threshold,
                        of_shadows,
                        priors,
                        maximum_score,
                        bound,
                    )
                    if statistic := table[name].statistic:
                        found = dataclasses.replace(found, statistic=statistic.name)
                    results[name] = found
                seconds = time.monotonic() - started
                if seconds > 30:
                    progress.note(f"{name} took {seconds:.0f} s")
            bar.update()
    for (number, partly, fewest), attacks in unscored.items():
        progress.note(
            f"{', '.join(attacks)}: {number} of {len(evidence.labels)} examples have "
            f"{fewest.lack if fewest else 'no score'}{' for some targets' if partly else ''}; they "
            f"are left out{' there' if partly else ''}"
        )
    for told, attacks in caveats.items():
        progress.note(f"{', '.join(attacks)}: {told}")
    if left_out and not skip_failures:
        name = next(iter(left_out))
        message = f"--attacks={name}: {left_out[name]}"
        if len(left_out) == len(names):
            raise UserError(message)
        raise CannotBeMade(message, results)
    if len(left_out) == len(names):
        raise UserError(f"--attacks: none of them can be made: {_why_none(evidence, left_out)}")
    for why, which in _by_error(left_out).items():
        progress.note(f"left out {', '.join(which)}: {why}")
    for why, which in _by_error(undecided).items():
        progress.note(f"no threshold from shadow models for {', '.join(which)}: {why}")
    return results


def _on_shadows(attack: Attack, shadows: Evidence) -> ShadowScores:
    """What the attack says of shadow models.

    Raises:
      UserError: there are too few of them.
    """
    members = shadows.members
    assert members is not None, "shadows are models of the run"
    return ShadowScores(attack.run(shadows), members)


def _caveat(name: str, attack: Attack, evidence: Evidence, scores: np.ndarray) -> str:
    """What the scores cannot say, in words; empty if nothing."""
    if attack.caveat and (told := attack.caveat(evidence, scores)):
        return told
    known = scores[~np.isnan(scores)]
    if name == FLOOR or known.size < 2 or known.min() < known.max():
        return ""
    return "every example has one and the same score, which says nothing of any"


def _by_error(left_out: Mapping[str, UserError]) -> dict[str, list[str]]:
    """What is wrong -> the attacks of which that is wrong."""
    found: dict[str, list[str]] = {}
    for name, error in left_out.items():
        why = error.reason if isinstance(error, TooFewScores) else str(error)
        found.setdefault(why, []).append(name)
    return found


def _why_none(evidence: Evidence, left_out: Mapping[str, UserError]) -> str:
    """What is wrong with most of the attacks, and what can be attacked instead."""
    why = max(_by_error(left_out).items(), key=lambda item: len(item[1]))[0]
    own = [name for name in evidence.signals.saved if name not in ("phi", "logits")]
    if own and "phi" not in evidence.signals.saved:
        why += f"; or attack {own[0]}, such as --attacks=lira_online@{own[0]},threshold@{own[0]}"
    return why
