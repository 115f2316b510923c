"""Evidence of a run, ours or another tool's, with the targets and shadows that one names."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.interop import read, targets
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded, load_evidence, with_shadows_of


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
    runs: Sequence[tuple[RunDirectory, Experiment]], asked: str = "all", shadows: str = ""
) -> Source:
    """Evidence of a run of lira_jax.

    Args:
      runs: the run and, if another recipe trains the targets, after it that of the targets.
      asked: "all", model ids, or a file with the outputs of targets from outside.
      shadows: run directory whose models are the shadows instead; empty for none.

    Raises:
      UserError: something is missing, damaged or does not fit together; the flag is named.
    """
    (run, experiment), *own_targets = runs
    outside, shadow_run = pathlib.Path(asked).exists(), None
    if shadows:
        _refuse_shadows(shadows, outside)
        shadow_run = RunDirectory(shadows)
    elif own_targets and not outside:
        shadow_run, (run, experiment) = run, own_targets[0]
    loaded = load_evidence(run, experiment, "all" if outside else asked)
    if outside and experiment.masks == "disjoint":
        raise UserError(f"--targets={asked}: not with --masks=disjoint; name models of the run")
    if shadow_run is not None:
        loaded = with_shadows_of(shadow_run, run, loaded)
    return _with_outside(Source(loaded, run, shadow_run, outside), asked)


def read_foreign(workdir: str | os.PathLike, asked: str = "all", shadows: str = "") -> Source:
    """Evidence of another tool's run directory; arguments and errors as `read_own`."""
    outside = pathlib.Path(asked).exists()
    if shadows:
        _refuse_shadows(shadows, True)
    evidence, models = read.read(workdir)
    evidence = _with_targets(evidence, models, "all" if outside else asked)
    assert isinstance(evidence.targets, Inside), "of another tool all models are targets"
    loaded = Loaded(evidence, models, [models[t] for t in evidence.targets.models])
    return _with_outside(Source(loaded, outside=outside), asked)


def _refuse_shadows(shadows: str, refuse: bool) -> None:
    if refuse:
        raise UserError(
            f"--shadows={shadows}: the targets must be models of a run of lira_jax, such as "
            "--targets=all"
        )


def _with_outside(source: Source, asked: str) -> Source:
    if not source.outside:
        return source
    evidence = targets.with_targets_of(source.loaded.evidence, pathlib.Path(asked))
    loaded = dataclasses.replace(source.loaded, evidence=evidence, targets=[asked])
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
