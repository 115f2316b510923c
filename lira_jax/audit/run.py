"""An audit of a run directory: what it reads there, and what it writes."""

import dataclasses
import functools
import os
from collections.abc import Callable

import numpy as np

from lira_jax import experiment, progress
from lira_jax.attacks.selection import table_of
from lira_jax.attacks.shared import saturation
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Counterparts, Outside
from lira_jax.audit import accusations
from lira_jax.audit.attacks import can_be_evaluated
from lira_jax.audit.result_tables import texts
from lira_jax.audit.results import Results
from lira_jax.audit.sequence import Request, audit_evidence, readable
from lira_jax.data import masks, probes
from lira_jax.errors import UserError
from lira_jax.runs import data as run_data
from lira_jax.runs import layout, stops
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded, load_probe
from lira_jax.runs.result_set import ResultSet


def audit_run(
    loaded: Loaded,
    request: Request,
    out: RunDirectory,
    *,
    run: RunDirectory | None = None,
    shadow_run: RunDirectory | None = None,
    known: Callable[[Results], None] = lambda results: None,
    after: Callable[[int], Loaded] | None = None,
) -> Results:
    """Makes an audit and writes attacks/*.npy, exposure.npy, results.csv and results.json.

    Args:
      loaded: what is attacked.
      request: what is asked for.
      out: where results go.
      run: the run directory of the targets; None for another tool's.
      shadow_run: that of the shadow models, if it is another one.
      known: called with all that is known, each time that a part has been added and written.
      after: epoch -> what is attacked of the models as they were after it.

    Returns:
      The results; without attacks where nothing can be evaluated, as `audit_evidence`.

    Raises:
      UserError: as `audit_evidence`, or a dump is missing or damaged.
    """
    used = 0 if loaded.queries is None else len(loaded.queries)
    start = Results(tuple(loaded.targets), tuple(loaded.models), request.compat, used)
    if loaded.stop_at:
        stopped = tuple(loaded.epochs)
        start = dataclasses.replace(start, stop_at=loaded.stop_at, stop_epochs=stopped)
    if loaded.release:
        by = "none" if loaded.naive else "same"
        start = dataclasses.replace(start, release=loaded.release, shadows_defence=by)
    if loaded.examples is not None:
        number, which = int(loaded.examples.sum()), loaded.examples_sha256
        start = dataclasses.replace(start, num_examples=number, examples_sha256=which)
    if run is not None and shadow_run is not None:
        start = dataclasses.replace(start, **_about_shadows(run, shadow_run, out))
    evaluated = can_be_evaluated(loaded.evidence.members)

    def save(name: str, array: np.ndarray) -> None:
        if loaded.examples is not None:  # the rest of the pool is not attacked
            whole = np.full((*array.shape[:-1], len(loaded.examples)), np.nan)
            whole[..., loaded.examples] = array
            array = whole
        found.save(name, saturation.compress(array))

    def write(results: Results) -> None:
        found.switch(texts(results))
        known(results)

    tables: dict[str, str] = {}
    with out.at_work("attack"), ResultSet(out, start.about()) as found:
        try:
            results = audit_evidence(
                loaded.evidence,
                request,
                start,
                save=save,
                write=write,
                sources=None if run is None else _sources(run, loaded),
                probe_sets=None
                if run is None
                else _probe_sets(run, shadow_run, loaded, request.probes),
                coin=None if run is None else _coin(run, loaded),
                after=after,
                logged=None if run is None else stops.logged(run),
            )
            if request.fdr is not None and not evaluated:
                attacks = [table_of(request.attacks, request.compat)[n] for n in request.attacks]
                tables = accusations.tables(loaded, attacks, request.fdr)
            return results
        finally:
            if found.waiting and not evaluated:
                # What was found of other targets must not stand beside these scores.
                found.switch(tables)
                for name in tables:
                    progress.note(f"accusations are in {out.path / name}")


def _sources(run: RunDirectory, loaded: Loaded) -> tuple[np.ndarray, list[str]] | None:
    """Where each example that is attacked comes from, and the names of the sources."""
    found = run_data.sources(run)
    if found is None or loaded.examples is None:
        return found
    return found[0][loaded.examples], found[1]


def _coin(run: RunDirectory, loaded: Loaded) -> float | None:
    """The probability by which coin flips made examples members of the run's own models."""
    targets = loaded.evidence.targets
    told = isinstance(targets, Counterparts) and targets.told is not None
    if told or isinstance(targets, Outside):
        return None
    experiment = run.read_experiment()
    return masks.coin(experiment.masks, experiment.num_models, experiment.pkeep)


def _about_shadows(run: RunDirectory, shadow_run: RunDirectory, out: RunDirectory) -> dict:
    """How the targets differ from the shadow models, and where they lie, seen from the results."""
    return {
        "shadows": str(shadow_run.path),
        "target_run": os.path.relpath(run.path, out.path),
        "target_recipe": experiment.recipe_differences(
            run.read_experiment(), shadow_run.read_experiment()
        ),
    }


def _probe_sets(
    run: RunDirectory, shadow_run: RunDirectory | None, loaded: Loaded, asked: str | None
) -> dict[str, Callable[[], Evidence]]:
    """The sets of probes that the run has been scored on; none where they say nothing.

    Raises:
      UserError: none of the name that is asked for has been scored.
    """
    names = probes.parse(run.read_experiment().probes if asked is None else asked)
    for name in names if asked else ():
        if not run.has(layout.probes(name).labels):
            raise UserError(
                f"--probes={asked}: {run.path} is not scored on {name}; run lira-score "
                f"--probes={asked} first, or name others"
            )
    real = os.path.realpath
    foreign = shadow_run is not None and real(shadow_run.targets().path) != real(run.path)
    outside = any(isinstance(target, str) for target in loaded.targets)
    if names and not readable("--probes", "logits", loaded.evidence):
        return {}
    if names and loaded.stop_at:
        progress.note("left out --probes: they are scored when the models are finished")
        return {}
    if names and loaded.release:
        progress.note("left out --probes: their outputs are not released")
        return {}
    if names and (foreign or outside):
        progress.note(
            "left out --probes: they are counted where targets and shadows are models of one run"
        )
        return {}
    return {
        name: functools.partial(load_probe, shadow_run or run, name, loaded, run) for name in names
    }
