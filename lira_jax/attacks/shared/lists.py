"""Examples that have too few shadow scores for an attack, which get no score of it: NaN."""

import dataclasses
from collections.abc import Callable

import numpy as np

from lira_jax.attacks.shared.inputs import Inputs
from lira_jax.errors import UserError


class TooFewScores(UserError):
    """No example has enough shadow scores for an attack.

    Attributes:
      reason: the same without the name of the attack, so that it can be said of several.
    """

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Fewest:
    """How many scores an attack needs in the lists of an example, without those of the target and
    its partner.

    Attributes:
      num_in: in the in list, of shadow models that trained on the example.
      num_out: in the out list, of those that did not.
    """

    num_in: int
    num_out: int

    @property
    def lack(self) -> str:
        """What an example has that has too few, in words."""
        kinds = {"in": self.num_in, "out": self.num_out}
        if self.num_in == self.num_out:
            kinds = {"in or out": self.num_out}
        words = [
            f"{'no' if number == 1 else f'fewer than {number}'} {kind}"
            for kind, number in kinds.items()
            if number
        ]
        return f"{' or '.join(words)} scores"

    def met(self, inputs: Inputs) -> np.ndarray:
        """Which examples have enough for which target, bool [targets, examples], or [1, examples]
        where it is the same for all."""
        enough = np.ones((1, inputs.keep.shape[1]), bool)
        for member, number in ((inputs.keep, self.num_in), (~inputs.keep, self.num_out)):
            gone = 0 if inputs.targets is None else inputs.loses(member)
            enough = enough & (member.sum(0) - gone >= number)
        return enough


EACH, OUT = Fewest(1, 1), Fewest(0, 1)
TWO_EACH, TWO_OUT = Fewest(2, 2), Fewest(0, 2)


def on_scored(
    inputs: Inputs,
    fewest: Fewest,
    attack: str,
    run: Callable[[Inputs], np.ndarray],
    advice: str = "",
) -> np.ndarray:
    """Runs an attack on the examples that have enough shadow scores.

    Args:
      inputs: of the attack.
      fewest: how many scores it needs.
      attack: what to call it in the message.
      run: the attack, on inputs of which every example has enough for some target: float64
        [targets, examples]. What it gives for the others is not used.
      advice: what else could be done, for the message.

    Returns:
      float64 [targets, examples]; NaN where an example has too few. Where a partner goes with the
      target that is the same for all targets, otherwise not: then an example can have enough for
      those that did not train on it and too few for those that did.

    Raises:
      TooFewScores: no example has enough for any target.
    """
    enough = fewest.met(inputs)
    if enough.all():
        return run(inputs)
    if not enough.any():
        raise too_few(inputs, fewest, attack, advice)
    some = np.asarray(enough.any(0))
    score = np.full((inputs.num_targets, len(some)), np.nan)
    score[:, some] = np.where(enough[:, some], run(inputs.select(some)), np.nan)
    return score


def too_few(inputs: Inputs, fewest: Fewest, attack: str, advice: str = "") -> TooFewScores:
    """The error of an attack that no example has enough shadow scores for; arguments as
    `on_scored`."""
    if fewest.num_in and inputs.targets is None and not inputs.keep.any():
        reason = "no shadow model trained on an example under attack, as with --masks=disjoint"
        return TooFewScores(f"{reason}; {attack} needs some that did{advice}", reason)
    kinds = {"in": fewest.num_in, "out": fewest.num_out}
    needed = " and ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    less = " without the target and its partner" if inputs.partner else " without the target"
    lack = f"no example has {needed} shadow scores{'' if inputs.targets is None else less}"
    do = "use more models (--num_models) or balanced masks (--masks=balanced)"
    return TooFewScores(f"{lack}, as {attack} needs: {do}{advice}", f"{lack}: {do}")
