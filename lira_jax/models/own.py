"""Functions of the user's own, named package.module:function on the command line."""

import importlib
import inspect
import traceback
from collections.abc import Callable

from lira_jax.errors import UserError


def function(flag: str, name: str) -> Callable:
    """Imports the function that a flag names.

    Raises:
      UserError: it cannot be imported, or is no function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), function_name, None)
    except (ImportError, ValueError, TypeError) as error:
        raise UserError(
            f"{flag}={name}: cannot import {module_name!r} ({error}); is its folder on PYTHONPATH?"
        ) from error
    if not callable(found):
        raise UserError(f"{flag}={name}: {module_name} has no function {function_name!r}")
    return found


def must_take(flag: str, name: str, called: Callable, *arguments: str, **named: object) -> None:
    """Checks that a function can be called with these arguments.

    Raises:
      UserError: it takes others.
    """
    try:
        inspect.signature(called).bind(*arguments, **named)
    except TypeError as error:
        wanted = ", ".join([*arguments, *(f"{n}=" for n in named)])
        wanted = " and ".join(wanted.rsplit(", ", 1))
        raise UserError(f"{flag}={name}: it must take {wanted} ({error})") from error


def failure(error: Exception) -> str:
    """An exception of the user's code in one line, with the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    text = str(error).strip().splitlines()
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text[0] if text else ''}{place}"
