"""The run of --workdir and its experiment, agreed with the flags that are given."""

import contextlib
import dataclasses
import os
from collections.abc import Collection, Iterator
from typing import Any

from absl import flags

from lira_jax import experiment as experiment_lib
from lira_jax.cli import flagfiles
from lira_jax.cli.flags import FLAGS, define_experiment, open_with, typed
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import (
    DATA_LISTS,
    DATA_PLACES,
    FAMILY_FIELDS,
    FIELDS,
    TARGET_FIELDS,
    Experiment,
    target_experiment,
)
from lira_jax.launch import parts
from lira_jax.progress import note
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory


def asked_experiment(stored: Experiment | None = None) -> tuple[Experiment, set[str]]:
    """The experiment of the command line, and the names of the fields it really sets.

    Args:
      stored: the experiment that the run has already, which what is not set is taken from.

    Raises:
      UserError: the flagfile of the targets cannot be read, or has flags that it must not have.
    """
    given = {n: FLAGS[n].value for n in FIELDS if n in FLAGS and FLAGS[n].present}
    before = stored or Experiment()
    for name in (n for n in (*DATA_PLACES, *DATA_LISTS) if given.get(n)):
        absolute = _absolute_list if name in DATA_LISTS else _absolute
        found, known = absolute(str(given[name])), getattr(before, name)
        given[name] = known if found == absolute(known) else found
    in_files = {n for n in given if n not in typed}
    given = _without_other_families(given, in_files, before)
    if FLAGS["target_flagfile"].present:
        own = _target_fields(FLAGS.target_flagfile)
        model = own.get("model", given.get("model", before.model))
        shadows = dataclasses.replace(before, **given)
        own = _without_other_families(own, own, dataclasses.replace(shadows, model=model))
        given["target_recipe"] = experiment_lib.target_recipe(own)
    return dataclasses.replace(Experiment(), **given), set(given)


def _absolute(path: str) -> str:
    """The path from the root, so that the run can go on in another working directory."""
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def _absolute_list(specs: str) -> str:
    """The same of each data set in a list such as noise,npz:other.npz."""
    parts = [spec.partition(":") for spec in specs.split(",")]
    return ",".join(
        f"{name}:{_absolute(path)}" if path and name.strip() != "tfds" else name + colon + path
        for name, colon, path in parts
    )


def _target_fields(path: str) -> dict[str, Any]:
    """The fields that a flagfile of the targets sets."""
    if not path:
        return {}
    values = flagfiles.Values()
    define_experiment(values)
    try:
        values([path, f"--flagfile={path}"])
    except (flags.Error, OSError) as error:
        raise UserError(f"--target_flagfile={path}: {error}") from None
    given = {n: values[n].value for n in FIELDS if n in values and values[n].present}
    if not given:
        raise UserError(f"--target_flagfile={path}: it sets no flag, such as --model=cnn")
    for name, value in given.items():
        if name not in TARGET_FIELDS:
            raise UserError(
                f"--target_flagfile={path}: --{experiment_lib.shown(name, value)}: the targets "
                "share the shadow models' data, masks, seed and queries, and are computed as they "
                "are; give flags of model and training only"
            )
    return given


def _without_other_families(
    fields: dict[str, Any], in_files: Collection[str], before: Experiment
) -> dict[str, Any]:
    """Fields without those options of flagfiles that the model's family does not have."""
    options = [n for n in FAMILY_FIELDS if n in in_files and n in fields]
    # What the run has already has been looked at, and the look takes a second.
    if all(fields[n] == getattr(before, n) for n in options):
        return fields
    from lira_jax.models.table import FAMILIES

    model = fields.get("model", before.model)
    if model not in FAMILIES and ":" not in model:
        return fields  # a typo, which will be told
    has = FAMILIES[model].options if model in FAMILIES else {}
    passed_over = [n for n in options if n not in has]
    told = [n for n in passed_over if fields[n] != FIELDS[n].default]
    if told:
        named = ", ".join(f"--{experiment_lib.shown(n, fields[n])}" for n in told)
        open_with(f"note: {named} in a flagfile is passed over: --model={model} has no such option")
    return {n: value for n, value in fields.items() if n not in passed_over}


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


Runs = list[tuple[RunDirectory, Experiment]]
"""The run and its experiment, and after it those of its targets, if another recipe trains them."""


@contextlib.contextmanager
def settling() -> Iterator[Runs]:
    """The run directory of `--workdir` and its experiment, agreed with the flags given.

    The block checks that the experiment can run, and then calls `store`.

    Raises:
      UserError: a flag contradicts what results depend on already, or makes no sense.
    """
    run = RunDirectory(FLAGS.workdir)
    stored = run.read_experiment() if run.has_experiment() else None
    with contextlib.ExitStack() as held:
        experiment = held.enter_context(run.settling(*asked_experiment(stored)))
        runs = [(run, experiment)]
        if other := target_experiment(experiment):
            with about_targets():
                experiment_lib.validate(other)
                targets = run.targets()
                runs.append((targets, held.enter_context(targets.settling(other, FIELDS))))
        yield runs


def check_code_named(runs: Runs) -> None:
    """Checks that this command line names the code of the user's own that it is to run.

    Raises:
      UserError: it does not; a run directory from a stranger may name any.
    """
    given = {n for n in FIELDS if n in FLAGS and FLAGS[n].present}
    run, experiment = runs[0]
    experiment_lib.check_named(experiment, given, f"the run in {run.path}")
    for targets, other in runs[1:]:
        same = {n for n in given if getattr(other, n) == getattr(experiment, n)}
        own = experiment_lib.own_code(other).keys() - same
        if own and not FLAGS["target_flagfile"].present:
            name = min(own)
            raise UserError(
                f"--target_flagfile: the run in {targets.path} names the code "
                f"{getattr(other, name)}, which runs only if you name it too: give the flagfile "
                f"of the targets, with --{name}={getattr(other, name)}, if you trust it"
            )


def store(runs: Runs) -> None:
    """Stores the experiments that `settling` has given."""
    for run, experiment in runs:
        run.store_experiment(experiment)


def open_run() -> tuple[RunDirectory, Experiment]:
    """The run directory of `--workdir` and its experiment, agreed with the flags given.

    Raises:
      UserError: there is no run, or a flag contradicts it.
    """
    return open_runs()[0]


def open_runs() -> Runs:
    """The same, and those of its targets.

    Of what the flags change, the place of data that have moved is stored; the rest is for this
    command alone, which cannot tell whether others can run with it.

    Raises:
      UserError: there is no run, or a flag contradicts it, or makes no sense for the targets.
    """
    RunDirectory(FLAGS.workdir).read_experiment()
    with settling() as runs:
        run, experiment = runs[0]
        if run_data.moved(run, experiment):
            run_data.load_data(run, experiment, also=[r for r, _ in runs])
            places = {name: getattr(experiment, name) for name in DATA_PLACES}
            stored = [(r, r.read_experiment()) for r, _ in runs if r.has_experiment()]
            store([(r, dataclasses.replace(e, **places)) for r, e in stored])
    return runs


@contextlib.contextmanager
def about_targets() -> Iterator[None]:
    """Errors in the block are about the targets' recipe, so they say where it is from."""
    try:
        yield
    except UserError as error:
        given = FLAGS.target_flagfile
        where = f"--target_flagfile={given}" if given else "target_recipe of experiment.json"
        raise UserError(f"{where}: {error}") from None
