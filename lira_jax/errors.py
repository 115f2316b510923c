"""The one exception that reaches a user as a line of text instead of a traceback."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend, in one line: the flag or file, its value, the fix."""


def bad_choice(what: str, value: object, choices: Iterable) -> UserError:
    """The error for a value outside `choices`, with the nearest one suggested."""
    names = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return UserError(f"{what}={value}: {hint}it is one of {', '.join(names)}")
