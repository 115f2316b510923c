"""What all commands share: flags made from the Experiment, and one-line errors."""

import dataclasses
import errno
import functools
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Collection, Sequence
from typing import Any

from absl import app, flags, logging

from lira_jax import experiment as experiment_lib
from lira_jax.cli import flagfiles, stop
from lira_jax.data import masks
from lira_jax.data.text import tokenizers
from lira_jax.defences import releases
from lira_jax.defences import table as defences
from lira_jax.errors import UserError
from lira_jax.experiment import (
    FIELDS,
    GROUPS,
)
from lira_jax.launch import workers
from lira_jax.progress import note

FLAGS = flagfiles.Values()
"""The flags of all commands, apart from absl's own FLAGS: a user's module may define any there."""

OWN, SHARED, LOGGING = "This command", "Run", "Logging"
"""Groups of flags in --help, besides those of the experiment."""

DEFINE_integer, DEFINE_float, DEFINE_bool, DEFINE_string, DEFINE_list = (
    functools.partial(define, flag_values=FLAGS, module_name=OWN)
    for define in (
        flags.DEFINE_integer,
        flags.DEFINE_float,
        flags.DEFINE_bool,
        flags.DEFINE_string,
        flags.DEFINE_list,
    )
)
"""Define a flag of one command."""


class _Choice(flags.ArgumentParser):
    """Shows in --help what may be chosen; `experiment.validate` refuses what may not."""

    def __init__(self, choices: tuple[str, ...]):
        self.syntactic_help = f"one of {', '.join(choices)}"


class _Masks(_Choice):
    """Their file, if one is named, is found again from another folder."""

    def parse(self, argument):
        return masks.absolute(argument)


class _Tokenizer(flags.ArgumentParser):
    """A tokenizer, whose file is found again from another folder."""

    def parse(self, argument):
        return tokenizers.absolute(argument)


class _WholeNumbers(flags.ArgumentParser):
    """Numbers separated by commas."""

    syntactic_help = "whole numbers, comma separated"

    def parse(self, argument):
        if isinstance(argument, tuple):
            return argument
        try:
            return tuple(int(v) for v in argument.split(",") if v.strip())
        except ValueError:
            raise ValueError("give whole numbers, comma separated") from None


class _Path(flags.ArgumentParser):
    """A path, whose ~ the shell leaves alone after the = of a flag."""

    def parse(self, argument):
        return os.path.expanduser(argument)


class _Found(flags.ArgumentParser):
    """A path that is found again from another folder."""

    def parse(self, argument):
        return os.path.abspath(os.path.expanduser(argument)) if argument else ""


class _CommaSeparated(flags.ArgumentSerializer):
    def serialize(self, value):
        return ",".join(map(str, value))


def DEFINE_path(name: str, default: str, help: str, group: str = OWN) -> None:  # as absl's names
    """Defines a flag that is a path, or may be one."""
    flags.DEFINE(_Path(), name, default, help, flag_values=FLAGS, module_name=group)


def define_experiment(values: flags.FlagValues) -> None:
    """Defines a flag for each field but target_recipe, which a flagfile gives."""
    types: dict[type, flags.ArgumentParser] = {
        int: flags.IntegerParser(),
        float: flags.FloatParser(),
        str: flags.ArgumentParser(),
    }
    for group in GROUPS:
        for field in dataclasses.fields(group):
            name, default, text = field.name, field.default, field.metadata["help"]
            where: dict[str, Any] = {"flag_values": values, "module_name": group.__name__}
            if name == "target_recipe":
                continue
            if name == "defence":
                text = f"{text} {defences.help_text()}"
            if isinstance(default, bool):
                flags.DEFINE_bool(name, default, text, **where)
            elif isinstance(default, tuple):
                flags.DEFINE(
                    _WholeNumbers(), name, default, text, serializer=_CommaSeparated(), **where
                )
            else:
                choices = field.metadata["choices"]
                kind = _Masks if name == "masks" else _Choice
                parser = kind(choices) if choices else types[type(default)]
                parser = {"reference": _Found(), "tokenizer": _Tokenizer()}.get(name, parser)
                flags.DEFINE(parser, name, default, text, **where)


# Every command takes every field of the experiment, so that one flagfile serves all stages;
# `--help` shows those that matter to it.
define_experiment(FLAGS)
flags.DEFINE(
    _Path(),
    "target_flagfile",
    "",
    FIELDS["target_recipe"].metadata["help"],
    flag_values=FLAGS,
    module_name=experiment_lib.Targets.__name__,
)
flags.DEFINE_string(
    "config",
    "",
    f"Flags of a config that comes with lira_jax: {', '.join(flagfiles.configs())}.",
    flag_values=FLAGS,
    module_name=SHARED,
)
DEFINE_path("workdir", "", "Run directory that all stages share. Required.", SHARED)
DEFINE_path(
    "out",
    "",
    "Where lira-attack writes its results and lira-report its page (empty for the run directory "
    "itself) and lira-export its folder (a new or empty one, or an earlier export, which is "
    "replaced).",
    SHARED,
)
for _name, _default, _help in (
    (
        "release",
        "",
        "What the models release in the place of their logits: lira-score writes released/NAME/, "
        "for each of a comma-separated list, and lira-attack attacks one. " + releases.help_text(),
    ),
    (
        "model_ids",
        "all",
        "Models to train or score: all, a slice such as 0:64, or a list such as 0,3,8:16. Several "
        "processes may fill one run directory.",
    ),
    (
        "part",
        "",
        "Which part of --model_ids this machine takes, from 0, such as 3/8; auto for what the "
        "scheduler says (SLURM, Open MPI, Kubernetes' JOB_COMPLETION_INDEX with JOB_COMPLETIONS, "
        "TPU pods), auto/8 where it does not say of how many; empty for all. Part i of n takes "
        "every n-th model from the i-th.",
    ),
    (
        "workers",
        "auto",
        "Processes that share the models on this machine, each pinned to its part of the cores: "
        "a number, or auto (on a CPU one a core for models with convolutions, else 1).",
    ),
):
    flags.DEFINE_string(_name, _default, _help, flag_values=FLAGS, module_name=SHARED)
for _flag in flags.FLAGS.get_flags_for_module("absl.logging"):
    FLAGS[_flag.name] = _flag
    FLAGS.register_flag_by_module(LOGGING, _flag)

SHARE_FLAGS = ("model_ids", "part", "workers")
_LATER = ("train", "data", "nothing")
SCORE_FLAGS = tuple(n for n, f in FIELDS.items() if f.metadata["fixed_by"] not in _LATER)
HOW_FLAGS = ("strategy", "conv_form", "models_per_chunk", "score_batch_size")

typed: set[str] = set()
"""Names of the flags on the command line itself, in no flagfile."""


def run(
    name: str,
    summary: str,
    shown: Collection[str],
    main: Callable[[], None],
    complete: Callable[[Sequence[str]], list[str]] = list,
) -> None:
    """Parses the command line and runs `main`; exits 0, 1 after a UserError, 2 after a wrong flag.

    Args:
      name: of the command, for messages.
      summary: first paragraph of `--help`.
      shown: the flags that `--help` explains.
      main: the command.
      complete: makes the command line that is parsed of the one that is given.
    """

    def parsed(argv):
        if {"--help", "-h", "-help", "--helpshort", "--helpfull"} & set(argv[1:]):
            explained = list(FLAGS) if "--helpfull" in argv else ["workdir", *shown]
            print(help_text(name, summary, explained))
            sys.exit(0)
        try:
            argv = complete(argv)
            parse(argv)
            sys.argv[1:] = argv[1:]  # which worker processes are given
            if not FLAGS.workdir:
                raise flags.Error(
                    "--workdir= is empty: give the run directory, such as --workdir=runs/digits"
                )
        except (flags.Error, OSError) as error:
            _fail(name, error, 2)
        except UserError as error:
            _fail(name, error, 1)
        flags.FLAGS(argv[:1])  # so that a user's module can read the flags that it defines

    def guarded(_):
        if not FLAGS["verbosity"].present:
            # absl's own default tells of every file that orbax opens
            logging.set_verbosity(logging.WARNING)
        try:
            main()
        except UserError as error:
            _fail(name, error, 1)
        except BrokenPipeError:  # a reader such as head has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(128 + signal.SIGPIPE)
        except OSError as error:
            if error.errno is None:
                raise
            path = error.filename if isinstance(error.filename, str) else FLAGS.workdir
            why = error.strerror
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                why = "the disk is full; free some space and run the same command again"
            _fail(name, f"{path}: {why}", 1)
        except MemoryError as error:
            _fail(name, f"memory does not suffice{f' ({error})' if str(error) else ''}", 1)
        except KeyboardInterrupt:
            stop.end_if_stopped()
            _fail(name, "interrupted; run the same command again to go on", 130)

    # The name of a file may be bytes that are not UTF-8.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app.run(guarded, flags_parser=parsed)


def parse(arguments: Sequence[str]) -> None:
    """Sets FLAGS from a command line, whose first word is the command, and to defaults elsewhere.

    Raises:
      flags.Error: an unknown flag, a value of another type, or a word that is no flag.
      OSError: a flagfile cannot be read.
    """
    for name in FLAGS:
        FLAGS[name].unparse()
    try:
        rest = FLAGS(arguments)
    except ValueError as error:  # of absl's own flags
        raise flags.Error(str(error)) from None
    if len(rest) > 1:
        raise flags.Error(f"{rest[1]!r} is not a flag; write --name=value")
    if FLAGS["config"].present:  # on a command line it becomes --flagfile
        raise flags.Error(f"--config={FLAGS.config}: give it on the command line, not in a file")
    typed.clear()
    typed.update(a.lstrip("-").partition("=")[0] for a in arguments[1:] if a.startswith("-"))


def help_text(name: str, summary: str, shown: Collection[str]) -> str:
    """The summary of a command and, as absl puts it, its key flags, group by group."""
    key = flags.FlagValues()
    for flag in {FLAGS[flag].name: FLAGS[flag] for flag in shown}.values():  # -v is --verbosity
        key[flag.name] = flag
        defined_in = FLAGS.find_module_defining_flag(flag.name)
        assert defined_in is not None, "every flag is defined in a group"
        key.register_flag_by_module(defined_in, flag)
    groups = [OWN, SHARED, *(group.__name__ for group in GROUPS), LOGGING]
    return "\n".join(
        [
            *textwrap.wrap(f"{name}: {summary}", 80),
            *(text for group in groups if (text := key.module_help(group))),
            "",
            "--config=NAME reads the flags of a config that comes with lira_jax, such as digits;",
            "--flagfile=FILE those of any file, one a line, such as configs/digits.flags.",
            "--helpfull lists every flag that this command accepts; an experiment's are accepted",
            "by all commands.",
        ]
    )


def start_jax() -> None:
    """Gives JAX its usual settings, and a cache of compiled programs for a resumed run to find."""
    import jax

    from lira_jax.ensemble import start

    start.set_usual(quiet=workers.inside())
    # JAX gives its options as attributes that its types do not tell.
    kept = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if not kept:  # JAX_COMPILATION_CACHE_DIR goes first
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "lira_jax", "compiled"))


_told: set[str] = set()  # what stages of this process have begun with


def open_with(line: str) -> None:
    """Tells what a stage begins with, once for all workers and stages of a process."""
    if not workers.inside() and line not in _told:
        _told.add(line)
        note(line)


def _fail(name: str, error, status: int) -> None:
    print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(status)
