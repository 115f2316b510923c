"""Flag files: text of some size, and no pipe or device, which may never end.

Those of configs/ come with the package and have names; lira_jax/configs is a link to that folder.
"""

import os
import pathlib
from collections.abc import Sequence

from absl import flags

from lira_jax.data.readers.reading import regular
from lira_jax.errors import UserError, bad_choice

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
LIMIT = 1 << 20
"""Bytes of a flag file. The longest of ours has 3000."""

_NAMES = ("--flagfile", "-flagfile")


class Values(flags.FlagValues):
    """absl's flags, whose files are looked at before they are read."""

    def read_flags_from_files(self, argv: Sequence[str], force_gnu: bool = True) -> list[str]:
        """As absl's.

        Raises:
          flags.Error: there is no config of that name, or a file is none, too large, or no UTF-8
            text.
        """
        argv = _with_configs_as_files(argv)
        for word, after in zip(argv, [*argv[1:], ""], strict=False):
            if word in _NAMES:
                _check(after)
            elif named := _named_in(word):
                _check(named)
        return super().read_flags_from_files(argv, force_gnu)


def configs() -> list[str]:
    """Names of the configs that come with the package, such as digits."""
    return sorted(path.stem for path in CONFIGS.glob("*.flags"))


def config(name: str) -> pathlib.Path:
    """The flag file of a config, such as digits, or bundles/adam.

    Raises:
      UserError: there is none.
    """
    path = CONFIGS / f"{name}.flags"
    if name in configs() or (name.startswith("bundles/") and path.is_file()):
        return path
    raise bad_choice("--config", name, configs())


def _with_configs_as_files(argv: Sequence[str]) -> list[str]:
    """A command line with --flagfile=FILE in the place of --config=NAME."""
    words = iter(argv)
    found: list[str] = []
    for word in words:
        if word == "--":
            return [*found, word, *words]
        option, is_given, name = word.partition("=")
        if option in ("--config", "-config"):
            try:
                word = f"--flagfile={config(name if is_given else next(words, ''))}"
            except UserError as error:
                raise flags.Error(str(error)) from None
        found.append(word)
    return found


def _named_in(word: str) -> str:
    """The file that --flagfile=FILE names; empty if it is another flag."""
    name, _, path = word.partition("=")
    return path.strip() if name in _NAMES else ""


def _check(path: str, above: Sequence[str] = ()) -> None:
    """Checks a flag file and those that are named in it; what is not there absl tells."""
    file = pathlib.Path(os.path.expanduser(path))
    if not path or path in above or not file.exists():
        return
    try:
        regular(file, "give a file of flags")
    except UserError as error:
        raise flags.Error(f"--flagfile={path}: {error}") from None
    if (size := file.stat().st_size) > LIMIT:
        raise flags.Error(f"--flagfile={path}: it has {size} bytes; give a file of flags")
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise flags.Error(f"--flagfile={path}: it is not UTF-8 text ({error})") from None
    for line in text.splitlines():
        if named := _named_in(line):
            _check(named, [*above, path])
