"""Attacks by the names that a user gives."""

import dataclasses
import importlib.util
from collections.abc import Iterable, Mapping

import numpy as np

from lira_jax.attacks.kinds import PHI_MEAN, Attack, Scalar, mean_of, plain_of
from lira_jax.attacks.options import SEPARATOR, canonical, with_options
from lira_jax.attacks.shared import failures
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.plain import MAY_FAIL
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.errors import UserError, bad_choice


def table_of(names: Iterable[str], compat: str = "") -> dict[str, Attack]:
    """The table of attacks, with those of some names that are on other signals or have options.

    Args:
      names: canonical, as `named` gives them.
      compat: one of COMPATIBLE.

    Raises:
      UserError: unknown compat, or as `on_signals` and `with_options`.
    """
    names, table = list(names), _table(compat)
    return {**table, **on_signals(names, table), **with_options(names, table)}


def _table(compat: str) -> dict[str, Attack]:
    if compat not in COMPATIBLE:
        raise bad_choice("--compat", compat, [c for c in COMPATIBLE if c])
    return {**ATTACKS, **COMPATIBLE[compat]}


SAVED_BY_DEFAULT = {"phi", "logits"}
OF_TEXT = {"phi", "token_losses"}
FOR_TEXT = {
    "rmia_online": "rmia_online+gamma=1",
    "rmia_offline": "rmia_offline+gamma=1+a=1",
}
"""What all and fast have of text in the place of an attack whose defaults are for images.

RMIA compares e^-L of the mean loss L of a token. Of an image that a model has learned p_y can be
many times that of other models, and close to 1; of a text e^-L is a few per cent higher and nowhere
near 1. So a factor of 2 is beaten by next to none, and of two texts none is told from the other,
and an in mean of 0.3 out + 0.7 has little to do with the out mean.
"""


def named(text: str, compat: str = "", *, of_text: bool = False) -> list[str]:
    """Names of attacks, in the table's order; those with options by their canonical name.

    Args:
      text: names, comma separated; all; or fast, which leaves out those that train something for
        every target. An attack whose package is not installed, or that reads a signal which
        lira-score measures only if it is named, is in neither.
      compat: one of COMPATIBLE, whose attacks can have other options.
      of_text: whether the models are of text, so that all and fast are to have attacks on it.

    Raises:
      UserError: a name is not in the table.
    """
    table = _table(compat)
    installed = [
        n
        for n, a in ATTACKS.items()
        if (not a.extra or importlib.util.find_spec(a.extra))
        and {*a.needs} <= (OF_TEXT if a.text else SAVED_BY_DEFAULT)
        and (of_text or not a.text)
    ]
    if text in ("all", "fast"):
        chosen = [n for n in installed if text == "all" or not ATTACKS[n].slow]
        instead = {n: FOR_TEXT[n] for n in chosen if of_text and n in FOR_TEXT and not compat}
        return [n for n in chosen if n not in instead] + list(instead.values())
    names = [
        canonical(n, table) if SEPARATOR in n else n for n in (n.strip() for n in text.split(","))
    ]
    others = {**on_signals(names, table), **with_options(names, table)}
    for name in names:
        if name not in table and name not in others:
            raise bad_choice("--attacks", name, ["all", "fast", *table])
    return [n for n in (*table, *others) if n in names]


def on_signals(names: Iterable[str], table: Mapping[str, Attack]) -> dict[str, Attack]:
    """The attacks of a table on other signals, of those names that ask for one: ATTACK@SIGNAL.

    Raises:
      UserError: the attack is not in the table, or reads no other signal.
    """
    bases = {attack.on_signal: attack for attack in table.values() if attack.on_signal}
    found = {}
    for name in names:
        base, at, signal = name.partition("@")
        if not at or SEPARATOR in name:
            continue
        if base not in bases and base in table:
            raise UserError(
                f"--attacks={name}: {base} reads no other signal than its own; these take any: "
                f"{', '.join(bases)}"
            )
        if base not in bases:
            raise bad_choice("--attacks", name, [f"{b}@{signal}" for b in bases])
        attack = bases[base]
        assert attack.run_on is not None, "it stands beside on_signal"
        found[name] = dataclasses.replace(
            attack,
            run=attack.run_on(signal),
            summary=f"{base} on the signal {signal}",
            needs=(signal,),
            by_model=False,
            statistic=_on(signal, attack.statistic),
        )
        if signal in MAY_FAIL:
            found[name] = dataclasses.replace(found[name], fewest=None, statistic=None)
            if base != "threshold":  # which asks nothing of other models
                found[name] = _leaving_out(found[name], signal)
    return found


def _leaving_out(attack: Attack, signal: str) -> Attack:
    """An attack on the examples that all models have a signal of."""

    def caveat(e: Evidence, scores: np.ndarray) -> str:
        told = [failures.caveat(e, signal), attack.caveat(e, scores) if attack.caveat else ""]
        return "; ".join(text for text in told if text)

    return dataclasses.replace(
        attack,
        run=failures.leaving_out(attack.run, signal),
        caveat=caveat,
    )


def _on(signal: str, statistic: Scalar | None) -> Scalar | None:
    """What an attack that judges by a statistic judges by on another signal."""
    if statistic is None:
        return None
    return mean_of(signal) if statistic is PHI_MEAN else plain_of(signal)
