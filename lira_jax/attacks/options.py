"""Options of an attack, as a user gives them: rmia_online+gamma=1+combine=vote.

An attack declares its options in its line of the table. The text is the attack's name wherever one
stands: on the command line, in results.csv, on the page and in attacks/NAME.npy. So it has only
characters that every file system takes; a colon, as in --masks=file:PATH, is not one of them.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lira_jax.errors import UserError, bad_choice

if TYPE_CHECKING:
    from lira_jax.attacks.kinds import Attack

Value = float | int | str

SEPARATOR = "+"


@dataclasses.dataclass(frozen=True)
class Option:
    """A number or a word that an attack can be given.

    Attributes:
      name: of the option.
      default: what it is if it is not given.
      about: what it is, in a line.
      choices: the words it can be.
      least, most: bounds of the number; without any bound it is a word alone.
      above, below: whether the number is above `least`, below `most`, so that it is not the bound.
      whole: whether the number is whole.
    """

    name: str
    default: Value
    about: str
    choices: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False

    @property
    def allowed(self) -> str:
        """What may be given, in words."""
        if not self._is_number:
            return " or ".join(self.choices)
        ends = []
        if math.isfinite(self.least):
            ends.append(f"{'above' if self.above else 'at least'} {_number(self.least)}")
        if math.isfinite(self.most):
            ends.append(f"{'below' if self.below else 'at most'} {_number(self.most)}")
        number = f"{'a whole number' if self.whole else 'a number'} {' and '.join(ends)}"
        return ", or ".join((number, *self.choices))

    @property
    def _is_number(self) -> bool:
        return math.isfinite(self.least) or math.isfinite(self.most)

    @property
    def help(self) -> str:
        """The option in a line: what it is, what may be given, the default."""
        return f"{self.name} is {self.about} ({self.allowed}; default {_text(self.default)})"

    def read(self, text: str) -> Value:
        """The value of a text.

        Raises:
          ValueError: it is not allowed.
        """
        if text in self.choices:
            return text
        if not self._is_number:
            raise ValueError(text)
        number = int(text) if self.whole else float(text)
        low = self.least < number if self.above else self.least <= number
        high = number < self.most if self.below else number <= self.most
        if not (low and high and math.isfinite(number)):
            raise ValueError(text)
        return number


def canonical(name: str, table: Mapping[str, "Attack"]) -> str:
    """The one name of an attack with its options: in the order of its line, without defaults.

    >>> from lira_jax.attacks.table import ATTACKS
    >>> canonical("rmia_online+combine=vote+gamma=1.50", ATTACKS)
    'rmia_online+gamma=1.5+combine=vote'
    >>> canonical("rmia_online+gamma=2", ATTACKS)
    'rmia_online'

    Raises:
      UserError: the attack is not in the table, has no such option, or not that value of it.
    """
    base, given = _parsed(name, table)
    return SEPARATOR.join([base, *_shown(table[base], given)])


def with_options(names: Iterable[str], table: Mapping[str, "Attack"]) -> dict[str, "Attack"]:
    """The attacks with options among some canonical names.

    Raises:
      UserError: as `canonical`.
    """
    found = {}
    for name in names:
        if SEPARATOR not in name:
            continue
        base, given = _parsed(name, table)
        attack = table[base]
        assert attack.build is not None, "it stands beside options"
        built = attack.build({o.name: given.get(o.name, o.default) for o in attack.options})
        about = f"{built.summary} ({', '.join(_shown(attack, given))})"
        found[name] = dataclasses.replace(built, summary=about)
    return found


def help_text(table: Mapping[str, "Attack"]) -> str:
    """The options of all attacks of a table, each once."""
    attacks: dict[Option, list[str]] = {}
    for name, attack in table.items():
        for option in attack.options:
            attacks.setdefault(option, []).append(name)
    shared: dict[str, list[str]] = {}
    for option, names in attacks.items():
        shared.setdefault(", ".join(names), []).append(option.help)
    return " ".join(f"Options of {names}: {'; '.join(lines)}." for names, lines in shared.items())


def _help(attack: "Attack") -> str:
    return "; ".join(option.help for option in attack.options)


def _parsed(name: str, table: Mapping[str, "Attack"]) -> tuple[str, dict[str, Value]]:
    """The attack's own name, and the options that are given."""
    base, *parts = name.split(SEPARATOR)
    if base not in table:
        with_any = [n for n, attack in table.items() if attack.options]
        if "@" in base:
            raise UserError(
                f"--attacks={name}: an attack on another signal takes no options; these do, on "
                f"their own: {', '.join(with_any)}"
            )
        raise bad_choice("--attacks", base, table)
    attack = table[base]
    if not attack.options:
        with_any = [n for n, other in table.items() if other.options]
        raise UserError(
            f"--attacks={name}: {base} takes no options; these do: {', '.join(with_any)}"
        )
    known = {option.name: option for option in attack.options}
    given: dict[str, Value] = {}
    for part in parts:
        key, equals, text = (piece.strip() for piece in part.partition("="))
        if not equals or key not in known:
            raise UserError(
                f"--attacks={name}: {base} has no option {part!r}; it has: {_help(attack)}"
            )
        if key in given:
            raise UserError(f"--attacks={name}: {key} is given twice")
        try:
            given[key] = known[key].read(text)
        except ValueError:
            raise UserError(f"--attacks={name}: {part}: {known[key].help}") from None
    return base, given


def _shown(attack: "Attack", given: Mapping[str, Value]) -> list[str]:
    """The options that differ from their defaults, as text, in the order of the line."""
    return [
        f"{o.name}={_text(given[o.name])}"
        for o in attack.options
        if o.name in given and given[o.name] != o.default
    ]


def _text(value: Value) -> str:
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    """The shortest text that reads as the number, without the separator."""
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
    return text.replace(SEPARATOR, "")
