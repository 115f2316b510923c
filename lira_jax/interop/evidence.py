"""Evidence of a run, ours or another tool's, with the targets and shadows that one names."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.data import examples, masks
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.interop import read, release, targets
from lira_jax.runs import diagnoses, layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import (
    Loaded,
    diagnose_outputs,
    load_evidence,
    with_plain_shadows,
    with_shadows_of,
)
from lira_jax.runs.layout import POOL
from lira_jax.runs.restricted import (
    about,
    learning_from,
    with_shadows_on_others,
    without_reference,
)


@dataclasses.dataclass(frozen=True)
class Source:
    """What is attacked, and the run directories that it comes from.

    Attributes:
      loaded: the evidence, its models and targets.
      run: of the targets; None for another tool's run.
      shadow_run: of the shadow models, where they are not those of `run`.
      outside: whether the targets come from a file.
    """

    loaded: Loaded
    run: RunDirectory | None = None
    shadow_run: RunDirectory | None = None
    outside: bool = False


def read_own(
    runs: Sequence[tuple[RunDirectory, Experiment]],
    asked: str = "all",
    shadows: str = "",
    order: str = "ours",
    *,
    stop_at: str = "",
    quiet: bool = False,
    released: str = "",
    naive: bool = False,
    judged: str = "",
    known: str = "",
) -> Source:
    """Evidence of a run of lira_jax.

    Args:
      runs: the run and, if another recipe trains the targets, after it that of the targets.
      asked: "all", model ids, or a file with the outputs of targets from outside.
      shadows: run directory whose models are the shadows instead; empty for none.
      order: of the queries in a file of targets, one of queries.ORDERS.
      stop_at: where the models are stopped, as `stops.of_models` takes it; empty for the end.
      quiet: no notes on models that have diverged or learned nothing.
      released: what the models release, as --release names it; empty for their logits.
      naive: whether the shadow models do not.
      judged: .npy file of the examples that are attacked; empty for all.
      known: .npy file of the examples that attacks learn from; empty for the same.

    Raises:
      UserError: something is missing, damaged or does not fit together; the flag is named.
    """
    (run, experiment), *own_targets = runs
    outside, shadow_run = names_a_file(asked), None
    if shadows:
        _refuse_shadows(shadows, outside)
        shadow_run = RunDirectory(shadows)
        if not shadow_run.has_experiment():
            raise UserError(f"--shadows={shadows}: there is no run of lira_jax in it")
    elif own_targets and not outside:
        shadow_run, (run, experiment) = run, own_targets[0]
    named = "all" if outside else asked
    view = POOL
    if released:
        own = shadow_run is not None and not shadows
        other = {"--stop_at": stop_at, "--target_flagfile": own}
        if clash := [flag for flag, given in other.items() if given]:
            raise UserError(f"--release={released}: not with {clash[0]}; drop one of them")
        view = layout.released(release.check(run, released).folder)
        if shadows and not naive:
            release.check(RunDirectory(shadows), released)
    loaded = load_evidence(run, experiment, named, outside, stop_at=stop_at, view=view, quiet=quiet)
    number = len(loaded.evidence.labels) if loaded.examples is None else len(loaded.examples)
    which = {
        flag: examples.named(f"{flag}={path}", path, number)
        for flag, path in (("--examples", judged), ("--shadow_examples", known))
        if path
    }
    if shadow_run is not None and known:
        if outside or not judged:
            raise UserError(
                f"--shadow_examples={known}: say by --examples which others are attacked, of "
                "models of the run"
            )
        loaded = with_shadows_on_others(
            shadow_run,
            run,
            loaded,
            which["--examples"],
            which["--shadow_examples"],
            view=POOL if naive else view,
            quiet=quiet,
        )
        return Source(without_reference(loaded, run), run, shadow_run)
    if naive and shadow_run is None:
        plain = load_evidence(run, experiment, named, outside, quiet=True)
        loaded = with_plain_shadows(loaded, plain)
    if outside and masks.is_disjoint(experiment.masks):
        raise UserError(f"--targets={asked}: not with disjoint masks; name models of the run")
    if shadow_run is not None:
        shadow_view = POOL if naive else view
        loaded = with_shadows_of(shadow_run, run, loaded, view=shadow_view, quiet=quiet)
    source = _with_outside(Source(loaded, run, shadow_run, outside), asked, order)
    loaded = source.loaded
    if known:
        loaded = learning_from(loaded, which["--shadow_examples"], f"--shadow_examples={known}")
    loaded = without_reference(loaded, run)
    if judged:
        loaded = about(loaded, which["--examples"], f"--examples={judged}")
    return dataclasses.replace(source, loaded=loaded)


def read_foreign(
    workdir: str | os.PathLike, asked: str = "all", shadows: str = "", order: str = "ours"
) -> Source:
    """Evidence of another tool's run directory; arguments and errors as `read_own`."""
    outside = names_a_file(asked)
    if shadows:
        _refuse_shadows(shadows, True)
    evidence, models = _healthy(workdir, *read.read(workdir), "all" if outside else asked)
    evidence = _with_targets(evidence, models, "all" if outside else asked)
    assert isinstance(evidence.targets, Inside), "of another tool all models are targets"
    loaded = Loaded(evidence, models, [models[t] for t in evidence.targets.models])
    return _with_outside(Source(loaded, outside=outside), asked, order)


def names_a_file(asked: str) -> bool:
    """Whether targets are named by a file or folder, not by ids.

    Raises:
      UserError: it is neither.
    """
    if re.fullmatch(r"all|[-\d,:\s]*", asked):
        return False
    if not pathlib.Path(asked).exists():
        raise UserError(
            f"--targets={asked}: there is no such file; give all, model ids such as 0,3, or a "
            "file with the logits of targets from outside"
        )
    return True


def _healthy(
    workdir: str | os.PathLike, evidence: Evidence, models: list[int], asked: str
) -> tuple[Evidence, list[int]]:
    """The evidence of the models that have not diverged, and their ids.

    Raises:
      UserError: they are too few, or a target that is asked for is not among them; or no model
        knows anything of the labels.
    """
    order = "see to it that labels and masks are in the order of the scores"
    found = {
        model: diagnose_outputs(evidence.signals, row, evidence.keep[row])
        for row, model in enumerate(models)
    }
    wrong = {row: model for row, model in enumerate(models) if found[model].diverged}
    if len(models) - len(wrong) < 2:
        raise UserError(
            f"{workdir}: {len(models) - len(wrong)} of {len(models)} models can be used, the "
            f"others have diverged; {order}"
        )
    if all(d.diverged or d.learned_nothing for d in found.values()):
        raise UserError(f"{workdir}: none of {len(models)} models learned anything; {order}")
    if line := diagnoses.diverged(found):
        progress.note(f"WARNING: {line}")
    if line := diagnoses.learned_nothing(found):
        progress.note(f"WARNING: {line}; {order}")
    lost = [str(model) for model in wrong.values() if str(model) in asked.split(",")]
    if lost:
        raise UserError(f"--targets={asked}: model {lost[0]} has diverged; name others")
    if not wrong:
        return evidence, models
    rows = [row for row in range(len(models)) if row not in wrong]
    return evidence.models(np.array(rows)), [models[row] for row in rows]


def _refuse_shadows(shadows: str, refuse: bool) -> None:
    if refuse:
        raise UserError(
            f"--shadows={shadows}: the targets must be models of a run of lira_jax, such as "
            "--targets=all"
        )


def _with_outside(source: Source, asked: str, order: str) -> Source:
    if not source.outside:
        if order != "ours":
            raise UserError(f"--targets_queries={order}: it is for a file that --targets names")
        return source
    loaded = source.loaded
    evidence = targets.with_targets_of(loaded.evidence, loaded.models, pathlib.Path(asked), order)
    loaded = dataclasses.replace(source.loaded, evidence=evidence, targets=[asked], epochs=())
    return dataclasses.replace(source, loaded=loaded)


def _with_targets(evidence: Evidence, models: list[int], asked: str) -> Evidence:
    """The evidence with the named models as targets.

    Raises:
      UserError: a name that is not among the models.
    """
    if asked == "all":
        return evidence
    try:
        positions = [models.index(int(t)) for t in asked.split(",")]
    except ValueError:
        raise UserError(
            f"--targets={asked}: give some of the models {models}, comma separated"
        ) from None
    return dataclasses.replace(evidence, targets=Inside(np.array(positions)))
