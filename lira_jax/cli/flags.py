"""What all commands share: flags made from the Experiment, help, and one-line errors."""

import contextlib
import errno
import functools
import os
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence

from absl import app, flags, logging

from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS, TARGET_FIELDS, Experiment, target_experiment
from lira_jax.launch import parts
from lira_jax.progress import note
from lira_jax.runs.directory import RunDirectory

FLAGS = flags.FlagValues()
"""The flags of all commands, apart from absl's own FLAGS: a user's module may define any there."""

DEFINE_integer, DEFINE_float, DEFINE_bool, DEFINE_string, DEFINE_list = (
    functools.partial(define, flag_values=FLAGS, module_name="This command")
    for define in (
        flags.DEFINE_integer,
        flags.DEFINE_float,
        flags.DEFINE_bool,
        flags.DEFINE_string,
        flags.DEFINE_list,
    )
)

_DEFINERS = {int: DEFINE_integer, float: DEFINE_float, bool: DEFINE_bool, str: DEFINE_string}

# Every command takes every field of the experiment, so that one flagfile serves all stages;
# `--help` shows those that matter to it.
for _name, _field in FIELDS.items():
    if isinstance(_field.default, tuple):
        DEFINE_list(_name, [str(v) for v in _field.default], _field.metadata["help"])
    else:
        _DEFINERS[type(_field.default)](_name, _field.default, _field.metadata["help"])
DEFINE_string("workdir", "", "Run directory that all stages share. Required.")
DEFINE_string(
    "out",
    "",
    "Where lira-attack writes its results (empty for the run directory itself) and lira-export "
    "its folder (a new or empty one, or an earlier export, which is replaced).",
)
DEFINE_string(
    "model_ids",
    "all",
    "Models to train or score: all, a slice such as 0:64, or a list such as 0,3,5. Several "
    "processes may fill one run directory.",
)
DEFINE_string(
    "part",
    "",
    "Which part of --model_ids this machine takes, from 0, such as 3/8; auto for what the "
    "scheduler says (SLURM, Open MPI, Kubernetes' JOB_COMPLETION_INDEX with JOB_COMPLETIONS, TPU "
    "pods), auto/8 where it does not say of how many; empty for all. Part i of n takes every n-th "
    "model from the i-th.",
)
DEFINE_string(
    "workers",
    "auto",
    "Processes that share the models on this machine, each pinned to its part of the cores: a "
    "number, or auto (on a CPU one a core for models with convolutions, else 1).",
)

for _flag in flags.FLAGS.get_flags_for_module("absl.logging"):
    FLAGS[_flag.name] = _flag

SCORE_FLAGS = tuple(n for n, f in FIELDS.items() if f.metadata["fixed_by"] == "score")
SHARE_FLAGS = ("model_ids", "part", "workers")
HOW_FLAGS = ("strategy", "conv_form", "models_per_chunk", "score_batch_size")


def run(name: str, summary: str, shown: Collection[str], main: Callable[[], None]) -> None:
    """Parses the command line and runs `main`; exits 0, 1 after a UserError, or 2 after a wrong
    flag.

    Args:
      name: of the command, for messages.
      summary: first paragraph of `--help`.
      shown: the flags that `--help` explains.
      main: the command.
    """

    def parsed(argv):
        if {"--help", "-h", "-help", "--helpshort", "--helpfull"} & set(argv[1:]):
            print(_help(name, summary, FLAGS if "--helpfull" in argv else ["workdir", *shown]))
            sys.exit(0)
        try:
            parse(argv)
            if not FLAGS.workdir:
                raise flags.Error(
                    "--workdir= is empty: give the run directory, such as --workdir=runs/digits"
                )
        except (flags.Error, OSError) as error:
            _fail(name, error, 2)
        flags.FLAGS(argv[:1])  # so that a user's module can read the flags that it defines

    def guarded(_):
        if not FLAGS["verbosity"].present:
            # absl's own default tells of every file that orbax opens
            logging.set_verbosity(logging.WARNING)
        try:
            main()
        except UserError as error:
            _fail(name, error, 1)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise
            _fail(name, f"{error.filename or FLAGS.workdir}: {error.strerror}", 1)
        except KeyboardInterrupt:
            _fail(name, "interrupted; run the same command again to go on", 130)

    app.run(guarded, flags_parser=parsed)


def parse(arguments: Sequence[str]) -> None:
    """Sets FLAGS from a command line, whose first word is the command, and to defaults elsewhere.

    Raises:
      flags.Error: an unknown flag, a value of another type, or a word that is no flag.
      OSError: a flagfile cannot be read.
    """
    for name in FLAGS:
        FLAGS[name].unparse()
    rest = FLAGS(arguments)
    if len(rest) > 1:
        raise flags.Error(f"{rest[1]!r} is not a flag; write --name=value")


def keep_compiled_programs() -> None:
    """Has JAX keep compiled programs in the user's cache, so that a resumed run does not compile
    again."""
    import jax

    if not jax.config.jax_compilation_cache_dir:  # JAX_COMPILATION_CACHE_DIR goes first
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "lira_jax", "compiled"))


def asked_experiment() -> tuple[Experiment, set[str]]:
    """The experiment of the command line, and the names of the fields it really sets."""
    values = {}
    for name, field in FIELDS.items():
        value = FLAGS[name].value
        if isinstance(field.default, tuple):
            try:
                value = tuple(int(v) for v in value if v)
            except ValueError:
                raise UserError(
                    f"--{name}={','.join(value)}: give whole numbers, comma separated"
                ) from None
        values[name] = value
    return Experiment(**values), {n for n in FIELDS if FLAGS[n].present}


def own_models(num_models: int) -> list[int]:
    """The models that this process computes: its part of those that are asked for.

    Raises:
      UserError: --model_ids or --part names none of the run.
    """
    asked, part = masks.parse_ids(FLAGS.model_ids, num_models), parts.parse(FLAGS.part, os.environ)
    own = part.of(asked)
    if part.count > 1:
        note(f"part {part} has {len(own)} of {len(asked)} models: {own}")
    return own


def open_run() -> tuple[RunDirectory, Experiment]:
    """The run directory of `--workdir` and its experiment, agreed with the flags given.

    Raises:
      UserError: there is no run, or a flag contradicts it.
    """
    run_directory = RunDirectory(FLAGS.workdir)
    run_directory.read_experiment()
    return run_directory, run_directory.settle_experiment(*asked_experiment())


def with_targets(
    run_directory: RunDirectory, experiment: Experiment
) -> list[tuple[RunDirectory, Experiment]]:
    """The run, and after it that of its targets, if another recipe trains them.

    Raises:
      UserError: a flag contradicts what the targets depend on already, or makes no sense for them.
    """
    runs = [(run_directory, experiment)]
    if other := target_experiment(experiment):
        with naming_target_flags(experiment):
            runs.append(
                (run_directory.targets(), run_directory.targets().settle_experiment(other, FIELDS))
            )
    return runs


@contextlib.contextmanager
def naming_target_flags(experiment: Experiment) -> Iterator[None]:
    """Errors in the block are about the targets' recipe, so they name its flags."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for name, shadows in TARGET_FIELDS.items():
            if getattr(experiment, name) != FIELDS[name].default:
                text = text.replace(f"--{shadows}=", f"--{name}=")
        raise UserError(text) from None


def _help(name: str, summary: str, shown) -> str:
    lines = [*textwrap.wrap(f"{name}: {summary}", 100), ""]
    for flag in shown:
        entry = FLAGS[flag]
        default = ",".join(entry.default) if isinstance(entry.default, list) else entry.default
        choices = FIELDS[flag].metadata["choices"] if flag in FIELDS else ()
        text = (
            f"{entry.help} {'One of ' + ', '.join(choices) + '. ' if choices else ''}Default: "
            f"{default!r}."
        )
        lines += [
            f"--{flag}",
            *textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    "),
        ]
    lines += ["--flagfile", "    A file of flags, one a line, such as configs/digits.flags.", ""]
    lines.append(
        "--helpfull lists every flag that this command accepts; an experiment's are accepted by "
        "all commands."
    )
    return "\n".join(lines)


def _fail(name: str, error, status: int) -> None:
    print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(status)
