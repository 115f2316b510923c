"""Functions of the user's own, named package.module:function on the command line."""

import contextlib
import importlib
import inspect
import pathlib
import sysconfig
import traceback
from collections.abc import Callable, Iterator

from lira_jax.errors import UserError

_INSTALLED = (
    pathlib.Path(__file__).parents[1],
    *(pathlib.Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")),
)


def function(flag: str, name: str) -> Callable:
    """Imports the function that a flag names.

    Raises:
      UserError: it cannot be imported, or is no function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), function_name, None)
    except (ModuleNotFoundError, ValueError, TypeError) as error:
        raise UserError(
            f"{flag}={name}: cannot import {module_name!r} ({error}); is its folder on PYTHONPATH "
            "(PYTHONPATH=. for this one)?"
        ) from error
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{flag}={name}: cannot import {module_name!r}: {failure(error)}"
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


@contextlib.contextmanager
def blamed(flag: str) -> Iterator[None]:
    """Gives an exception in the block as an error of the code that a flag names.

    Args:
      flag: such as "--model=mine:net"; empty if the code is ours, whose exceptions stay.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not flag:
            raise
        raise UserError(f"{flag}: {failure(error)}") from error


def failure(error: BaseException) -> str:
    """An exception of the user's code in one line, with the place in that code."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f for f in frames if not _is_installed(f.filename)] or frames[-1:]
    text = str(error).strip().splitlines()
    place = f" ({places[-1].filename}:{places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {text[0] if text else ''}{place}"


def _is_installed(file: str) -> bool:
    """Whether a file is of this package, of another that is installed, or of Python."""
    path = pathlib.Path(file)
    return file.startswith("<") or any(path.is_relative_to(home) for home in _INSTALLED)
