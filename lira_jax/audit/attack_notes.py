"""What is said aloud of attacks beside their results: what they lack, and what they cannot say."""

from collections.abc import Mapping

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.lists import Fewest, TooFewScores
from lira_jax.errors import UserError

FLOOR = "zero_r"
"""The attack whose scores are meant to be all the same."""


class AttackNotes:
    """Collects what is to be told, so that attacks of which the same is true share a line."""

    def __init__(self, evidence: Evidence):
        self._evidence = evidence
        self._unscored: dict[tuple[int, bool, Fewest | None], list[str]] = {}
        self._caveats: dict[str, list[str]] = {}
        self.left_out: dict[str, UserError] = {}
        """Attack -> why it cannot be made."""
        self.undecided: dict[str, UserError] = {}
        """Attack -> why shadow models give it no threshold."""

    def look_at(self, name: str, attack: Attack, scores: np.ndarray) -> None:
        """Collects what the scores of an attack, [targets, examples], lack or cannot say."""
        lacking = np.isnan(scores)
        number = int(lacking.any(0).sum())
        if number:
            partly = bool((lacking.any(0) & ~lacking.all(0)).any())
            self._unscored.setdefault((number, partly, attack.fewest), []).append(name)
        if told := _caveat(name, attack, self._evidence, scores):
            self._caveats.setdefault(told, []).append(name)

    def tell_of_scores(self) -> None:
        """Notes of the attacks that were made."""
        for (number, partly, fewest), attacks in self._unscored.items():
            progress.note(
                f"{', '.join(attacks)}: {number} of {len(self._evidence.labels)} examples have "
                f"{fewest.lack if fewest else 'no score'}{' for some targets' if partly else ''}; "
                f"they are left out{' there' if partly else ''}"
            )
        for told, attacks in self._caveats.items():
            progress.note(f"{', '.join(attacks)}: {told}")

    def tell_of_errors(self) -> None:
        """Notes of those that were not, or that have no threshold."""
        for why, which in _by_error(self.left_out).items():
            progress.note(f"left out {', '.join(which)}: {why}")
        for why, which in _by_error(self.undecided).items():
            progress.note(f"no threshold from shadow models for {', '.join(which)}: {why}")

    def why_none(self) -> str:
        """What is wrong with most of the attacks, and what can be attacked instead."""
        why = max(_by_error(self.left_out).items(), key=lambda item: len(item[1]))[0]
        saved = self._evidence.signals.saved
        own = [name for name in saved if name not in ("phi", "logits")]
        if own and "phi" not in saved:
            why += (
                f"; or attack {own[0]}, such as --attacks=lira_online@{own[0]},threshold@{own[0]}"
            )
        return why


def _caveat(name: str, attack: Attack, evidence: Evidence, scores: np.ndarray) -> str:
    """What the scores cannot say, in words; empty if nothing."""
    if attack.caveat and (told := attack.caveat(evidence, scores)):
        return told
    if name == FLOOR:
        return ""
    low, high = np.fmin.reduce(scores, axis=None), np.fmax.reduce(scores, axis=None)
    # Of a single score, or of none, it goes without saying.
    if low < high or np.count_nonzero(~np.isnan(scores)) < 2:
        return ""
    return "every example has one and the same score, which says nothing of any"


def _by_error(errors: Mapping[str, UserError]) -> dict[str, list[str]]:
    """What is wrong -> the attacks of which that is wrong."""
    found: dict[str, list[str]] = {}
    for name, error in errors.items():
        why = error.reason if isinstance(error, TooFewScores) else str(error)
        found.setdefault(why, []).append(name)
    return found
